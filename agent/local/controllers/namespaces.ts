import { messageOf } from '../../../base/errors.ts';
import type { Logger } from '../../../base/log.ts';
import type { Registry } from '../registry/registry.ts';
import { namespaces, serviceAccounts } from '../resources/cluster.ts';
import { configMaps } from '../resources/data.ts';
import { coreEvents } from '../resources/events.ts';
import { RESOURCES } from '../resources/table.ts';
import type { ApiObject, Change } from '../storage/object.ts';
import { rangeOf } from '../storage/range.ts';

/** The configMap in each namespace by which pods know the API server. */
const ROOT_CA = 'kube-root-ca.crt';
const DESCRIPTION =
  'Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such as the internal ' +
  'service IP or kubernetes.default.svc. No other usage is guaranteed across distributions of Kubernetes clusters.';

/** What a namespace holds, pods first: they take time. */
const CONTENT = RESOURCES.filter(
  ({ namespaced, toStorage, plural }) => namespaced && !toStorage && plural !== 'services',
).sort((a, b) => Number(b.plural === 'pods') - Number(a.plural === 'pods'));

/**
 * Sees to namespaces: a new one gets its default service account and the authority's certificate (controller manager:
 * serviceaccount, root-ca-certificate-publisher), one that ends loses what is in it, then itself (namespace controller).
 */
export class NamespaceController implements Disposable {
  readonly #registry: Registry;
  readonly #authority: string;
  readonly #logger: Logger;
  readonly #unsubscribe: () => void;
  readonly #pending = new Set<string>();
  /** UIDs of namespaces that end, in which all was told to. */
  readonly #emptied = new Set<string>();
  #planned: NodeJS.Immediate | undefined;

  /** @param authority certificate, PEM */
  constructor(registry: Registry, authority: string, logger: Logger) {
    this.#registry = registry;
    this.#authority = authority;
    this.#logger = logger;
    this.#unsubscribe = registry.store.subscribe((change) => this.#hear(change));
    for (const { metadata } of registry.store.list(namespaces.storage).objects) this.#look(metadata.name ?? '');
  }

  #hear({ key, type, object }: Change): void {
    const isMissed = type === 'DELETED' && isOwn(key.resource, key.name);
    const ends = type === 'DELETED' || object.metadata.deletionTimestamp !== undefined;
    if (key.resource === namespaces.storage) {
      this.#look(key.name);
      if (type === 'DELETED') this.#emptied.delete(object.metadata.uid ?? '');
    } else if (isMissed || (ends && key.namespace !== '')) this.#look(key.namespace);
  }

  #look(name: string): void {
    this.#pending.add(name);
    this.#planned ??= setImmediate(() => {
      this.#planned = undefined;
      const names = [...this.#pending];
      this.#pending.clear();
      for (const each of names) this.#reconcile(each);
    });
  }

  #reconcile(name: string): void {
    const namespace = this.#registry.find({ resource: namespaces, namespace: '', name });
    if (!namespace) return;
    try {
      if (namespace.metadata.deletionTimestamp) this.#registry.store.batch(() => this.#empty(namespace));
      else this.#furnish(name);
    } catch (error) {
      this.#emptied.delete(namespace.metadata.uid ?? '');
      this.#logger.error('a namespace could not be seen to', { namespace: name, error: messageOf(error) });
    }
  }

  #furnish(namespace: string): void {
    const account = { resource: serviceAccounts, namespace, name: 'default' };
    if (!this.#registry.find(account)) {
      this.#registry.create(serviceAccounts, objectOf('ServiceAccount', 'default'), namespace);
    }
    const place = { resource: configMaps, namespace, name: ROOT_CA };
    const data = { 'ca.crt': this.#authority };
    if (!this.#registry.find(place)) {
      const object = objectOf('ConfigMap', ROOT_CA);
      object.metadata.annotations = { 'kubernetes.io/description': DESCRIPTION };
      this.#registry.create(configMaps, { ...object, data }, namespace);
    } else this.#registry.update(place, 'free', (object) => ({ ...object, data }));
  }

  #empty({ metadata: { name: namespace = '', uid = '' } }: ApiObject): void {
    // What was told to end comes here by itself, object by object: looking at all that is left each time would never end.
    if (this.#emptied.has(uid) && this.#awaits(namespace)) return;
    this.#emptied.add(uid);
    let left = 0;
    for (const resource of CONTENT) {
      for (const { metadata } of this.#registry.store.list(resource.storage, { range: rangeOf(namespace) }).objects) {
        const place = { resource, namespace, name: metadata.name ?? '' };
        // What has begun to end is waited for; its end brings us here again.
        if (metadata.deletionTimestamp) left += 1;
        else left += Number(!this.#registry.delete(place, { propagationPolicy: 'Background' }).gone);
      }
    }
    if (left > 0) return;
    const place = { resource: namespaces, namespace: '', name: namespace };
    this.#registry.update(place, 'free', (object) => {
      const { finalizers: _finalizers, ...spec } = (object['spec'] ?? {}) as { finalizers?: unknown };
      return { ...object, spec };
    });
  }

  /** Whether something is left beside events, the one kind that still comes into a namespace that ends. */
  #awaits(namespace: string): boolean {
    const { store } = this.#registry;
    const kinds = CONTENT.filter(({ storage }) => storage !== coreEvents.storage);
    return kinds.some(({ storage }) => store.list(storage, { range: rangeOf(namespace), limit: 1 }).objects.length > 0);
  }

  [Symbol.dispose](): void {
    this.#unsubscribe();
    if (this.#planned) clearImmediate(this.#planned);
  }
}

const isOwn = (resource: string, name: string): boolean =>
  (resource === serviceAccounts.storage && name === 'default') || (resource === configMaps.storage && name === ROOT_CA);

const objectOf = (kind: string, name: string): ApiObject => ({ apiVersion: 'v1', kind, metadata: { name } });
