import { isDeepStrictEqual } from 'node:util';
import {
  alreadyExists,
  badRequest,
  conflict,
  forbidden,
  invalid,
  MODIFIED,
  notFound,
  type Cause,
} from '../api/errors.ts';
import { namespaces } from '../resources/cluster.ts';
import { RESOURCES } from '../resources/table.ts';
import { apiVersionOf, type Resource } from '../resources/resource.ts';
import type { ApiObject, ObjectKey } from '../storage/object.ts';
import type { Store } from '../storage/store.ts';
import { beginDeletion, preconditionProblem, type DeleteOptions } from './deletion.ts';
import { keepMetadata, metadataCauses, stampNew } from './metadata.ts';

/** Where an object is, in the API's terms. */
export interface Place {
  readonly resource: Resource;
  /** '' for cluster scope. */
  readonly namespace: string;
  readonly name: string;
}

export interface WriteOptions {
  /** Checks and shows what would be, and writes nothing. */
  readonly dryRun?: boolean;
}

/** Changes a new object before it is checked, or refuses it. @throws StatusError */
export type Admission = (resource: Resource, object: ApiObject) => void;

export type UpdateKind = 'object' | 'status' | 'free';

const keyOf = ({ resource, namespace, name }: Place): ObjectKey => ({ resource: resource.storage, namespace, name });

/**
 * What may be done to objects, after their kind's strategy: the generic registry of apiserver (pkg/registry/generic).
 * Synchronous like the store, so that what is read is what is changed.
 */
export class Registry {
  readonly store: Store;
  readonly #admission: Admission;

  constructor(store: Store, admission: Admission) {
    this.store = store;
    this.#admission = admission;
  }

  /** @throws StatusError NotFound */
  get(place: Place): ApiObject {
    const object = this.store.get(keyOf(place));
    if (!object) throw notFound(place.resource, place.name);
    return this.#show(place.resource, object);
  }

  find(place: Place): ApiObject | undefined {
    return this.store.get(keyOf(place));
  }

  /** As the version of the resource has it. */
  #show(resource: Resource, object: ApiObject): ApiObject {
    return resource.fromStorage ? resource.fromStorage(object) : object;
  }

  /**
   * @param object decoded; becomes the registry's own
   * @throws StatusError AlreadyExists, Invalid, NotFound for the namespace, Forbidden
   */
  create(resource: Resource, given: ApiObject, namespace: string, { dryRun = false }: WriteOptions = {}): ApiObject {
    const object = this.#toStorage(resource, given);
    if (object.metadata.resourceVersion) throw badRequest('resourceVersion should not be set on objects to be created');
    this.#checkNamespace(resource, object, namespace);
    stampNew(object, namespace);
    this.#prepare(resource, object);
    this.#stored(resource).strategy.prepareForCreate?.(object);
    this.#admission(resource, object);
    this.#validate(resource, object, this.#stored(resource).strategy.validate?.(object) ?? []);
    const place: Place = { resource, namespace, name: object.metadata.name ?? '' };
    if (this.find(place)) throw alreadyExists(resource, place.name);
    if (dryRun) return this.#show(resource, object);
    return this.#show(resource, this.store.put(keyOf(place), object));
  }

  /** The resource in the version that is stored: events have two. */
  #stored(resource: Resource): Resource {
    if (!resource.toStorage) return resource;
    return RESOURCES.find((other) => other.storage === resource.storage && !other.toStorage) ?? resource;
  }

  #toStorage(resource: Resource, object: ApiObject): ApiObject {
    return resource.toStorage ? resource.toStorage(object) : object;
  }

  #prepare(resource: Resource, object: ApiObject): void {
    const stored = this.#stored(resource);
    object.apiVersion = apiVersionOf(stored);
    object.kind = stored.kind;
    stored.strategy.defaults?.(object);
  }

  #validate(resource: Resource, object: ApiObject, causes: readonly Cause[]): void {
    const all = [...metadataCauses(resource, object), ...causes];
    if (all.length > 0) throw invalid(resource, object.metadata.name ?? '', all);
  }

  /** The NamespaceLifecycle admission: nothing new in a namespace that is not there or ends. */
  #checkNamespace(resource: Resource, object: ApiObject, namespace: string): void {
    if (!resource.namespaced) return;
    const found = this.store.get({ resource: namespaces.storage, namespace: '', name: namespace });
    if (!found) throw notFound(namespaces, namespace);
    if (!found.metadata.deletionTimestamp || resource.plural === 'events') return;
    const why = `unable to create new content in namespace ${namespace} because it is being terminated`;
    throw forbidden(resource, object.metadata.name ?? '', why);
  }

  /**
   * Changes an object: `change` gets a copy of it, in the resource's version, and returns what it is to be.
   * @param kind 'status' writes the status alone, 'object' all but the status; 'free' is for the server's own parts
   * @throws StatusError NotFound, Conflict, Invalid, and what `change` throws
   */
  update(
    place: Place,
    kind: UpdateKind,
    change: (current: ApiObject) => ApiObject,
    { dryRun = false }: WriteOptions = {},
  ): ApiObject {
    const { resource, name } = place;
    const old = this.store.get(keyOf(place));
    if (!old) throw notFound(resource, name);
    const object = this.#toStorage(resource, change(structuredClone(this.#show(resource, old))));
    this.#checkVersion(place, object, old);
    keepMetadata(object, old);
    object.metadata.resourceVersion = old.metadata.resourceVersion ?? '';
    const { strategy } = this.#stored(resource);
    this.#prepare(resource, object);
    if (kind === 'object') strategy.prepareForUpdate?.(object, old);
    if (kind === 'status') strategy.prepareForStatusUpdate?.(object, old);
    this.#validate(resource, object, kind === 'object' ? this.#updateCauses(resource, object, old) : []);
    if (dryRun || isDeepStrictEqual(object, old)) return this.#show(resource, object);
    if (isOver(object)) {
      this.store.remove(keyOf(place), object);
      return this.#show(resource, object);
    }
    return this.#show(resource, this.store.put(keyOf(place), object));
  }

  #updateCauses(resource: Resource, object: ApiObject, old: ApiObject): readonly Cause[] {
    const { strategy } = this.#stored(resource);
    const ended = old.metadata.deletionTimestamp !== undefined;
    const added = ended ? (object.metadata.finalizers ?? []).filter((f) => !old.metadata.finalizers?.includes(f)) : [];
    const why = `no new finalizers can be added if the object is being deleted, found new finalizers ${JSON.stringify(added)}`;
    return [
      ...(added.length > 0
        ? [{ reason: 'FieldValueForbidden', field: 'metadata.finalizers', message: `Forbidden: ${why}` }]
        : []),
      ...(strategy.validateUpdate?.(object, old) ?? strategy.validate?.(object) ?? []),
    ];
  }

  #checkVersion({ resource, name }: Place, object: ApiObject, old: ApiObject): void {
    const { uid = '', resourceVersion = '' } = object.metadata;
    if (uid !== '' && uid !== old.metadata.uid) {
      const why = `Precondition failed: UID in precondition: ${uid}, UID in object meta: ${old.metadata.uid ?? ''}`;
      throw conflict(resource, name, why);
    }
    if (resourceVersion !== '' && resourceVersion !== old.metadata.resourceVersion)
      throw conflict(resource, name, MODIFIED);
  }

  /**
   * Deletes an object, or begins to: what has a grace period or finalizers stays until they are over.
   * @returns the object as it is then, and whether it is gone
   * @throws StatusError NotFound, Conflict for preconditions
   */
  delete(place: Place, options: DeleteOptions): { object: ApiObject; gone: boolean } {
    const { resource, name } = place;
    const key = keyOf(place);
    const old = this.store.get(key);
    if (!old) throw notFound(resource, name);
    const problem = preconditionProblem(old, options);
    if (problem !== undefined) throw conflict(resource, name, problem);
    const { object, gone } = beginDeletion(this.#stored(resource), structuredClone(old), options);
    if (options.dryRun) return { object: this.#show(resource, object), gone };
    if (gone) this.store.remove(key, object);
    else if (!isDeepStrictEqual(object, old))
      return { object: this.#show(resource, this.store.put(key, object)), gone };
    return { object: this.#show(resource, object), gone };
  }
}

/** Whether an object that was to be deleted waits for nothing any more. */
function isOver({ metadata, ...rest }: ApiObject): boolean {
  if (!metadata.deletionTimestamp || (metadata.finalizers ?? []).length > 0) return false;
  const { finalizers = [] } = (rest['spec'] ?? {}) as { finalizers?: unknown[] };
  // A pod's end is said by the node, with a deletion without grace.
  return (metadata.deletionGracePeriodSeconds ?? 0) === 0 && (rest['kind'] !== 'Namespace' || finalizers.length === 0);
}
