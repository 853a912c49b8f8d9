import type { KubeClient } from './client.ts';
import { KubeApiError } from './client.ts';
import { onceRelated } from './node-authorizer.ts';
import type { ObjectCache } from './objects.ts';
import type { ConfigMap, KubeObject, Secret } from './types.ts';

export interface ObjectCacheOptions {
  /** Milliseconds for which an object is taken as it was read. Default 60 000, as the kubelet's. */
  readonly ttlMs?: number;
  /** Milliseconds since some origin, never going back; for tests. */
  readonly now?: () => number;
}

/** An ObjectCache whose objects can be told to be out of date. */
export interface RefreshableObjectCache extends ObjectCache {
  /**
   * The next read of every object of a namespace asks the API server. For a pod that is new to this node: what it is to
   * see must not be older than itself (pkg/kubelet/util/manager, objectStore.AddReference).
   */
  invalidate(namespace: string): void;
}

interface Entry {
  readonly namespace: string;
  object?: KubeObject | undefined;
  readAtMs: number;
  usedAtMs: number;
  reading?: Promise<KubeObject | undefined> | undefined;
}

const TTL_MS = 60_000;
/** Entries that nothing asked for over so many TTLs are dropped. */
const KEEP_TTLS = 10;

export function createObjectCache(client: KubeClient, options: ObjectCacheOptions = {}): RefreshableObjectCache {
  return new TtlCache(client, options);
}

class TtlCache implements RefreshableObjectCache {
  readonly #client: KubeClient;
  readonly #ttlMs: number;
  readonly #now: () => number;
  readonly #entries = new Map<string, Entry>();

  constructor(client: KubeClient, options: ObjectCacheOptions) {
    this.#client = client;
    this.#ttlMs = options.ttlMs ?? TTL_MS;
    this.#now = options.now ?? (() => performance.now());
  }

  configMap(namespace: string, name: string, signal?: AbortSignal): Promise<ConfigMap | undefined> {
    return this.#get('configmaps', namespace, name, signal);
  }

  secret(namespace: string, name: string, signal?: AbortSignal): Promise<Secret | undefined> {
    return this.#get('secrets', namespace, name, signal);
  }

  invalidate(namespace: string): void {
    for (const entry of this.#entries.values()) {
      if (entry.namespace !== namespace) continue;
      entry.readAtMs = -Infinity;
      // A read under way may have been answered before the object changed.
      entry.reading = undefined;
    }
  }

  async #get<T extends KubeObject>(
    resource: string,
    namespace: string,
    name: string,
    signal: AbortSignal | undefined,
  ): Promise<T | undefined> {
    const path = `/api/v1/namespaces/${encodeURIComponent(namespace)}/${resource}/${encodeURIComponent(name)}`;
    const now = this.#now();
    this.#dropUnused(now);
    let entry = this.#entries.get(path);
    if (!entry) this.#entries.set(path, (entry = { namespace, readAtMs: -Infinity, usedAtMs: now }));
    entry.usedAtMs = now;
    if (now - entry.readAtMs < this.#ttlMs) return entry.object as T | undefined;
    signal?.throwIfAborted();
    entry.reading ??= this.#read(path, entry);
    return (await abandonable(entry.reading, signal)) as T | undefined;
  }

  /** Reads an object for all who wait for it; one caller that goes does not end it for the others. */
  #read(path: string, entry: Entry): Promise<KubeObject | undefined> {
    const reading = this.#fetch(path, entry).then(
      (object) => {
        if (entry.reading !== reading) return object;
        entry.object = object;
        entry.readAtMs = object === undefined ? -Infinity : this.#now();
        entry.reading = undefined;
        return object;
      },
      (error: unknown) => {
        if (entry.reading === reading) entry.reading = undefined;
        throw error;
      },
    );
    return reading;
  }

  async #fetch(path: string, entry: Entry): Promise<KubeObject | undefined> {
    try {
      return await onceRelated(() => this.#client.get(path));
    } catch (error) {
      if (error instanceof KubeApiError && error.status === 404) return undefined;
      // As the kubelet: what was read before serves on while the API server is away.
      if (entry.object !== undefined && !(error instanceof KubeApiError)) return entry.object;
      throw error;
    }
  }

  #dropUnused(now: number): void {
    for (const [path, entry] of this.#entries) {
      if (now - entry.usedAtMs > this.#ttlMs * KEEP_TTLS) this.#entries.delete(path);
    }
  }
}

/** Waits for shared work unless the signal ends the wait; the work itself goes on. */
async function abandonable<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return work;
  const { promise, reject } = Promise.withResolvers<never>();
  const onAbort = () => reject(signal.reason as Error);
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    return await Promise.race([work, promise]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}
