import { hasCode, messageOf, WasmletError } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import { parseDuration } from '../config/duration.ts';
import type { Pod, PodStatus } from '../kube/types.ts';
import type { Refusal } from './admission/admission.ts';
import { generateApiStatus, podIPsOf } from './api-status.ts';
import { containerIdOf, type WaitingReason } from './container-statuses.ts';
import type { PodContext } from './context.ts';
import { isStaticPod } from './pod-source.ts';
import { qosClassOf } from './qos.ts';
import { isRestartingAll } from './restart-all.ts';
import { PodRuntimeReader, runningOf, type PodRuntimeStatus } from './runtime-cache.ts';
import { describePod, identityOf, isBeingDeleted, isTerminalPhase, podReference, type PodIdentity } from './spec.ts';
import { pruneContainers, syncPod } from './sync.ts';
import { killPod, shorterGrace } from './termination.ts';
import { WorkerTimes } from './worker-times.ts';

/**
 * sync: brought to its spec again and again. terminating: its containers are being ended, none is started any more.
 * terminated: its containers have ended, what it held is given back. finished: nothing is left to do but to remove what
 * the runtime keeps of it, once the API has forgotten it.
 */
export type WorkerState = 'sync' | 'terminating' | 'terminated' | 'finished';

/** What the status of a pod says that this node has ended. */
export interface Ending {
  readonly reason: string;
  readonly message: string;
  /** The node's need and no fault of the pod: condition DisruptionTarget, which a Job's podFailurePolicy can tell apart. */
  readonly isDisruption?: boolean;
}

export interface PodWorkerOptions {
  readonly context: PodContext;
  /** Whether no other pod of this name is still ending. */
  readonly mayStart: (worker: PodWorker) => boolean;
  /** Decides once; 'later' when it cannot be decided yet. */
  readonly admit: (worker: PodWorker) => Refusal | 'admitted' | 'later';
  /** The worker is finished; called once. */
  readonly onFinished: (worker: PodWorker) => void;
}

/** pod_workers.go: backOffPeriod, and the factors of jitter. */
const MAX_RETRY_MS = 10_000;
const FIRST_RETRY_MS = 1000;
const JITTER = 0.5;
const TRANSIENT_MS = 1000;

const withJitter = (milliseconds: number): number => milliseconds * (1 + Math.random() * JITTER);

/** All that happens to one pod, one thing after the other (pkg/kubelet/pod_workers.go). */
export class PodWorker {
  readonly identity: PodIdentity;
  readonly #options: PodWorkerOptions;
  readonly #context: PodContext;
  readonly #logger: Logger;
  readonly #reader: PodRuntimeReader;
  readonly #reasons = new Map<string, WaitingReason>();
  readonly #announced = new Set<string>();
  readonly #times: WorkerTimes;
  #pod: Pod;
  #state: WorkerState = 'sync';
  #admitted: boolean;
  #containersEnded = false;
  #removed = false;
  #grace: number | undefined;
  #evict: Ending | undefined;
  #addresses: Pick<PodStatus, 'podIP' | 'podIPs'> = {};
  #failures = 0;
  #wake = Promise.withResolvers<undefined>();
  #step = new AbortController();

  constructor(pod: Pod, options: PodWorkerOptions) {
    this.identity = identityOf(pod);
    this.#options = options;
    this.#context = options.context;
    this.#pod = pod;
    this.#times = new WorkerTimes(options.context.metrics);
    this.#logger = options.context.logger.child({ pod: describePod(this.identity) });
    this.#reader = new PodRuntimeReader(options.context.runtime, this.identity.uid);
    // A start time shows that an earlier life of this agent has admitted it.
    this.#admitted = pod.status?.startTime !== undefined;
    if (isTerminalPhase(pod.status?.phase) || isBeingDeleted(pod)) this.#terminate();
  }

  get pod(): Pod {
    return this.#pod;
  }

  get state(): WorkerState {
    return this.#state;
  }

  /** Whether its requests count against the node's: admitted and not ended. */
  get isActive(): boolean {
    return this.#admitted && !this.#containersEnded && !isTerminalPhase(this.#pod.status?.phase);
  }

  get mayHaveRunningContainers(): boolean {
    return this.#admitted && !this.#containersEnded;
  }

  /** The API has forgotten the pod. */
  get isRemoved(): boolean {
    return this.#removed;
  }

  /** The pod's object has changed. */
  update(pod: Pod): void {
    const before = this.#pod;
    this.#pod = pod;
    if (isBeingDeleted(pod) || isTerminalPhase(pod.status?.phase)) this.#terminate();
    if (concernsWorker(before, pod)) this.wake();
  }

  /** The API has the pod no more: what runs is ended, and nobody is left to tell. */
  remove(pod: Pod): void {
    this.#pod = pod;
    this.#removed = true;
    this.#terminate();
    if (this.#state === 'finished') this.#options.onFinished(this);
    this.wake();
  }

  /** Ends the pod as Failed, with what its status shall say. */
  evict(why: Ending, graceSeconds?: number): void {
    if (this.#state !== 'sync') return;
    this.#evict = why;
    if (graceSeconds !== undefined) this.#grace = Math.min(this.#grace ?? Infinity, graceSeconds);
    this.#terminate();
  }

  /** Looks at the pod as soon as possible. */
  wake(): void {
    this.#wake.resolve(undefined);
  }

  /** Works until the pod is finished or the signal ends it; the signal leaves the pod as it is. */
  async run(signal: AbortSignal): Promise<void> {
    while (this.#state !== 'finished' && !signal.aborted) {
      this.#wake = Promise.withResolvers<undefined>();
      const delayMs = await this.#runStep(signal);
      if (delayMs > 0) await this.#sleep(delayMs, signal);
    }
  }

  /** From here on no container is started. A grace period that has become shorter cuts short the present step. */
  #terminate(): void {
    const grace = shorterGrace(this.#pod, this.#grace);
    const shortened = this.#grace !== undefined && grace < this.#grace;
    this.#grace = grace;
    if (this.#state === 'sync') {
      this.#state = 'terminating';
      this.#step.abort();
      this.wake();
    } else if (this.#state === 'terminating' && shortened) {
      this.#step.abort();
      this.wake();
    }
  }

  /** @returns milliseconds until the next step */
  async #runStep(signal: AbortSignal): Promise<number> {
    this.#step = new AbortController();
    const stepSignal = AbortSignal.any([signal, this.#step.signal]);
    const end = this.#times.begin(this.#pod, this.#state);
    try {
      const delayMs = await this.#next(stepSignal);
      this.#failures = delayMs.failed ? this.#failures + 1 : 0;
      return delayMs.ms;
    } catch (error) {
      if (stepSignal.aborted) return 0;
      if (hasCode(error, 'Unavailable')) return withJitter(TRANSIENT_MS);
      this.#logger.error('a step of a pod failed', { state: this.#state, error });
      this.#failures++;
      return this.#retryDelay();
    } finally {
      end();
    }
  }

  #next(signal: AbortSignal): Promise<{ ms: number; failed?: boolean }> {
    switch (this.#state) {
      case 'sync':
        return this.#sync(signal);
      case 'terminating':
        return this.#terminating(signal);
      case 'terminated':
        return this.#terminated();
      case 'finished':
        return Promise.resolve({ ms: 0 });
    }
  }

  async #sync(signal: AbortSignal): Promise<{ ms: number; failed?: boolean }> {
    if (!this.#options.mayStart(this)) return { ms: this.#resyncDelay() };
    if (!this.#admitted) {
      const verdict = this.#options.admit(this);
      if (verdict === 'later') return { ms: TRANSIENT_MS };
      if (verdict !== 'admitted') return this.#reject(verdict);
      this.#admitted = true;
    }
    if (isStaticPod(this.#pod)) this.#context.mirrors.want(this.#pod);
    const runtimeStatus = await this.#reader.read();
    signal.throwIfAborted();
    this.#checkDeadline();
    const status = this.#generate(runtimeStatus, false);
    if (isTerminalPhase(status.phase)) {
      // Where nothing runs any more, the next step sends the same in one go with the phase.
      if (this.#evict ?? runningOf(runtimeStatus).length > 0) this.#context.status.set(this.#pod, status);
      this.#terminate();
      return { ms: 0 };
    }
    this.#updateProbes(runtimeStatus);
    this.#times.notePhase(this.#previousStatus().phase, status.phase);
    this.#context.status.set(this.#pod, this.#generate(runtimeStatus, false));
    const result = await syncPod(this.#context, {
      pod: this.#pod,
      runtimeStatus,
      reasons: this.#reasons,
      isRestartingAll: isRestartingAll(status),
      onPull: (sandboxed) => this.#publish(sandboxed),
      signal,
    });
    if (!isRestartingAll(status)) await pruneContainers(this.#context, this.#pod, runtimeStatus);
    if (result.failure) {
      this.#publish(await this.#reader.read());
      return { ms: this.#retryDelay(result.failure.retryAt), failed: true };
    }
    return { ms: result.changed ? 0 : this.#resyncDelay() };
  }

  #reject({ reason, message }: Refusal): { ms: number } {
    this.#context.recorder.record(podReference(this.#pod), 'Warning', reason, message);
    this.#times.noteRejection(reason);
    this.#context.status.set(this.#pod, {
      phase: 'Failed',
      reason,
      message: `Pod was rejected: ${message}`,
      qosClass: qosClassOf(this.#pod),
    });
    this.#containersEnded = true;
    this.#state = 'terminated';
    return { ms: 0 };
  }

  #checkDeadline(): void {
    if (this.#evict || this.#deadline() > Date.now()) return;
    this.#evict = {
      reason: 'DeadlineExceeded',
      message: 'Pod was active on the node longer than the specified deadline',
    };
    this.#context.recorder.record(podReference(this.#pod), 'Normal', 'DeadlineExceeded', this.#evict.message);
  }

  /** When the pod must have ended, in milliseconds since the epoch. */
  #deadline(): number {
    const seconds = this.#pod.spec?.activeDeadlineSeconds;
    const startTime = this.#previousStatus().startTime;
    return seconds === undefined || startTime === undefined ? Infinity : Date.parse(startTime) + seconds * 1000;
  }

  async #terminating(signal: AbortSignal): Promise<{ ms: number }> {
    const runtimeStatus = await this.#reader.read();
    signal.throwIfAborted();
    const runs = runningOf(runtimeStatus).length > 0;
    this.#noteAddresses(runtimeStatus);
    if (runs) this.#publish(runtimeStatus);
    this.#context.probes.stopLivenessAndStartup(this.identity.uid);
    try {
      await killPod(this.#context, {
        pod: this.#pod,
        runtimeStatus,
        ...(this.#grace === undefined ? {} : { gracePeriod: this.#grace }),
        announced: this.#announced,
        signal,
      });
    } catch (error) {
      if (!signal.aborted && !hasCode(error, 'Unavailable', 'Cancelled')) {
        const message = `error killing pod: ${messageOf(error)}`;
        this.#context.recorder.record(podReference(this.#pod), 'Warning', 'FailedKillPod', message);
      }
      throw error;
    }
    const stopped = await this.#reader.read();
    const running = stopped.containers.filter(({ state }) => state === 'CONTAINER_RUNNING');
    if (running.length > 0) {
      throw new WasmletError(
        'Internal',
        `containers run on after they were ended: ${running.map(({ id }) => id).join(', ')}`,
      );
    }
    this.#context.probes.remove(this.identity.uid);
    this.#containersEnded = true;
    // A pod that had ended before this agent came keeps the status that it has.
    if (runs || this.#context.status.get(this.identity.uid) || !isTerminalPhase(this.#pod.status?.phase)) {
      this.#context.status.set(this.#pod, this.#generate(stopped, true));
    }
    this.#state = 'terminated';
    return { ms: 0 };
  }

  async #terminated(): Promise<{ ms: number }> {
    const { namespace, uid } = this.identity;
    await this.#context.volumes.unmountPod(uid, namespace);
    this.#context.status.finish(this.#pod);
    await pruneContainers(this.#context, this.#pod, await this.#reader.read());
    this.#state = 'finished';
    this.#options.onFinished(this);
    return { ms: 0 };
  }

  #generate(runtimeStatus: PodRuntimeStatus, podIsTerminal: boolean): PodStatus {
    return generateApiStatus({
      pod: this.#pod,
      runtimeStatus,
      previous: this.#previousStatus(),
      podIsTerminal,
      reasons: this.#reasons,
      probes: this.#context.probes,
      hostIPs: this.#context.hostIPs(),
      evict: this.#evict,
    });
  }

  #publish(runtimeStatus: PodRuntimeStatus): void {
    this.#context.status.set(this.#pod, this.#generate(runtimeStatus, false));
  }

  /** The status last set, with the addresses that the sandbox had before it was ended. */
  #previousStatus(): PodStatus {
    return { ...this.#addresses, ...(this.#context.status.get(this.identity.uid) ?? this.#pod.status) };
  }

  /** A pod that ends before its first status is sent has addresses all the same. */
  #noteAddresses(runtimeStatus: PodRuntimeStatus): void {
    const podIPs = podIPsOf(runtimeStatus, this.#context.hostIPs());
    const [podIP] = podIPs;
    if (podIP !== undefined) this.#addresses = { podIP, podIPs: podIPs.map((ip) => ({ ip })) };
  }

  #updateProbes(runtimeStatus: PodRuntimeStatus): void {
    const before = this.#previousStatus();
    const statuses = [...(before.containerStatuses ?? []), ...(before.initContainerStatuses ?? [])];
    const running = runtimeStatus.containers
      .filter(({ state }) => state === 'CONTAINER_RUNNING')
      .map(({ id, name, startedAt }) => {
        const shown = statuses.find(({ containerID }) => containerID === containerIdOf(id));
        return { id, name, startedAt, wasStarted: shown?.started === true, wasReady: shown?.ready === true };
      });
    const podIP = podIPsOf(runtimeStatus, this.#context.hostIPs())[0] ?? '127.0.0.1';
    this.#context.probes.update(this.#pod, running, podIP, () => this.wake());
  }

  #resyncDelay(): number {
    const resync = withJitter(parseDuration(this.#context.config.syncFrequency));
    return Math.min(resync, Math.max(1, this.#deadline() - Date.now()));
  }

  #retryDelay(retryAt?: number): number {
    if (retryAt !== undefined) return Math.min(this.#resyncDelay(), Math.max(1, retryAt - Date.now()));
    return withJitter(Math.min(MAX_RETRY_MS, FIRST_RETRY_MS * 2 ** Math.min(this.#failures, 10)));
  }

  /** Waits, but no longer than until something wakes the worker. */
  async #sleep(milliseconds: number, signal: AbortSignal): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<undefined>();
    const timer = setTimeout(() => resolve(undefined), milliseconds);
    const end = (): void => resolve(undefined);
    signal.addEventListener('abort', end, { once: true });
    await Promise.race([promise, this.#wake.promise]);
    clearTimeout(timer);
    signal.removeEventListener('abort', end);
  }
}

/** Changes of status alone are mostly the echo of our own. */
function concernsWorker(before: Pod, after: Pod): boolean {
  const ofInterest = ({ metadata, status, spec }: Pod): string =>
    JSON.stringify([
      // Pods of manifests have no generation.
      metadata?.generation ?? spec,
      metadata?.deletionTimestamp,
      metadata?.deletionGracePeriodSeconds,
      metadata?.labels,
      metadata?.annotations,
      (spec?.readinessGates ?? []).map(({ conditionType }) =>
        status?.conditions?.find(({ type }) => type === conditionType),
      ),
    ]);
  return ofInterest(before) !== ofInterest(after);
}
