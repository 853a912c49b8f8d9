import { hasCode, messageOf, WasmletError } from '../../base/errors.ts';
import { readPullSecrets } from '../images/pull-secrets.ts';
import type { DockerConfig } from '../../images/service.ts';
import type { Container, Pod } from '../kube/types.ts';
import { podCgroup } from './cgroup.ts';
import { computePodActions, type PodActions } from './actions.ts';
import { podIPsOf } from './api-status.ts';
import { goDuration } from './backoff.ts';
import type { WaitingReason } from './container-statuses.ts';
import type { PodContext } from './context.ts';
import { hashContainer } from './labels.ts';
import { legacyLogLink, removeContainerLog } from './logs.ts';
import type { PodRuntimeStatus, RuntimeContainer } from './runtime-cache.ts';
import { podDns } from './dns.ts';
import { sandboxConfig } from './sandbox-config.ts';
import {
  containerReference,
  containersOf,
  describePod,
  ephemeralContainersOf,
  identityOf,
  initContainersOf,
  isRestartableInit,
  podReference,
} from './spec.ts';
import { startContainer, StartError } from './start-container.ts';
import { killContainer, killPod } from './termination.ts';

export interface SyncRequest {
  readonly pod: Pod;
  readonly runtimeStatus: PodRuntimeStatus;
  /** Why containers were not started at the last try, by name; brought up to date. */
  readonly reasons: Map<string, WaitingReason>;
  /** All containers are to go, and then to begin anew. */
  readonly isRestartingAll: boolean;
  /** A download begins: the pod's status can be shown meanwhile. */
  readonly onPull: (runtimeStatus: PodRuntimeStatus) => void;
  readonly signal: AbortSignal;
}

export interface SyncResult {
  /** Something was started or ended: look again at once. */
  readonly changed: boolean;
  /** Something was not possible; undefined when all is as it should be. */
  readonly failure?: {
    readonly message: string;
    /** When the next try is worth while, in milliseconds since the epoch; undefined: after the usual wait. */
    readonly retryAt: number | undefined;
  };
}

/**
 * Brings a pod's volumes, sandbox and containers nearer to its spec (kubelet.go, SyncPod from makePodDataDirs on, and
 * kuberuntime_manager.go, SyncPod). May be called at any time and any number of times.
 * @throws WasmletError Cancelled or AbortError when the signal ends it; Unavailable when the runtime is away
 */
export async function syncPod(context: PodContext, request: SyncRequest): Promise<SyncResult> {
  const { pod, signal } = request;
  const refused = await mountVolumes(context, pod, signal);
  if (refused) return refused;
  const actions = computePodActions(pod, request.runtimeStatus, context.probes, request.isRestartingAll);
  if (actions.killPod) return replaceOrEndSandbox(context, request, actions);
  const host = podIPsOf(request.runtimeStatus, context.hostIPs())[0] ?? '127.0.0.1';
  for (const { id, name, isToBeKilled } of actions.containersToReset) {
    const why = { message: 'killing', reason: 'RestartAllContainers', gracePeriod: 0 } as const;
    if (isToBeKilled) await killContainer(context, { pod, id, name, ...why, host, signal });
    await context.runtime.removeContainer(id);
  }
  if (actions.containersToReset.length > 0) return { changed: true };
  for (const { id, name, message, reason } of actions.containersToKill) {
    await killContainer(context, { pod, id, name, message, reason, host, signal });
  }
  const started = await startContainers(context, request, actions);
  return { ...started, changed: started.changed || actions.containersToKill.length > 0 };
}

async function mountVolumes(context: PodContext, pod: Pod, signal: AbortSignal): Promise<SyncResult | undefined> {
  try {
    await context.volumes.mountPod(pod, signal);
    return undefined;
  } catch (error) {
    signal.throwIfAborted();
    const message = messageOf(error);
    context.recorder.record(podReference(pod), 'Warning', 'FailedMount', message);
    return { changed: false, failure: { message, retryAt: undefined } };
  }
}

async function replaceOrEndSandbox(
  context: PodContext,
  request: SyncRequest,
  actions: PodActions,
): Promise<SyncResult> {
  const { pod, runtimeStatus, signal } = request;
  if (actions.createSandbox && actions.sandboxId !== '') {
    const message = 'Pod sandbox changed, it will be killed and re-created.';
    context.recorder.record(podReference(pod), 'Normal', 'SandboxChanged', message);
  }
  await killPod(context, { pod, runtimeStatus, announced: new Set(), signal });
  if (!actions.createSandbox) return { changed: true };
  // In a new sandbox initialisation begins anew.
  const inits = new Set(initContainersOf(pod).map(({ name }) => name));
  await removeContainers(
    context,
    pod,
    runtimeStatus.containers.filter(({ name }) => inits.has(name)),
  );
  signal.throwIfAborted();
  const sandboxed = await createSandbox(context, request, actions);
  if ('failure' in sandboxed) return sandboxed;
  const { changed, failure } = await startContainers(context, { ...request, runtimeStatus: sandboxed }, actions);
  return { changed: changed || !failure, ...(failure ? { failure } : {}) };
}

async function createSandbox(
  context: PodContext,
  { pod, runtimeStatus, signal }: SyncRequest,
  { attempt }: PodActions,
): Promise<PodRuntimeStatus | (SyncResult & { failure: NonNullable<SyncResult['failure']> })> {
  try {
    const handler = context.runtimeHandlerOf(pod);
    const { podLogsDir, clusterDomain } = context.config;
    const config = sandboxConfig(pod, attempt, {
      podLogsDir,
      clusterDomain,
      dnsConfig: await podDns(context, pod),
      linux: podCgroup(pod, context.config),
    });
    context.metrics.startedPods.inc({});
    const id = await context.runtime.runPodSandbox(config, handler);
    const sandbox = await context.runtime.podSandboxStatus(id);
    return {
      sandboxes: [sandbox, ...runtimeStatus.sandboxes.filter((other) => other.id !== id)],
      containers: runtimeStatus.containers,
    };
  } catch (error) {
    signal.throwIfAborted();
    if (hasCode(error, 'Unavailable')) throw error;
    context.metrics.startedPodsErrors.inc({});
    const message = `Failed to create pod sandbox: ${messageOf(error)}`;
    context.recorder.record(podReference(pod), 'Warning', 'FailedCreatePodSandBox', message);
    return { changed: false, failure: { message, retryAt: undefined } };
  }
}

async function startContainers(context: PodContext, request: SyncRequest, actions: PodActions): Promise<SyncResult> {
  const toStart = [
    ...actions.ephemeralContainersToStart.map((index) => ({
      container: ephemeralContainersOf(request.pod)[index],
      isInit: false,
    })),
    ...actions.initContainersToStart.map((index) => ({
      container: initContainersOf(request.pod)[index],
      isInit: true,
    })),
    ...actions.containersToStart.map((index) => ({ container: containersOf(request.pod)[index], isInit: false })),
  ];
  if (toStart.length === 0) return { changed: false };
  const sandboxId = request.runtimeStatus.sandboxes[0]?.id ?? actions.sandboxId;
  const pulls = lazyPullSecrets(context, request);
  let changed = false;
  const failures: StartError[] = [];
  for (const { container, isInit } of toStart) {
    if (!container) continue;
    const failure = await tryToStart(context, request, { container, sandboxId, dockerConfigs: await pulls() });
    if (!failure) {
      changed = true;
      continue;
    }
    failures.push(failure);
    // Nothing after an init container that did not start, but a sidecar holds nobody up.
    if (isInit && !isRestartableInit(container)) break;
  }
  const [first] = failures;
  if (!first) return { changed };
  const times = failures.map(({ retryAt }) => retryAt).filter((time) => time !== undefined);
  const retryAt = times.length > 0 ? Math.min(...times) : undefined;
  return { changed, failure: { message: failures.map(({ message }) => message).join('; '), retryAt } };
}

/** Read at most once in a sync, and only where a container is to be started. */
function lazyPullSecrets(context: PodContext, { pod, signal }: SyncRequest): () => Promise<readonly DockerConfig[]> {
  let read: Promise<readonly DockerConfig[]> | undefined;
  const readAll = async (): Promise<readonly DockerConfig[]> => {
    const { dockerConfigs, missing } = await readPullSecrets(pod, context.objects, signal);
    if (missing.length > 0) {
      const message = `Unable to retrieve some image pull secrets (${missing.join(', ')}); attempting to pull the image may not succeed.`;
      context.recorder.record(podReference(pod), 'Warning', 'FailedToRetrieveImagePullSecret', message);
    }
    return dockerConfigs;
  };
  return () => (read ??= readAll());
}

interface Start {
  readonly container: Container;
  readonly sandboxId: string;
  readonly dockerConfigs: readonly DockerConfig[];
}

/** @returns why it was not started; its waiting reason is noted */
async function tryToStart(context: PodContext, request: SyncRequest, start: Start): Promise<StartError | undefined> {
  const { pod, runtimeStatus, reasons, signal } = request;
  const { name } = start.container;
  try {
    throwInBackoff(context, pod, start.container, runtimeStatus);
    await countStart(context, pod, name, () =>
      startContainer(context, {
        pod,
        ...start,
        runtimeStatus,
        onPull: () => request.onPull(runtimeStatus),
        signal,
      }),
    );
    reasons.delete(name);
    return undefined;
  } catch (error) {
    if (!(error instanceof StartError)) throw error;
    reasons.set(name, { reason: error.reason, message: error.message });
    return error;
  }
}

/** kuberuntime_manager.go, SyncPod: what is held back by its back-off is no start. */
async function countStart(context: PodContext, pod: Pod, name: string, start: () => Promise<void>): Promise<void> {
  const { startedContainers, startedContainersErrors } = context.metrics;
  const labels = { container_type: containerTypeOf(pod, name) };
  startedContainers.inc(labels);
  try {
    await start();
  } catch (error) {
    if (error instanceof StartError) startedContainersErrors.inc({ ...labels, code: error.reason });
    throw error;
  }
}

function containerTypeOf(pod: Pod, name: string): string {
  if (initContainersOf(pod).some((container) => container.name === name)) return 'init_container';
  return containersOf(pod).some((container) => container.name === name) ? 'container' : 'ephemeral_container';
}

/** A container that ended is started again only after its back-off (kuberuntime_manager.go, doBackOff). */
function throwInBackoff(context: PodContext, pod: Pod, container: Container, status: PodRuntimeStatus): void {
  const ended = status.containers.find(({ name, state }) => name === container.name && state === 'CONTAINER_EXITED');
  if (!ended) return;
  const finishedAt = Date.parse(ended.finishedAt) || Date.parse(ended.createdAt) || 0;
  const key = `${identityOf(pod).uid}/${container.name}/${hashContainer(container)}`;
  const { restartBackoff } = context;
  if (!restartBackoff.isInBackoffSince(key, finishedAt)) {
    restartBackoff.next(key, finishedAt);
    return;
  }
  const described = describePod(identityOf(pod));
  context.recorder.record(
    containerReference(pod, container.name),
    'Warning',
    'BackOff',
    `Back-off restarting failed container ${container.name} in pod ${described}`,
  );
  const delayMs = restartBackoff.get(key);
  throw new StartError(
    'CrashLoopBackOff',
    `back-off ${goDuration(delayMs)} restarting failed container=${container.name} pod=${described}`,
    { retryAt: finishedAt + delayMs },
  );
}

/** Containers of a name that are kept once they have ended, so that lastState and `logs --previous` work. */
const KEPT_PER_NAME = 1;

/** Removes ended containers beyond the last one of each name, with their logs (kuberuntime_gc.go). */
export async function pruneContainers(context: PodContext, pod: Pod, status: PodRuntimeStatus): Promise<void> {
  const kept = new Map<string, number>();
  const surplus = status.containers.filter(({ name, state }) => {
    if (state !== 'CONTAINER_EXITED') return false;
    kept.set(name, (kept.get(name) ?? 0) + 1);
    return (kept.get(name) ?? 0) > KEPT_PER_NAME;
  });
  await removeContainers(context, pod, surplus);
  const used = new Set(status.containers.filter((c) => !surplus.includes(c)).map(({ sandboxId }) => sandboxId));
  const old = status.sandboxes.slice(1).filter(({ id, state }) => state === 'SANDBOX_NOTREADY' && !used.has(id));
  for (const { id } of old) await context.runtime.removePodSandbox(id);
}

async function removeContainers(context: PodContext, pod: Pod, containers: readonly RuntimeContainer[]): Promise<void> {
  for (const { id, name, logPath } of containers) {
    await removeContainerLog(legacyLogLink(context.config.containerLogsDir, identityOf(pod), name, id), logPath);
    await context.runtime.removeContainer(id);
  }
}

/** Whether work was given up because its owner ended it. */
export const isGivenUp = (error: unknown, signal: AbortSignal): boolean =>
  signal.aborted || (error instanceof WasmletError && error.code === 'Cancelled');
