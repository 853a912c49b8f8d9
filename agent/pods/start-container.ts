import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { hasCode, messageOf } from '../../base/errors.ts';
import { ImageError } from '../images/image-puller.ts';
import type { DockerConfig, Image } from '../../images/service.ts';
import type { Container, Pod } from '../kube/types.ts';
import { podPaths } from '../volumes/paths.ts';
import { podIPsOf } from './api-status.ts';
import { containerConfig, type ContainerConfigInput } from './container-config.ts';
import type { PodContext } from './context.ts';
import { guestNetwork } from './guest-network.ts';
import { ownHostname } from './hostname.ts';
import { runHook } from './hooks.ts';
import { attemptFromLogs, legacyLogLink, makeLegacyLink, podLogDir } from './logs.ts';
import { wholeValue } from './quantity.ts';
import { latestOf, type PodRuntimeStatus } from './runtime-cache.ts';
import { verifyRunAsNonRoot } from './security-context.ts';
import { containerReference, identityOf } from './spec.ts';
import { makeHostsMount } from './hosts-file.ts';
import { makeTerminationMount } from './termination-message.ts';
import { killContainer } from './termination.ts';

/** Why a container was not started, in state.waiting's words. */
export class StartError extends Error {
  readonly reason: string;
  /** When the next try is worth while, in milliseconds since the epoch; undefined: after the usual wait. */
  readonly retryAt: number | undefined;

  constructor(reason: string, message: string, options: { cause?: unknown; retryAt?: number | undefined } = {}) {
    super(message, options);
    this.name = 'StartError';
    this.reason = reason;
    this.retryAt = options.retryAt;
  }
}

export interface StartRequest {
  readonly pod: Pod;
  readonly container: Container;
  readonly sandboxId: string;
  readonly runtimeStatus: PodRuntimeStatus;
  readonly dockerConfigs: readonly DockerConfig[];
  readonly onPull: () => void;
  readonly signal: AbortSignal;
}

/**
 * Pulls the image, makes the container, starts it and runs its postStart hook, with the kubelet's events
 * (kuberuntime_container.go, startContainer).
 * @throws StartError what the container then waits for; WasmletError Cancelled and AbortError when given up;
 *   WasmletError Unavailable when the runtime cannot be reached
 */
export async function startContainer(context: PodContext, request: StartRequest): Promise<void> {
  const { pod, container, signal } = request;
  const image = await ensureImage(context, request);
  signal.throwIfAborted();
  const input = await failAs('CreateContainerConfigError', context, request, () =>
    gatherConfig(context, request, image),
  );
  signal.throwIfAborted();
  const { id, logPath } = await failAs('CreateContainerError', context, request, async () => {
    const config = containerConfig(input);
    return { id: await context.runtime.createContainer(request.sandboxId, config), logPath: config.logPath };
  });
  const reference = containerReference(pod, container.name);
  context.recorder.record(reference, 'Normal', 'Created', 'Container created');
  await failAs('RunContainerError', context, request, () => context.runtime.startContainer(id), id);
  context.recorder.record(reference, 'Normal', 'Started', 'Container started');
  await tellOfOwnHost(context, request, id);
  await linkLegacyLog(context, request, logPath, id);
  await runPostStart(context, request, id);
}

/** Where its runtime class has containers share host processes, and this one does not, its users should know why. */
async function tellOfOwnHost(context: PodContext, { pod, container }: StartRequest, id: string): Promise<void> {
  const { runtimeHandlers, defaultRuntimeHandler } = context.config;
  const handler = context.runtimeHandlerOf(pod);
  if (runtimeHandlers[handler === '' ? defaultRuntimeHandler : handler]?.isolation !== 'shared') return;
  // One that has ended by now, or is gone, shows in its status.
  const status = await context.runtime.containerStatus(id).catch(() => undefined);
  if (status?.state !== 'CONTAINER_RUNNING' || status.message === '') return;
  context.recorder.record(containerReference(pod, container.name), 'Normal', 'OwnHostProcess', status.message);
}

async function ensureImage(context: PodContext, request: StartRequest): Promise<Image> {
  const { pod, container } = request;
  try {
    return await context.images.ensure({
      podUid: identityOf(pod).uid,
      image: container.image ?? '',
      pullPolicy: container.imagePullPolicy ?? 'IfNotPresent',
      dockerConfigs: request.dockerConfigs,
      reference: containerReference(pod, container.name),
      onPull: request.onPull,
      signal: request.signal,
    });
  } catch (error) {
    if (!(error instanceof ImageError)) throw error;
    recordFailed(context, request, error.reason);
    throw new StartError(error.reason, error.message, { cause: error, retryAt: error.retryAt });
  }
}

async function gatherConfig(context: PodContext, request: StartRequest, image: Image): Promise<ContainerConfigInput> {
  const { pod, container, runtimeStatus, signal } = request;
  const { config } = context;
  const { namespace, uid } = identityOf(pod);
  const hostIPs = context.hostIPs();
  const podIPs = podIPsOf(runtimeStatus, hostIPs);
  const made = await context.environment.make(
    pod,
    container,
    { podIPs: podIPs.length > 0 ? podIPs : hostIPs, hostIPs },
    signal,
  );
  const logDir = join(podLogDir(config.podLogsDir, identityOf(pod)), container.name);
  const restartCount = await nextRestartCount(runtimeStatus, container.name, logDir);
  await mkdir(logDir, { recursive: true, mode: 0o755 });
  const { podDir } = podPaths(config.rootDir, namespace, uid);
  verifyRunAsNonRoot(pod, container, image);
  const hosts = await makeHostsMount({
    pod,
    container,
    podIPs,
    clusterDomain: config.clusterDomain,
    path: join(podDir, 'etc-hosts'),
  });
  const termination = await makeTerminationMount(join(podDir, 'containers'), container);
  const volumes = await context.volumes.containerMounts(pod, container, made.envs);
  return {
    pod,
    container,
    image,
    restartCount,
    hostname: ownHostname(pod, config.clusterDomain),
    envs: made.envs,
    mounts: [...volumes, ...[hosts, termination].filter((mount) => mount !== undefined)],
    network: guestNetwork(pod, container, { config, hostIPs, ownPorts: context.ownPorts() }),
    logLimits: { maxSize: wholeValue(config.containerLogMaxSize), maxFiles: config.containerLogMaxFiles },
  };
}

async function nextRestartCount(status: PodRuntimeStatus, name: string, logDir: string): Promise<number> {
  const latest = latestOf(status, name);
  return latest ? latest.restartCount + 1 : attemptFromLogs(logDir);
}

/** Turns what a step throws into why the container waits, with the kubelet's Failed event. */
async function failAs<T>(
  reason: string,
  context: PodContext,
  request: StartRequest,
  step: () => Promise<T>,
  containerId = '',
): Promise<T> {
  try {
    return await step();
  } catch (error) {
    request.signal.throwIfAborted();
    // The supervisor is away: nothing is wrong with this container, and a status that says so would be a lie.
    if (hasCode(error, 'Unavailable', 'Cancelled')) throw error;
    const { name } = request.container;
    // An id in the text would make each try's event another one.
    const message = containerId === '' ? messageOf(error) : messageOf(error).replaceAll(containerId, name);
    recordFailed(context, request, message);
    throw new StartError(reason, message, { cause: error });
  }
}

function recordFailed(context: PodContext, { pod, container }: StartRequest, message: string): void {
  context.recorder.record(containerReference(pod, container.name), 'Warning', 'Failed', `Error: ${message}`);
}

/** For log shippers from before CRI; a container runs as well without. */
async function linkLegacyLog(
  context: PodContext,
  { pod, container }: StartRequest,
  logPath: string,
  id: string,
): Promise<void> {
  const identity = identityOf(pod);
  const link = legacyLogLink(context.config.containerLogsDir, identity, container.name, id);
  const target = join(podLogDir(context.config.podLogsDir, identity), logPath);
  try {
    await makeLegacyLink(link, target);
  } catch (error) {
    context.logger.warn('a legacy log link could not be made', { link, error: messageOf(error) });
  }
}

async function runPostStart(context: PodContext, request: StartRequest, id: string): Promise<void> {
  const { pod, container, runtimeStatus, signal } = request;
  const hook = container.lifecycle?.postStart;
  if (!hook) return;
  const { runtime, recorder } = context;
  const host = podIPsOf(runtimeStatus, context.hostIPs())[0] ?? context.hostIPs()[0] ?? '127.0.0.1';
  try {
    await runHook(hook, { pod, container, containerId: id, host, runtime, recorder, signal });
  } catch (error) {
    signal.throwIfAborted();
    const reference = containerReference(pod, container.name);
    // The text is the server's and may hold what others must not read.
    recorder.record(reference, 'Warning', 'FailedPostStartHook', 'PostStartHook failed');
    await killContainer(context, {
      pod,
      id,
      name: container.name,
      message: 'FailedPostStartHook',
      reason: 'FailedPostStartHook',
      host,
      signal,
    });
    throw new StartError('PostStartHookError', messageOf(error), { cause: error });
  }
}
