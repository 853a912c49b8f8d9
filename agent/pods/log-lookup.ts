import { hasCode, WasmletError } from '../../base/errors.ts';
import type { RuntimeService } from '../../runtime/service.ts';
import type { ContainerStatus, PodStatus } from '../kube/types.ts';

/** Where a container's log is, for the node's HTTPS API. */
export interface ContainerLog {
  /** Absolute path of the current file; rotated ones stand beside it. */
  readonly path: string;
  /** Whether the container may write more. @throws WasmletError Unavailable when the runtime cannot be asked */
  readonly running: () => Promise<boolean>;
}

export interface LogRequest {
  /** The pod's name. */
  readonly pod: string;
  readonly container: string;
  /** The container before the present one is meant. */
  readonly previous: boolean;
}

/**
 * The log of a container by its place in the pod's status (kubelet_pods.go, GetKubeletContainerLogs).
 * @throws WasmletError NotFound, FailedPrecondition with the kubelet's texts, which kubectl shows
 */
export async function lookUpLog(
  runtime: RuntimeService,
  status: PodStatus,
  request: LogRequest,
): Promise<ContainerLog> {
  const fullId = loggedContainerId(status, request);
  const id = fullId.replace(/^[^:]*:\/\//, '');
  return { path: await logPathOf(runtime, id, fullId), running: () => isRunning(runtime, id) };
}

async function logPathOf(runtime: RuntimeService, id: string, fullId: string): Promise<string> {
  try {
    return (await runtime.containerStatus(id)).logPath;
  } catch (cause) {
    throw new WasmletError('FailedPrecondition', `unable to retrieve container logs for ${fullId}`, { cause });
  }
}

async function isRunning(runtime: RuntimeService, id: string): Promise<boolean> {
  try {
    return (await runtime.containerStatus(id)).state === 'CONTAINER_RUNNING';
  } catch (error) {
    if (hasCode(error, 'NotFound')) return false;
    throw error;
  }
}

/** Which container is meant: the one that runs, else the one that ran last (validateContainerLogStatus). */
export function loggedContainerId(podStatus: PodStatus, { pod, container, previous }: LogRequest): string {
  const named = `container "${container}" in pod "${pod}"`;
  const { containerStatuses = [], initContainerStatuses = [], ephemeralContainerStatuses = [] } = podStatus;
  const statuses = [...containerStatuses, ...initContainerStatuses, ...ephemeralContainerStatuses];
  const status = statuses.find(({ name }) => name === container);
  if (!status) throw new WasmletError('NotFound', `${named} is not available`);
  const last = status.lastState?.terminated?.containerID ?? '';
  if (previous) {
    if (last === '') throw new WasmletError('NotFound', `previous terminated ${named} not found`);
    return last;
  }
  return presentId(status, last, named);
}

function presentId(status: ContainerStatus, last: string, named: string): string {
  const { state, lastState } = status;
  if (state?.running) return status.containerID ?? '';
  const terminated = state?.terminated;
  if (terminated?.containerID !== undefined && terminated.containerID !== '') return terminated.containerID;
  // The next try did not come as far as to a container: the log is that of the one before.
  if (terminated ?? lastState?.terminated) {
    if (last !== '') return last;
    throw new WasmletError('FailedPrecondition', `${named} is terminated`);
  }
  if (!state?.waiting) throw new WasmletError('FailedPrecondition', `${named} is waiting to start - no logs yet`);
  throw new WasmletError('FailedPrecondition', `${named} is waiting to start: ${waitingText(state.waiting.reason)}`);
}

function waitingText(reason = ''): string {
  if (reason === 'ErrImagePull') return "image can't be pulled";
  return reason === 'ImagePullBackOff' ? 'trying and failing to pull image' : reason;
}
