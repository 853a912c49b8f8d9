import { KubeApiError, type KubeClient, type KubeList, type PatchType, type WatchEvent } from '../../kube/client.ts';
import type { KubeObject, Pod, PodStatus } from '../../kube/types.ts';

type Json = Record<string, unknown>;

/** The API server's part for pods, in memory: versions, a watch, strategic merge of status, graceful deletion. */
export class FakeApi implements KubeClient {
  readonly server = 'fake';
  readonly requestCounts = new Map<string, number>();
  readonly pods = new Map<string, Pod>();
  /** Phases in the order in which they were written. */
  readonly phases: string[] = [];
  /** Errors that the next status patches meet. */
  readonly patchFaults: Error[] = [];
  readonly #history: { version: number; event: WatchEvent<Pod> }[] = [];
  readonly #watchers = new Set<(event: WatchEvent<Pod>) => void>();
  #version = 10;

  [Symbol.asyncDispose] = () => Promise.resolve();

  update = () => Promise.reject(new Error('not in this fake'));

  /** Of pods alone, as a node makes its mirror pods. */
  create<T extends KubeObject, R extends KubeObject = T>(_path: string, body: T): Promise<R> {
    this.#count('POST pods');
    return this.#try(() => {
      const name = body.metadata?.name ?? '';
      if (this.pods.has(name)) throw new KubeApiError(409, 'AlreadyExists', `pods "${name}" already exists`);
      const uid = `made-${this.#version}`;
      return this.add({ ...body, metadata: { ...body.metadata, uid } }) as unknown as R;
    });
  }

  add(pod: Pod): Pod {
    const stored = this.#store(pod);
    this.#tell('ADDED', stored);
    return stored;
  }

  /** Another version of a pod. */
  change(pod: Pod): void {
    this.#tell('MODIFIED', this.#store({ ...pod, status: this.#get(pod.metadata?.name ?? '').status ?? {} }));
  }

  /** As `kubectl delete`. */
  markDeleted(name: string, graceSeconds: number): void {
    const pod = this.#get(name);
    const metadata = {
      ...pod.metadata,
      deletionTimestamp: new Date(Date.now() + graceSeconds * 1000).toISOString(),
      deletionGracePeriodSeconds: graceSeconds,
    };
    this.#tell('MODIFIED', this.#store({ ...pod, metadata }));
  }

  /** As `kubectl delete --force`. */
  removeNow(name: string): void {
    const pod = this.#get(name);
    this.pods.delete(name);
    this.#tell('DELETED', {
      ...pod,
      metadata: { ...pod.metadata, deletionGracePeriodSeconds: 0, resourceVersion: String(++this.#version) },
    });
  }

  get<T extends KubeObject>(path: string): Promise<T> {
    this.#count(`GET ${kindOf(path)}`);
    return this.#try(() => this.#get(nameOf(path)) as T);
  }

  list<T extends KubeObject>(path: string): Promise<KubeList<T>> {
    const items = path.endsWith('/pods') ? [...this.pods.values()] : [];
    return Promise.resolve({ metadata: { resourceVersion: String(this.#version) }, items: items as T[] });
  }

  patch<T extends KubeObject>(path: string, type: PatchType, body: unknown): Promise<T> {
    this.#count(`PATCH ${kindOf(path)}`);
    const fault = this.patchFaults.shift();
    if (fault) return Promise.reject(fault);
    return this.#try(() => {
      if (type !== 'strategic') throw new Error('not in this fake');
      const pod = this.#get(nameOf(path));
      const { metadata, status } = body as { metadata: { uid: string }; status: Json };
      if (metadata.uid !== pod.metadata?.uid) throw new KubeApiError(409, 'Conflict', 'Precondition failed: UID');
      const stored = this.#store({ ...pod, status: mergeStatus(pod.status ?? {}, status) });
      if (stored.status?.phase !== this.phases.at(-1)) this.phases.push(stored.status?.phase ?? '');
      this.#tell('MODIFIED', stored);
      return stored as T;
    });
  }

  delete(path: string, body?: Record<string, unknown>): Promise<void> {
    this.#count(`DELETE ${kindOf(path)}`);
    return this.#try(() => {
      const pod = this.#get(nameOf(path));
      const { uid } = (body?.['preconditions'] ?? {}) as { uid?: string };
      if (uid !== undefined && uid !== pod.metadata?.uid) throw new KubeApiError(409, 'Conflict', 'UID');
      this.removeNow(nameOf(path));
    });
  }

  async *watch<T extends KubeObject>(
    path: string,
    resourceVersion: string,
    options: { readonly signal?: AbortSignal } = {},
  ): AsyncIterable<WatchEvent<T>> {
    const missed = path.endsWith('/pods')
      ? this.#history.filter(({ version }) => version > Number(resourceVersion))
      : [];
    const queue: WatchEvent<Pod>[] = missed.map(({ event }) => event);
    let wake = Promise.withResolvers<undefined>();
    const watcher = (event: WatchEvent<Pod>): void => {
      if (!path.endsWith('/pods')) return;
      queue.push(event);
      wake.resolve(undefined);
    };
    options.signal?.addEventListener('abort', () => wake.resolve(undefined));
    this.#watchers.add(watcher);
    while (options.signal?.aborted !== true) {
      for (let event = queue.shift(); event; event = queue.shift()) yield event as WatchEvent<T>;
      await wake.promise;
      wake = Promise.withResolvers<undefined>();
    }
    this.#watchers.delete(watcher);
  }

  #get(name: string): Pod {
    const pod = this.pods.get(name);
    if (!pod) throw new KubeApiError(404, 'NotFound', `pods "${name}" not found`);
    return pod;
  }

  #store(pod: Pod): Pod {
    const stored = { ...pod, metadata: { ...pod.metadata, resourceVersion: String(++this.#version) } };
    this.pods.set(pod.metadata?.name ?? '', stored);
    return stored;
  }

  #tell(type: WatchEvent<Pod>['type'], object: Pod): void {
    const event = { type, object };
    this.#history.push({ version: Number(object.metadata?.resourceVersion), event });
    for (const watcher of this.#watchers) watcher(event);
  }

  #count(what: string): void {
    this.requestCounts.set(what, (this.requestCounts.get(what) ?? 0) + 1);
  }

  async #try<T>(work: () => T): Promise<T> {
    await Promise.resolve();
    return work();
  }
}

const nameOf = (path: string): string => /\/pods\/([^/]+)/.exec(path)?.[1] ?? '';
const kindOf = (path: string): string => (path.endsWith('/status') ? 'pods/status' : 'pods');

/** Strategic merge of a status: conditions by type, addresses by ip, null removes, all else is replaced. */
export function mergeStatus(status: PodStatus, patch: Json): PodStatus {
  const merged: Json = { ...status };
  for (const [key, value] of Object.entries(patch)) {
    if (key.startsWith('$')) continue;
    if (key === 'conditions') merged[key] = mergeList(status.conditions ?? [], value, 'type');
    else if (key === 'podIPs') merged[key] = mergeList(status.podIPs ?? [], value, 'ip');
    else if (key === 'hostIPs') merged[key] = mergeList(status.hostIPs ?? [], value, 'ip');
    else merged[key] = value;
  }
  return withoutNulls(merged);
}

function mergeList(list: readonly Json[], patch: unknown, mergeKey: string): Json[] {
  const merged = new Map(list.map((item) => [item[mergeKey], item]));
  for (const item of patch as Json[]) {
    if (item['$patch'] === 'delete') merged.delete(item[mergeKey]);
    else merged.set(item[mergeKey], withoutNulls({ ...merged.get(item[mergeKey]), ...item }));
  }
  return [...merged.values()];
}

const withoutNulls = (object: Json): Json =>
  Object.fromEntries(Object.entries(object).filter(([, value]) => value !== null));
