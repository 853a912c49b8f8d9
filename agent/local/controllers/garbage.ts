import { messageOf } from '../../../base/errors.ts';
import type { Logger } from '../../../base/log.ts';
import { FOREGROUND, ORPHAN } from '../registry/deletion.ts';
import type { Place, Registry } from '../registry/registry.ts';
import { RESOURCES } from '../resources/table.ts';
import type { ApiObject, Change } from '../storage/object.ts';

const OWNED = RESOURCES.filter(({ toStorage }) => !toStorage);

/**
 * Deletes what belongs to something that is gone, by ownerReferences (the garbage collector of the controller manager):
 * in the background, before its owner (Foreground), or not at all (Orphan).
 */
export class GarbageCollector implements Disposable {
  readonly #registry: Registry;
  readonly #logger: Logger;
  readonly #unsubscribe: () => void;
  /** Objects by the UID of an owner. */
  readonly #dependents = new Map<string, Map<string, Place>>();
  /** Owners that wait for their dependents, by UID. */
  readonly #owners = new Map<string, Place>();
  #planned: NodeJS.Immediate | undefined;

  constructor(registry: Registry, logger: Logger) {
    this.#registry = registry;
    this.#logger = logger;
    for (const { storage } of OWNED) {
      for (const object of registry.store.list(storage).objects) this.#index(storage, object, true);
    }
    this.#unsubscribe = registry.store.subscribe((change) => this.#hear(change));
  }

  #hear({ key, type, object, previous }: Change): void {
    if (previous) this.#index(key.resource, previous, false);
    if (type !== 'DELETED') this.#index(key.resource, object, true);
    const place = placeOf(key.resource, object);
    if (!place) return;
    for (const uid of new Set([...ownersOf(previous), ...ownersOf(object)])) this.#lookAtOwner(uid, place);
    const ends = type === 'DELETED' || object.metadata.deletionTimestamp !== undefined;
    if (ends) this.#later(() => this.#ownerEnds(place, object, type === 'DELETED'));
  }

  #index(storage: string, object: ApiObject, present: boolean): void {
    const place = placeOf(storage, object);
    if (!place) return;
    for (const { uid } of object.metadata.ownerReferences ?? []) {
      const known = this.#dependents.get(uid) ?? new Map<string, Place>();
      const id = object.metadata.uid ?? '';
      if (present) known.set(id, place);
      else known.delete(id);
      if (known.size > 0) this.#dependents.set(uid, known);
      else this.#dependents.delete(uid);
    }
  }

  readonly #work: (() => void)[] = [];

  #later(work: () => void): void {
    this.#work.push(work);
    this.#planned ??= setImmediate(() => {
      this.#planned = undefined;
      for (const each of this.#work.splice(0)) {
        try {
          each();
        } catch (error) {
          this.#logger.error('what belonged to a deleted object could not be removed', { error: messageOf(error) });
        }
      }
    });
  }

  /** A dependent of an owner that waits has gone, or has come. */
  #lookAtOwner(uid: string, dependent: Place): void {
    const owner = this.#owners.get(uid);
    if (!owner) return;
    this.#later(() => {
      if (this.#dependents.has(uid)) this.#deleteDependent(dependent, uid);
      else this.#releaseOwner(uid, owner);
    });
  }

  #releaseOwner(uid: string, owner: Place): void {
    this.#owners.delete(uid);
    if (this.#registry.find(owner)?.metadata.uid === uid) this.#release(owner, FOREGROUND);
  }

  #ownerEnds(place: Place, { metadata }: ApiObject, gone: boolean): void {
    const { uid = '', finalizers = [] } = metadata;
    const dependents = [...(this.#dependents.get(uid)?.values() ?? [])];
    if (finalizers.includes(ORPHAN)) {
      for (const dependent of dependents) this.#disown(dependent, uid);
      this.#release(place, ORPHAN);
    } else if (gone || finalizers.includes(FOREGROUND)) {
      for (const dependent of dependents) this.#deleteDependent(dependent, uid);
      if (gone) this.#owners.delete(uid);
      else if (this.#dependents.has(uid)) this.#owners.set(uid, place);
      else this.#release(place, FOREGROUND);
    }
  }

  #deleteDependent(place: Place, owner: string): void {
    const object = this.#registry.find(place);
    if (!object || object.metadata.deletionTimestamp || !ownersOf(object).includes(owner)) return;
    // What has another owner still stays.
    if (ownersOf(object).some((uid) => uid !== owner)) this.#disown(place, owner);
    else this.#registry.delete(place, { propagationPolicy: 'Background' });
  }

  #disown(place: Place, owner: string): void {
    if (!this.#registry.find(place)) return;
    this.#registry.update(place, 'free', (object) => {
      const rest = (object.metadata.ownerReferences ?? []).filter(({ uid }) => uid !== owner);
      if (rest.length > 0) object.metadata.ownerReferences = rest;
      else delete object.metadata.ownerReferences;
      return object;
    });
  }

  #release(place: Place, finalizer: string): void {
    if (!this.#registry.find(place)) return;
    this.#registry.update(place, 'free', (object) => {
      const rest = (object.metadata.finalizers ?? []).filter((name) => name !== finalizer);
      if (rest.length > 0) object.metadata.finalizers = rest;
      else delete object.metadata.finalizers;
      return object;
    });
  }

  [Symbol.dispose](): void {
    this.#unsubscribe();
    if (this.#planned) clearImmediate(this.#planned);
  }
}

const ownersOf = (object: ApiObject | undefined): readonly string[] =>
  (object?.metadata.ownerReferences ?? []).map(({ uid }) => uid);

function placeOf(storage: string, { metadata: { namespace = '', name = '' } }: ApiObject): Place | undefined {
  const resource = OWNED.find((candidate) => candidate.storage === storage);
  return resource && { resource, namespace, name };
}
