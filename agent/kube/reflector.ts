import { hasCode, messageOf, WasmletError } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import { createBackoff } from './backoff.ts';
import { KubeApiError, type KubeClient, type KubeList } from './client.ts';
import type { KubeObject } from './types.ts';

export interface ReflectorHandler<T> {
  onAdd(object: T): void;
  onUpdate(object: T, previous: T): void;
  /** `object` is the last state known. */
  onDelete(object: T): void;
}

export interface ReflectorOptions<T> {
  readonly client: KubeClient;
  /** List path, for example '/api/v1/pods'. */
  readonly path: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly handler?: ReflectorHandler<T>;
  readonly logger: Logger;
  /** Back-off between failed tries, in milliseconds; default client-go's 800 and 30 000. */
  readonly backoff?: { readonly initialMs: number; readonly maxMs: number };
}

/** A local copy of a list that a watch keeps current: list in pages, watch with bookmarks, relist on 410, jittered back-off. */
export interface Reflector<T extends KubeObject> {
  /** By '<namespace>/<name>', or '<name>' for cluster-scoped objects. */
  get(key: string): T | undefined;
  list(): T[];
  /** Resolves once the first list is in. Rejects (Cancelled) when run() ended before. */
  readonly synced: Promise<void>;
  /** Runs until the signal ends it. */
  run(signal: AbortSignal): Promise<void>;
}

const PAGE = 500;
/** client-go tools/cache/reflector.go: 800 ms to 30 s, jitter 1, over again after two quiet minutes. */
const BACKOFF = { initialMs: 800, maxMs: 30_000 };
const BACKOFF_RESET_MS = 120_000;
/** A watch that ends so soon without an event is taken for a failure, or a broken proxy would have us turn in circles. */
const SHORT_WATCH_MS = 1000;

export function createReflector<T extends KubeObject>(options: ReflectorOptions<T>): Reflector<T> {
  return new ListWatcher(options);
}

/** '<namespace>/<name>', or '<name>' for cluster-scoped objects. */
export function keyOf(object: KubeObject): string {
  const { namespace, name = '' } = object.metadata ?? {};
  return namespace === undefined || namespace === '' ? name : `${namespace}/${name}`;
}

class ListWatcher<T extends KubeObject> implements Reflector<T> {
  readonly synced: Promise<void>;
  readonly #options: ReflectorOptions<T>;
  readonly #objects = new Map<string, T>();
  readonly #resolvers = Promise.withResolvers<undefined>();
  /** Version to list at: '0' (whatever the server has at hand) at first, '' (the newest) after 410. */
  #listVersion = '0';
  /** Version that the copy stands at; undefined: a list is needed. */
  #version: string | undefined;

  constructor(options: ReflectorOptions<T>) {
    this.#options = options;
    this.synced = this.#resolvers.promise.then(() => undefined);
    this.synced.catch(() => undefined);
  }

  get(key: string): T | undefined {
    return this.#objects.get(key);
  }

  list(): T[] {
    return [...this.#objects.values()];
  }

  async run(signal: AbortSignal): Promise<void> {
    const { logger, path, backoff = BACKOFF } = this.#options;
    const waits = createBackoff({ ...backoff, resetMs: BACKOFF_RESET_MS });
    for (let going = !signal.aborted; going;) {
      try {
        this.#version ??= await this.#listAll(signal);
        await this.#watch(this.#version, signal);
        going = !signal.aborted;
      } catch (error) {
        if (hasCode(error, 'Cancelled')) break;
        this.#afterFailure(error);
        logger.warn('list and watch failed, will try again', { path, error: messageOf(error) });
        going = await waits.wait(signal);
      }
    }
    this.#resolvers.reject(new WasmletError('Cancelled', `the copy of ${path} was given up before it was complete`));
  }

  /** Decides between watching on from where we stand and listing anew. */
  #afterFailure(error: unknown): void {
    if (isExpired(error)) {
      this.#listVersion = '';
      this.#version = undefined;
    } else if (error instanceof KubeApiError && error.status !== 429 && error.status < 500) {
      // Refused for what it is: a fresh list shows whether we may still see anything.
      this.#version = undefined;
    }
  }

  async #listAll(signal: AbortSignal): Promise<string> {
    const { client, path, query } = this.#options;
    const found = new Map<string, T>();
    let page: KubeList<T> | undefined;
    do {
      const at = page ? { continue: page.metadata.continue } : { resourceVersion: this.#listVersion };
      page = await client.list<T>(path, { signal, query: { ...query, ...at, limit: PAGE } });
      for (const object of page.items) found.set(keyOf(object), object);
    } while (page.metadata.continue !== undefined && page.metadata.continue !== '');
    for (const [key, object] of this.#objects) if (!found.has(key)) this.#remove(key, object);
    for (const [key, object] of found) this.#store(key, object);
    this.#resolvers.resolve(undefined);
    return (this.#listVersion = page.metadata.resourceVersion ?? '');
  }

  async #watch(resourceVersion: string, signal: AbortSignal): Promise<void> {
    const { client, path, query = {} } = this.#options;
    const startedAt = performance.now();
    let events = 0;
    for await (const { type, object } of client.watch<T>(path, resourceVersion, { signal, query })) {
      events += 1;
      this.#version = this.#listVersion = object.metadata?.resourceVersion ?? resourceVersion;
      if (type === 'DELETED') this.#remove(keyOf(object), object);
      else if (type !== 'BOOKMARK') this.#store(keyOf(object), object);
    }
    if (events === 0 && performance.now() - startedAt < SHORT_WATCH_MS) {
      throw new WasmletError('Unavailable', 'the watch ended at once');
    }
  }

  #store(key: string, object: T): void {
    const previous = this.#objects.get(key);
    const unchanged = previous?.metadata?.resourceVersion === object.metadata?.resourceVersion;
    if (previous && unchanged) return;
    // The same name over again is another object: the handler must see the first one go.
    if (previous && previous.metadata?.uid !== object.metadata?.uid) this.#remove(key, previous);
    const known = this.#objects.get(key);
    this.#objects.set(key, object);
    this.#tell((handler) => (known ? handler.onUpdate(object, known) : handler.onAdd(object)));
  }

  #remove(key: string, object: T): void {
    if (!this.#objects.delete(key)) return;
    this.#tell((handler) => handler.onDelete(object));
  }

  #tell(call: (handler: ReflectorHandler<T>) => void): void {
    const { handler, logger, path } = this.#options;
    if (!handler) return;
    try {
      call(handler);
    } catch (error) {
      logger.error('a handler of watch events failed', { path, error });
    }
  }
}

/** 410: the version is too old, for a watch or for the rest of a list (apierrors.IsResourceExpired, IsGone). */
function isExpired(error: unknown): boolean {
  return error instanceof KubeApiError && (error.status === 410 || /^(Expired|Gone)$/.test(error.reason));
}
