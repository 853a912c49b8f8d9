import type { ContainerState, ContainerStatus, Pod, PodCondition, PodStatus } from '../kube/types.ts';
import { isStaticPod } from './pod-source.ts';
import {
  allContainersOf,
  ephemeralContainersOf,
  initContainersOf,
  isRestartableInit,
  isTerminalPhase,
} from './spec.ts';

/** Bytes of all termination messages of a pod (pkg/kubelet/container: MaxPodTerminationMessageLogLength). */
const MAX_POD_MESSAGE_BYTES = 12 * 1024;

/** Whole seconds, as the API keeps times. */
export const apiTime = (milliseconds: number): string => `${new Date(milliseconds).toISOString().slice(0, 19)}Z`;

/**
 * Completes a new status from the one before: transition times, the start time, observedGeneration, and message lengths
 * (status_manager.go, updateStatusInternal and normalizeStatus).
 */
export function completeStatus(pod: Pod, next: PodStatus, previous: PodStatus, now: number): PodStatus {
  const share = Math.floor(MAX_POD_MESSAGE_BYTES / Math.max(1, countContainers(pod)));
  const generation = Math.max(pod.metadata?.generation ?? 0, previous.observedGeneration ?? 0);
  const shorten = (statuses: ContainerStatus[]): ContainerStatus[] =>
    statuses.map((status) => shortenMessages(status, share));
  return {
    ...next,
    ...(next.conditions ? { conditions: withTransitionTimes(next.conditions, previous.conditions ?? [], now) } : {}),
    startTime: previous.startTime ?? next.startTime ?? apiTime(now),
    ...(generation > 0 ? { observedGeneration: generation } : {}),
    ...(next.containerStatuses ? { containerStatuses: shorten(next.containerStatuses.toSorted(byName)) } : {}),
    ...(next.initContainerStatuses ? { initContainerStatuses: shorten(next.initContainerStatuses) } : {}),
    ...(next.ephemeralContainerStatuses
      ? { ephemeralContainerStatuses: shorten(next.ephemeralContainerStatuses.toSorted(byName)) }
      : {}),
  };
}

const countContainers = (pod: Pod): number => allContainersOf(pod).length + ephemeralContainersOf(pod).length;

/** The kubelet's order of regular containers; init containers stay in the spec's. */
const byName = (a: ContainerStatus, b: ContainerStatus): number => (a.name < b.name ? -1 : 1);

function withTransitionTimes(
  next: readonly PodCondition[],
  previous: readonly PodCondition[],
  now: number,
): PodCondition[] {
  return next.map((condition) => {
    const before = previous.find(({ type }) => type === condition.type);
    const unchanged = before?.status === condition.status ? before.lastTransitionTime : undefined;
    return { ...condition, lastTransitionTime: unchanged ?? apiTime(now) };
  });
}

function shortenMessages(status: ContainerStatus, bytes: number): ContainerStatus {
  return {
    ...status,
    ...(status.state ? { state: shortenMessage(status.state, bytes) } : {}),
    ...(status.lastState ? { lastState: shortenMessage(status.lastState, bytes) } : {}),
  };
}

function shortenMessage(state: ContainerState, bytes: number): ContainerState {
  const message = state.terminated?.message;
  if (!state.terminated || message === undefined || Buffer.byteLength(message) <= bytes) return state;
  // Cut at a character: half of one would not survive the way to the API and back.
  const shortened = Buffer.from(message)
    .subarray(0, bytes)
    .toString('utf8')
    .replace(/\uFFFD$/, '');
  return { ...state, terminated: { ...state.terminated, message: shortened } };
}

/**
 * The last status of a pod whose containers have ended and whose volumes are gone: nothing may be left that could still
 * seem to run (status_manager.go, TerminatePod).
 */
export function finalStatus(pod: Pod, status: PodStatus): PodStatus {
  const containerStatuses = hasInitialized(pod, status)
    ? (status.containerStatuses ?? []).map(asEnded)
    : status.containerStatuses;
  const inits = status.initContainerStatuses ?? [];
  const tried = inits.findLastIndex(({ state, lastState }) => !state?.waiting || lastState?.terminated !== undefined);
  const triedCount = Math.max(1, tried + 1);
  return {
    ...status,
    // Of a static pod the kubelet leaves it as it was: the pod may well come back.
    phase: isTerminalPhase(status.phase) || isStaticPod(pod) ? (status.phase ?? 'Failed') : 'Failed',
    ...(containerStatuses ? { containerStatuses } : {}),
    ...(inits.length > 0
      ? { initContainerStatuses: inits.map((init, index) => (index < triedCount ? asEnded(init) : init)) }
      : {}),
  };
}

function asEnded(status: ContainerStatus): ContainerStatus {
  if (status.state?.terminated) return status;
  return {
    ...status,
    state: {
      terminated: {
        reason: 'ContainerStatusUnknown',
        message: 'The container could not be located when the pod was terminated',
        exitCode: 137,
      },
    },
  };
}

function hasInitialized(pod: Pod, status: PodStatus): boolean {
  const inits = initContainersOf(pod);
  if (inits.length === 0) return true;
  if ((status.containerStatuses ?? []).some(({ state, lastState }) => lastState?.terminated ?? !state?.waiting)) {
    return true;
  }
  const last = inits.at(-1);
  const lastStatus = status.initContainerStatuses?.find(({ name }) => name === last?.name);
  if (!last || !lastStatus) return false;
  if (isRestartableInit(last)) return lastStatus.state?.running !== undefined && lastStatus.started === true;
  return lastStatus.state?.terminated?.exitCode === 0 || lastStatus.lastState?.terminated?.exitCode === 0;
}

/**
 * What may be sent now: a pod is not shown as ended while a container of it might run, for then another could be given
 * what it still holds (status_manager.go, mergePodStatus).
 */
export function sendableStatus(status: PodStatus, inApi: PodStatus, mayHaveRunningContainers: boolean): PodStatus {
  const becomesTerminal = !isTerminalPhase(inApi.phase) && isTerminalPhase(status.phase);
  if (!becomesTerminal || !mayHaveRunningContainers) return status;
  const { reason: _reason, message: _message, ...rest } = status;
  return {
    ...rest,
    phase: inApi.phase ?? 'Pending',
    ...(inApi.reason === undefined ? {} : { reason: inApi.reason }),
    ...(inApi.message === undefined ? {} : { message: inApi.message }),
  };
}
