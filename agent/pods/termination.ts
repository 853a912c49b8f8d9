import { hasCode, messageOf, WasmletError } from '../../base/errors.ts';
import { sleep } from '../kube/backoff.ts';
import type { Container, Pod } from '../kube/types.ts';
import type { KillReason } from './actions.ts';
import { podIPsOf } from './api-status.ts';
import type { PodContext } from './context.ts';
import { runHook } from './hooks.ts';
import { runningOf, type PodRuntimeStatus, type RuntimeContainer } from './runtime-cache.ts';
import {
  containerReference,
  containersOf,
  findContainer,
  gracePeriodOf,
  initContainersOf,
  isRestartableInit,
} from './spec.ts';

export interface KillContainerRequest {
  readonly pod: Pod;
  readonly id: string;
  readonly name: string;
  /** Of the Killing event; empty: 'Stopping container x'. */
  readonly message: string;
  readonly reason: KillReason;
  /** Seconds; in place of what the pod says. */
  readonly gracePeriod?: number;
  /** Waits for the container's turn, at most so many seconds. */
  readonly waitForTurn?: (seconds: number) => Promise<void>;
  /** Whether an event of this was recorded before, at a try that was cut short. */
  readonly announced?: boolean;
  readonly host: string;
  readonly signal: AbortSignal;
}

/**
 * Ends one container: event, preStop hook, its turn, SIGTERM, and SIGKILL at the end of the grace period, which all of
 * this shares (kuberuntime_container.go, killContainer).
 * @throws WasmletError Cancelled when the signal cuts it short
 */
export async function killContainer(context: PodContext, request: KillContainerRequest): Promise<void> {
  const { pod, id, name, signal } = request;
  const container = findContainer(pod, name);
  if (!request.announced) {
    const message = request.message === '' ? `Stopping container ${name}` : request.message;
    context.recorder.record(containerReference(pod, name), 'Normal', 'Killing', message);
  }
  const endsAt = performance.now() + (request.gracePeriod ?? graceFor(pod, container, request.reason)) * 1000;
  const secondsLeft = (): number => (endsAt - performance.now()) / 1000;
  const runsPreStop = container?.lifecycle?.preStop && secondsLeft() > 0 && !request.announced;
  await using preStop = runsPreStop ? startPreStop(context, request, container) : undefined;
  await preStop?.endsWithin(secondsLeft());
  if (request.waitForTurn && secondsLeft() > 0) await request.waitForTurn(secondsLeft());
  throwIfCut(signal, name);
  // As the kubelet: always at least two seconds between the two signals.
  await orCut(
    context.runtime.stopContainer(id, Math.max(MINIMUM_GRACE_SECONDS, Math.round(secondsLeft()))),
    signal,
    name,
  );
}

/** kuberuntime_container.go: minimumGracePeriodInSeconds. */
const MINIMUM_GRACE_SECONDS = 2;

function graceFor(pod: Pod, container: Container | undefined, reason: KillReason): number {
  const ofDeletion = pod.metadata?.deletionGracePeriodSeconds;
  if (ofDeletion !== undefined) return ofDeletion;
  const ofPod = pod.spec?.terminationGracePeriodSeconds;
  if (ofPod === undefined) return MINIMUM_GRACE_SECONDS;
  if (reason === 'StartupProbe') return container?.startupProbe?.terminationGracePeriodSeconds ?? ofPod;
  if (reason === 'LivenessProbe') return container?.livenessProbe?.terminationGracePeriodSeconds ?? ofPod;
  return ofPod;
}

interface RunningHook extends AsyncDisposable {
  /** Waits for it, but not longer than the grace period: then the container is ended while its hook runs on. */
  endsWithin(seconds: number): Promise<void>;
}

/** Starts the preStop hook. Disposed of once the container is gone, it ends what the hook is still about. */
function startPreStop(context: PodContext, request: KillContainerRequest, container: Container): RunningHook {
  const { pod, id, host } = request;
  const { runtime, recorder } = context;
  const gone = new AbortController();
  const signal = AbortSignal.any([request.signal, gone.signal]);
  const hook = container.lifecycle?.preStop ?? {};
  const ended = runHook(hook, { pod, container, containerId: id, host, runtime, recorder, signal }).catch(
    (error: unknown) => {
      if (signal.aborted) return;
      context.logger.warn('a preStop hook failed', { container: container.name, error: messageOf(error) });
      recorder.record(containerReference(pod, container.name), 'Warning', 'FailedPreStopHook', 'PreStopHook failed');
    },
  );
  const endsWithin = async (seconds: number): Promise<void> => {
    const waited = new AbortController();
    const limit = sleep(seconds * 1000, AbortSignal.any([request.signal, waited.signal]));
    await Promise.race([ended, limit]);
    waited.abort();
  };
  return {
    endsWithin,
    async [Symbol.asyncDispose]() {
      // A command ends with its container, and the kubelet tells of that as of any failure.
      if (hook.exec) await endsWithin(SETTLE_SECONDS);
      gone.abort();
      await ended;
    },
  };
}

/** How long the runtime may take to tell that a command has ended with its container. */
const SETTLE_SECONDS = 5;

function throwIfCut(signal: AbortSignal, name: string): void {
  if (signal.aborted) throw new WasmletError('Cancelled', `ending container ${name} was cut short`);
}

/** Waits for work that cannot be called back, but no longer than the signal allows. */
async function orCut(work: Promise<void>, signal: AbortSignal, name: string): Promise<void> {
  throwIfCut(signal, name);
  const { promise, reject } = Promise.withResolvers<never>();
  const cut = (): void => reject(new WasmletError('Cancelled', `ending container ${name} was cut short`));
  signal.addEventListener('abort', cut, { once: true });
  try {
    await Promise.race([work, promise]);
  } catch (error) {
    if (!hasCode(error, 'NotFound')) throw error;
  } finally {
    signal.removeEventListener('abort', cut);
    work.catch(() => undefined);
  }
}

export interface KillPodRequest {
  readonly pod: Pod;
  readonly runtimeStatus: PodRuntimeStatus;
  /** Seconds; in place of what the pod says. */
  readonly gracePeriod?: number;
  /** Ids of containers whose Killing event was recorded; added to. */
  readonly announced: Set<string>;
  readonly signal: AbortSignal;
}

/**
 * Ends all containers of a pod side by side, sidecars after the regular ones and in reverse order, then its sandboxes
 * (kuberuntime_manager.go, killPodWithSyncResult).
 * @throws WasmletError Cancelled when cut short; what the runtime threw first, after all have been tried
 */
export async function killPod(context: PodContext, request: KillPodRequest): Promise<void> {
  const { pod, runtimeStatus, announced, signal } = request;
  const running = runningOf(runtimeStatus);
  const order = new TerminationOrder(pod, running);
  const host = podIPsOf(runtimeStatus, context.hostIPs())[0] ?? '127.0.0.1';
  const results = await Promise.allSettled(
    running.map(async ({ id, name }) => {
      const wasAnnounced = announced.has(id);
      announced.add(id);
      await killContainer(context, {
        pod,
        id,
        name,
        message: '',
        reason: 'Unknown',
        ...(request.gracePeriod === undefined ? {} : { gracePeriod: request.gracePeriod }),
        waitForTurn: (seconds) => order.waitForTurn(name, seconds, signal),
        announced: wasAnnounced,
        host,
        signal,
      });
      order.ended(name);
    }),
  );
  throwFirst(results);
  const ready = runtimeStatus.sandboxes.filter(({ state }) => state === 'SANDBOX_READY');
  throwFirst(await Promise.allSettled(ready.map(({ id }) => context.runtime.stopPodSandbox(id))));
}

function throwFirst(results: readonly PromiseSettledResult<unknown>[]): void {
  const failed = results.find((result) => result.status === 'rejected');
  if (failed) throw failed.reason;
}

/** Who waits for whom at the end of a pod (kuberuntime_termination_order.go). */
class TerminationOrder {
  readonly #ended = new Map<string, PromiseWithResolvers<undefined>>();
  readonly #before = new Map<string, readonly string[]>();

  constructor(pod: Pod, running: readonly RuntimeContainer[]) {
    for (const { name } of running) this.#ended.set(name, Promise.withResolvers<undefined>());
    const regular = containersOf(pod).map(({ name }) => name);
    const sidecars = initContainersOf(pod).filter(isRestartableInit);
    for (const [index, { name }] of sidecars.entries()) {
      const later = sidecars[index + 1]?.name;
      this.#before.set(name, later === undefined ? regular : [...regular, later]);
    }
  }

  ended(name: string): void {
    this.#ended.get(name)?.resolve(undefined);
  }

  async waitForTurn(name: string, seconds: number, signal: AbortSignal): Promise<void> {
    const before = (this.#before.get(name) ?? []).flatMap((other) => this.#ended.get(other)?.promise ?? []);
    if (before.length === 0) return;
    const waited = new AbortController();
    const limit = sleep(seconds * 1000, AbortSignal.any([signal, waited.signal]));
    await Promise.race([Promise.all(before), limit]);
    waited.abort();
  }
}

/** The grace period of a pod that ends now, in seconds; only ever shorter than what was told before. */
export const shorterGrace = (pod: Pod, before: number | undefined): number =>
  Math.min(gracePeriodOf(pod), before ?? Infinity);
