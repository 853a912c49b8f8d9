import { messageOf } from '../../../base/errors.ts';
import type { Logger } from '../../../base/log.ts';
import { createBackoff, type Backoff } from '../../kube/backoff.ts';
import { KubeApiError, type KubeClient } from '../../kube/client.ts';
import type { Node, Pod } from '../../kube/types.ts';
import { CONFIG_HASH, CONFIG_MIRROR, isMirrorOf } from '../pod-source.ts';
import { identityOf, isBeingDeleted, podKey, type PodIdentity } from '../spec.ts';

export interface MirrorPodsOptions {
  readonly client: KubeClient;
  /** The Node object, the mirrors' owner; undefined while it is not known. */
  readonly node: () => Node | undefined;
  /** Whether a static pod of this namespace and name is there, also one that is ending: its mirror stays meanwhile. */
  readonly isExpected: (mirror: PodIdentity) => boolean;
  /** The mirror of a static pod has changed; undefined: there is none. */
  readonly onMirror: (staticUid: string, mirror: Pod | undefined) => void;
  readonly logger: Logger;
}

/** The mirrors of one namespace and name. */
interface Entry {
  /** The static pod that the API should show. */
  wanted: Pod | undefined;
  /** What the API has. */
  mirror: Pod | undefined;
  /** UID of a mirror that we have deleted: what the watch still tells of it is old. */
  deletedUid: string | undefined;
  task: Promise<void> | undefined;
}

const BACKOFF = { initialMs: 200, maxMs: 10_000 };

/**
 * Keeps for each static pod an object in the API that shows it (pkg/kubelet, tryReconcileMirrorPods; pod/mirror_client.go):
 * owned by the Node, as NodeRestriction demands, made anew when it was deleted or is of another version of the pod, and
 * deleted once the pod is gone. Nothing waits for it: static pods run without the API server.
 */
export class MirrorPods {
  readonly #options: MirrorPodsOptions;
  readonly #entries = new Map<string, Entry>();
  readonly #ended = new AbortController();

  constructor(options: MirrorPodsOptions) {
    this.#options = options;
  }

  /** The mirror of this very static pod, as the API has it. */
  of(pod: Pod): Pod | undefined {
    const mirror = this.#entries.get(keyOf(pod))?.mirror;
    return mirror && isMirrorOf(mirror, pod) ? mirror : undefined;
  }

  /** The API is to show this static pod, in the place of any other of its name. */
  want(pod: Pod): void {
    const key = keyOf(pod);
    const entry = this.#entryOf(key);
    const isNew = entry.wanted?.metadata?.uid !== pod.metadata?.uid;
    entry.wanted = pod;
    if (isNew && this.of(pod)) this.#tell(entry);
    this.#work(key, entry);
  }

  /** The static pod is gone, with all that ran of it. */
  release(pod: Pod): void {
    const key = keyOf(pod);
    const entry = this.#entries.get(key);
    if (!entry) return;
    if (entry.wanted?.metadata?.uid === pod.metadata?.uid) entry.wanted = undefined;
    this.#work(key, entry);
  }

  /** A mirror is in the API, or has changed there. */
  observe(mirror: Pod): void {
    const { uid } = identityOf(mirror);
    const key = keyOf(mirror);
    const entry = this.#entryOf(key);
    if (uid === entry.deletedUid) return;
    entry.mirror = mirror;
    this.#tell(entry);
    // What is wrong with the mirror of a pod that runs is put right at the pod's next step; others nobody looks after.
    if (!entry.wanted) this.#work(key, entry);
  }

  /** The API has a mirror no more. */
  forget(mirror: Pod): void {
    const { uid } = identityOf(mirror);
    const key = keyOf(mirror);
    const entry = this.#entries.get(key);
    if (!entry || entry.mirror?.metadata?.uid !== uid) return;
    entry.mirror = undefined;
    this.#tell(entry);
    if (!entry.wanted) this.#entries.delete(key);
  }

  /** Looks after mirrors that stand for no pod: all static pods have been read. */
  deleteOrphans(): void {
    for (const [key, entry] of this.#entries) if (!entry.wanted) this.#work(key, entry);
  }

  /** Ends all work; resolves when nothing is on its way. */
  async stop(): Promise<void> {
    this.#ended.abort();
    await Promise.all([...this.#entries.values()].map(({ task }) => task ?? Promise.resolve()));
  }

  #entryOf(key: string): Entry {
    const known = this.#entries.get(key);
    if (known) return known;
    const entry: Entry = { wanted: undefined, mirror: undefined, deletedUid: undefined, task: undefined };
    this.#entries.set(key, entry);
    return entry;
  }

  #tell({ wanted, mirror }: Entry): void {
    if (!wanted) return;
    const isOurs = mirror !== undefined && isMirrorOf(mirror, wanted);
    this.#options.onMirror(identityOf(wanted).uid, isOurs ? mirror : undefined);
  }

  #work(key: string, entry: Entry): void {
    if (this.#ended.signal.aborted || !this.#nextAct(entry)) return;
    entry.task ??= this.#reconcile(key, entry).finally(() => {
      entry.task = undefined;
      if (!entry.wanted && !entry.mirror) this.#entries.delete(key);
    });
  }

  #nextAct(entry: Entry): (() => Promise<void>) | undefined {
    const { wanted, mirror } = entry;
    if (mirror) {
      const isGood = wanted
        ? !isBeingDeleted(mirror) && isMirrorOf(mirror, wanted)
        : this.#options.isExpected(identityOf(mirror));
      return isGood ? undefined : () => this.#delete(entry, mirror);
    }
    return wanted && (() => this.#create(entry, wanted));
  }

  async #reconcile(key: string, entry: Entry): Promise<void> {
    const backoff = createBackoff(BACKOFF);
    for (let act = this.#nextAct(entry); act; act = this.#nextAct(entry)) {
      try {
        await act();
        backoff.reset();
      } catch (error) {
        if (!(await this.#mayTryAgain(key, error, backoff))) return;
      }
    }
  }

  async #mayTryAgain(key: string, error: unknown, backoff: Backoff): Promise<boolean> {
    const { signal } = this.#ended;
    if (signal.aborted) return false;
    this.#options.logger.warn('a mirror pod could not be brought up to date yet', { key, error: messageOf(error) });
    return await backoff.wait(signal);
  }

  async #delete(entry: Entry, mirror: Pod): Promise<void> {
    const { uid } = identityOf(mirror);
    try {
      const options = { gracePeriodSeconds: 0, preconditions: { uid } };
      await this.#options.client.delete(pathOf(mirror), options, { signal: this.#ended.signal });
    } catch (error) {
      // Gone, or another one by now, of which the watch tells.
      if (!(error instanceof KubeApiError) || (error.status !== 404 && error.status !== 409)) throw error;
    }
    entry.deletedUid = uid;
    if (entry.mirror?.metadata?.uid === uid) entry.mirror = undefined;
    this.#tell(entry);
  }

  async #create(entry: Entry, pod: Pod): Promise<void> {
    const node = this.#options.node();
    if (!node?.metadata?.uid) throw new Error('the Node object is not known yet');
    if (node.metadata.deletionTimestamp !== undefined) throw new Error('the Node object is being deleted');
    const { signal } = this.#ended;
    const { namespace, name } = identityOf(pod);
    const collection = `/api/v1/namespaces/${namespace}/pods`;
    try {
      entry.mirror = await this.#options.client.create(collection, mirrorOf(pod, node), { signal });
    } catch (error) {
      if (!(error instanceof KubeApiError) || error.status !== 409) throw error;
      // There is one of this name, of which the watch has not told yet.
      entry.mirror = await this.#options.client.get<Pod>(`${collection}/${name}`, { signal });
      if (entry.mirror.metadata?.annotations?.[CONFIG_MIRROR] === undefined) {
        entry.mirror = undefined;
        throw new Error('a pod of this name is in the API already', { cause: error });
      }
    }
    this.#tell(entry);
  }
}

const keyOf = (pod: Pod): string => podKey(identityOf(pod));

const pathOf = (pod: Pod): string => {
  const { namespace, name } = identityOf(pod);
  return `/api/v1/namespaces/${namespace}/pods/${name}`;
};

function mirrorOf(pod: Pod, node: Node): Pod {
  const { annotations, uid: _ours, ...metadata } = pod.metadata ?? {};
  const { name = '', uid = '' } = node.metadata ?? {};
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    ...pod,
    metadata: {
      ...metadata,
      annotations: { ...annotations, [CONFIG_MIRROR]: annotations?.[CONFIG_HASH] ?? '' },
      ownerReferences: [{ apiVersion: 'v1', kind: 'Node', name, uid, controller: true }],
    },
  };
}
