import { setTimeout as delay } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { messageOf } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import { isSettledWithin } from '../../base/within.ts';
import { createBackoff } from '../kube/backoff.ts';
import { KubeApiError, type KubeClient } from '../kube/client.ts';
import type { Pod, PodStatus } from '../kube/types.ts';
import { isStaticPod } from './pod-source.ts';
import { describePod, identityOf, isBeingDeleted, isTerminalPhase, type PodIdentity } from './spec.ts';
import { completeStatus, finalStatus, sendableStatus } from './status-normalize.ts';
import { createStatusPatch } from './status-patch.ts';

export interface StatusWriterOptions {
  readonly client: KubeClient;
  /** Whether a container of the pod might run; while so, no terminal phase is sent. */
  readonly mayHaveRunningContainers: (uid: string) => boolean;
  /** The object in the API that shows a static pod. */
  readonly mirrorOf: (pod: Pod) => Pod | undefined;
  readonly logger: Logger;
  readonly now?: () => number;
  /** How long the API server may take to delete a pod with no grace left; default: 10 000 ms, the kubelet's syncPeriod. */
  readonly overdueMs?: number;
}

const OVERDUE_MS = 10_000;

/**
 * How long the status of a container that runs once more is held back: one that failed often fails again at once, and is
 * told of as ended then. A kubelet finds out within a second (pkg/kubelet/pleg/generic.go).
 */
const RUNS_AGAIN_MS = 100;

interface Entry {
  readonly identity: PodIdentity;
  readonly stop: AbortController;
  /** What the pod's status should be. */
  status: PodStatus;
  /** Counts changes of `status`; `sent` is the last that the API accepted. */
  version: number;
  sent: number;
  /** Containers and volumes are gone: once this status is accepted, a deleted pod's object may go. */
  finished: boolean;
  /** The newest object known: from the watch, or the answer to a patch. A static pod's mirror, while there is one. */
  inApi: Pod | undefined;
  /** Its object is another's to delete. */
  readonly isStatic: boolean;
  /** The API has it no more. */
  gone: boolean;
  /** The API server should have deleted it long ago; set while that is waited for, or is so. */
  overdue: 'waits' | 'is' | undefined;
  sending: Promise<void> | undefined;
  /** Ends the wait of a status that is held back. */
  release: (() => void) | undefined;
}

/**
 * Writes the status of pods to the API (pkg/kubelet/status/status_manager.go): one writer per pod, so that no pod waits
 * for another; only the newest version is sent, only what differs, and never a phase after a terminal one. Where the
 * kubelet reads the pod before each patch, this compares with the watch's newest object and lets the UID guard the
 * patch: half the calls.
 */
export class StatusWriter {
  readonly #options: StatusWriterOptions;
  readonly #entries = new Map<string, Entry>();

  constructor(options: StatusWriterOptions) {
    this.#options = options;
  }

  /** The status last set; undefined when none was since the agent started. */
  get(uid: string): PodStatus | undefined {
    return this.#entries.get(uid)?.status;
  }

  /** Sets a pod's status, complete but for its times, and sends it in the background if it differs. */
  set(pod: Pod, status: PodStatus): void {
    this.#change(pod, status, false);
  }

  /** Sets the last status: containers and volumes are gone. A deleted pod's object is removed once it is accepted. */
  finish(pod: Pod): void {
    const { uid } = identityOf(pod);
    this.#change(pod, finalStatus(pod, this.get(uid) ?? pod.status ?? {}), true);
  }

  /** Takes note of the object as the watch has it; sends again where another has changed what is ours. */
  observe(pod: Pod): void {
    const entry = this.#entries.get(identityOf(pod).uid);
    if (entry && isNewer(pod, entry.inApi)) this.#see(entry, pod);
  }

  /** Takes note of the object that shows a static pod; undefined: there is none any more, or not yet. */
  observeMirror(staticUid: string, mirror: Pod | undefined): void {
    const entry = this.#entries.get(staticUid);
    if (!entry) return;
    const isSame = mirror && mirror.metadata?.uid === entry.inApi?.metadata?.uid;
    if (!mirror) entry.inApi = undefined;
    else if (!isSame || isNewer(mirror, entry.inApi)) this.#see(entry, mirror);
  }

  #see(entry: Entry, inApi: Pod): void {
    const statusChanged = !isDeepStrictEqual(inApi.status, entry.inApi?.status);
    entry.inApi = inApi;
    if (statusChanged && this.#patchFor(entry)) entry.version++;
    this.#kick(entry);
  }

  /** Nothing more is sent about a pod that the API has no more. */
  noteGone(uid: string): void {
    const entry = this.#entries.get(uid);
    if (entry) entry.gone = true;
  }

  /** Forgets a pod whose object is gone. */
  forget(uid: string): void {
    const entry = this.#entries.get(uid);
    entry?.stop.abort();
    this.#entries.delete(uid);
  }

  /** Resolves when nothing is on its way for any pod (or `signal` ends the wait). */
  async drain(signal: AbortSignal): Promise<void> {
    const ended = new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
    const all = Promise.all([...this.#entries.values()].map(({ sending }) => sending ?? Promise.resolve()));
    if (!signal.aborted) await Promise.race([all, ended]);
  }

  /** Stops sending. */
  stop(): void {
    for (const entry of this.#entries.values()) entry.stop.abort();
  }

  #change(pod: Pod, status: PodStatus, finished: boolean): void {
    const identity = identityOf(pod);
    const entry = this.#entries.get(identity.uid) ?? this.#add(identity, pod);
    const now = (this.#options.now ?? Date.now)();
    const previous = entry.version === 0 ? (entry.inApi?.status ?? pod.status ?? {}) : entry.status;
    // What the mirror showed last may be of a time before the static pod came back.
    const isFirst = entry.isStatic && entry.version === 0;
    const next = completeStatus(pod, isFirst ? status : keepTerminal(status, previous), previous, now);
    const same = entry.version > 0 && isDeepStrictEqual(next, entry.status);
    entry.finished ||= finished;
    entry.status = next;
    if (!runsAgain(entry)) entry.release?.();
    // The same status may be due all the same: a terminal phase was held back while containers could still run.
    if (!same || this.#patchFor(entry)) entry.version++;
    this.#kick(entry);
  }

  #add(identity: PodIdentity, pod: Pod): Entry {
    const entry: Entry = {
      identity,
      stop: new AbortController(),
      status: {},
      version: 0,
      sent: 0,
      finished: false,
      inApi: isStaticPod(pod) ? this.#options.mirrorOf(pod) : pod,
      isStatic: isStaticPod(pod),
      gone: false,
      overdue: undefined,
      sending: undefined,
      release: undefined,
    };
    this.#entries.set(identity.uid, entry);
    return entry;
  }

  #kick(entry: Entry): void {
    if (hasNoGrace(entry.inApi) && entry.overdue === undefined) void this.#waitForDeletion(entry);
    entry.sending ??= this.#sendAll(entry).finally(() => {
      entry.sending = undefined;
      if (this.#isBehind(entry)) this.#kick(entry);
    });
  }

  #isBehind(entry: Entry): boolean {
    if (entry.gone || !entry.inApi || entry.stop.signal.aborted) return false;
    return entry.sent < entry.version || this.#mayDelete(entry);
  }

  #mayDelete({ inApi, finished, isStatic, overdue }: Entry): boolean {
    if (!inApi || isStatic || !finished || !isBeingDeleted(inApi) || !isTerminalPhase(inApi.status?.phase))
      return false;
    // With no grace left the API server deletes it itself: at once, or when its finalizers are gone.
    return !hasNoGrace(inApi) || (overdue === 'is' && (inApi.metadata?.finalizers ?? []).length === 0);
  }

  /**
   * The API server deletes in two steps, and gives up after the first when who has asked is gone: this agent, killed in
   * that moment. The pod has no grace then and stays, until it is deleted once more (apiserver's rest.BeforeDelete).
   */
  async #waitForDeletion(entry: Entry): Promise<void> {
    const { signal } = entry.stop;
    entry.overdue = 'waits';
    await delay(this.#options.overdueMs ?? OVERDUE_MS, undefined, { signal, ref: false }).catch(() => undefined);
    if (signal.aborted) return;
    entry.overdue = 'is';
    this.#kick(entry);
  }

  #patchFor(entry: Entry): Record<string, unknown> | undefined {
    if (!entry.inApi) return undefined;
    const inApi = entry.inApi.status ?? {};
    const mayRun = !entry.finished && this.#options.mayHaveRunningContainers(entry.identity.uid);
    return createStatusPatch(identityOf(entry.inApi).uid, inApi, sendableStatus(entry.status, inApi, mayRun));
  }

  async #sendAll(entry: Entry): Promise<void> {
    const { signal } = entry.stop;
    const backoff = createBackoff({ initialMs: 200, maxMs: 10_000 });
    // What is set in one go is sent in one go.
    await Promise.resolve();
    while (this.#isBehind(entry)) {
      try {
        if (runsAgain(entry)) await this.#hold(entry);
        await this.#sendOnce(entry);
        backoff.reset();
      } catch (error) {
        if (signal.aborted || (await this.#isGone(entry, error))) return;
        this.#options.logger.warn('a pod status could not be written yet', {
          pod: describePod(entry.identity),
          error: messageOf(error),
        });
        await backoff.wait(signal);
      }
    }
  }

  /** Waits until what runs again has ended, or has run for a moment. */
  async #hold(entry: Entry): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<undefined>();
    entry.release = () => resolve(undefined);
    await isSettledWithin(promise, RUNS_AGAIN_MS);
    entry.release = undefined;
  }

  async #sendOnce(entry: Entry): Promise<void> {
    const { signal } = entry.stop;
    const path = pathOf(entry.identity);
    const { version } = entry;
    const patch = this.#patchFor(entry);
    if (patch) {
      const answer = await this.#options.client.patch<Pod>(`${path}/status`, 'strategic', patch, { signal });
      if (entry.inApi && !isNewer(entry.inApi, answer)) entry.inApi = answer;
    }
    entry.sent = version;
    if (!this.#mayDelete(entry)) return;
    const options = { gracePeriodSeconds: 0, preconditions: { uid: entry.identity.uid } };
    await this.#options.client.delete(path, options, { signal });
    entry.gone = true;
  }

  /** A pod that is gone, or was made anew under its name, needs no status any more. */
  async #isGone(entry: Entry, error: unknown): Promise<boolean> {
    if (!(error instanceof KubeApiError) || (error.status !== 404 && error.status !== 409)) return false;
    if (error.status === 409) {
      try {
        const present = await this.#options.client.get<Pod>(pathOf(entry.identity), { signal: entry.stop.signal });
        if (entry.inApi && present.metadata?.uid === entry.inApi.metadata?.uid) {
          entry.inApi = present;
          return false;
        }
      } catch (failure) {
        if (!(failure instanceof KubeApiError) || failure.status !== 404) return false;
      }
    }
    // The mirror of a static pod is made anew.
    if (entry.isStatic) entry.inApi = undefined;
    else entry.gone = true;
    return true;
  }
}

/** Whether a container runs that was started again since the API was told of it. */
function runsAgain({ status, inApi }: Entry): boolean {
  const known = inApi?.status?.containerStatuses ?? [];
  return (status.containerStatuses ?? []).some(({ name, state, restartCount }) => {
    const before = known.find((each) => each.name === name);
    return state?.running !== undefined && before !== undefined && restartCount > before.restartCount;
  });
}

const hasNoGrace = (pod: Pod | undefined): boolean => pod?.metadata?.deletionGracePeriodSeconds === 0;

/** A pod does not come back from a terminal phase, whatever is found of its containers later. */
function keepTerminal(status: PodStatus, previous: PodStatus): PodStatus {
  if (!isTerminalPhase(previous.phase) || isTerminalPhase(status.phase)) return status;
  return { ...status, ...(previous.phase === undefined ? {} : { phase: previous.phase }) };
}

const pathOf = ({ namespace, name }: PodIdentity): string => `/api/v1/namespaces/${namespace}/pods/${name}`;

/** Resource versions of one object grow (KEP-5504). */
function isNewer(pod: Pod, than: Pod | undefined): boolean {
  const [a, b] = [pod.metadata?.resourceVersion ?? '0', than?.metadata?.resourceVersion ?? '0'];
  return /^\d+$/.test(a) && /^\d+$/.test(b) ? BigInt(a) > BigInt(b) : a !== b;
}
