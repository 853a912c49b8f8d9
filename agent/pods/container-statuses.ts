import type { Container, ContainerState, ContainerStatus, Pod } from '../kube/types.ts';
import { hasAnyRegularContainerCreated, shouldBeStarted, type ProbeResults } from './actions.ts';
import { REASON as RESTARTING_ALL, removedStatus } from './restart-all.ts';
import { latestOf, type PodRuntimeStatus, type RuntimeContainer } from './runtime-cache.ts';
import { initContainersOf, isBeingDeleted, isRestartableInit } from './spec.ts';

/** Why a container could not be started at the last try, for state.waiting. */
export interface WaitingReason {
  readonly reason: string;
  readonly message: string;
}

export interface ContainerStatusesInput {
  readonly pod: Pod;
  readonly runtimeStatus: PodRuntimeStatus;
  /** What was last reported: what the runtime has forgotten is carried on. */
  readonly previous: readonly ContainerStatus[];
  readonly containers: readonly Container[];
  readonly isInit: boolean;
  /** All containers are being restarted: those that are gone were removed for it. */
  readonly isRestarting: boolean;
  /** They are never ready nor started: nobody waits for them. */
  readonly isEphemeral?: boolean;
  readonly reasons: ReadonlyMap<string, WaitingReason>;
  readonly probes: ProbeResults;
}

type Terminated = NonNullable<ContainerState['terminated']>;

const STATUS_UNKNOWN = { reason: 'ContainerStatusUnknown', exitCode: 137 } as const;

/** API statuses of a pod's containers, in the spec's order (kubelet_pods.go, convertToAPIContainerStatuses). */
export function generateContainerStatuses(input: ContainerStatusesInput): ContainerStatus[] {
  return input.containers.map((container) => {
    const old = input.previous.find(({ name }) => name === container.name);
    const [latest, before] = input.runtimeStatus.containers.filter(({ name }) => name === container.name);
    const status = latest ? fromRuntime(container, latest, { before, old }) : withoutRuntime(input, container, old);
    const explained = withWaitingReason(input, container, status);
    return input.isEphemeral === true ? explained : withReadiness(input, container, explained);
  });
}

function fromRuntime(
  container: Container,
  latest: RuntimeContainer,
  { before, old }: { before: RuntimeContainer | undefined; old: ContainerStatus | undefined },
): ContainerStatus {
  const containerID = containerIdOf(latest.id);
  // The one before is pruned from the runtime in time; what was reported of it stays true.
  const last = before
    ? stateOf(before, undefined)
    : old?.containerID !== containerID && old?.state?.terminated
      ? { terminated: old.state.terminated }
      : (old?.lastState ?? {});
  return {
    name: container.name,
    state: stateOf(latest, old),
    lastState: last,
    ready: false,
    // What was removed is counted no more by the runtime.
    restartCount: Math.max(latest.restartCount, old?.restartCount ?? 0),
    image: latest.image,
    imageID: latest.imageId,
    containerID,
    ...declared(container),
  };
}

/** What stands in the spec and is only repeated. */
function declared(
  container: Container,
): Pick<ContainerStatus, 'resources' | 'allocatedResources' | 'volumeMounts' | 'stopSignal'> {
  const requests = container.resources?.requests;
  const stopSignal = container.lifecycle?.stopSignal;
  const mounts = container.volumeMounts ?? [];
  return {
    resources: container.resources ?? {},
    // KEP-4960: only where the API server knows the field; others would drop it.
    ...(stopSignal === undefined ? {} : { stopSignal }),
    ...(requests ? { allocatedResources: requests } : {}),
    ...(mounts.length === 0
      ? {}
      : {
          volumeMounts: mounts.map(({ name, mountPath, readOnly }) => ({
            name,
            mountPath,
            ...(readOnly === true ? { readOnly, recursiveReadOnly: 'Disabled' } : {}),
          })),
        }),
  };
}

export const containerIdOf = (id: string): string => `wasmlet://${id}`;

function stateOf(container: RuntimeContainer, old: ContainerStatus | undefined): ContainerState {
  switch (container.state) {
    case 'CONTAINER_RUNNING':
      return { running: { startedAt: toSeconds(container.startedAt) } };
    case 'CONTAINER_EXITED':
      return { terminated: terminatedOf(container) };
    case 'CONTAINER_CREATED':
      return { waiting: {} };
    case 'CONTAINER_UNKNOWN':
      // It did run: 'waiting' would claim that it never had, and a pod that must run once would run twice.
      if (!old?.state?.running) return { waiting: {} };
      return {
        terminated: { ...STATUS_UNKNOWN, message: 'The container could not be located when the pod was terminated' },
      };
  }
}

function terminatedOf(container: RuntimeContainer): Terminated {
  const startedAt = toSeconds(container.startedAt);
  const finishedAt = toSeconds(container.finishedAt);
  return {
    exitCode: container.exitCode,
    ...(container.reason === '' ? {} : { reason: container.reason }),
    ...(container.message === '' ? {} : { message: container.message }),
    ...(startedAt === '' ? {} : { startedAt }),
    ...(finishedAt === '' ? {} : { finishedAt }),
    containerID: containerIdOf(container.id),
  };
}

/** The API keeps whole seconds. */
function toSeconds(time: string): string {
  return time === '' ? '' : `${time.slice(0, 19)}Z`;
}

/** No container of this name is in the runtime: never started, or lost. */
function withoutRuntime(
  { pod, runtimeStatus, isInit, isRestarting }: ContainerStatusesInput,
  container: Container,
  old: ContainerStatus | undefined,
): ContainerStatus {
  const waiting = waitingStatus(pod, container, old);
  const removed = isRestarting ? whileRestarting(old, waiting) : undefined;
  if (removed) return removed;
  if (old?.state?.terminated) return old;
  if (isInit && !isRestartableInit(container) && hasAnyRegularContainerCreated(pod, runtimeStatus)) {
    return { ...waiting, state: { terminated: completedUnseen() } };
  }
  return old?.state?.running ? lost(pod, waiting) : waiting;
}

/** Of a container that ran until all were removed. */
function whileRestarting(old: ContainerStatus | undefined, waiting: ContainerStatus): ContainerStatus | undefined {
  if (old?.state?.running ?? old?.state?.terminated) return removedStatus(waiting, old.restartCount);
  return old?.state?.waiting?.reason === RESTARTING_ALL ? old : undefined;
}

function waitingStatus(pod: Pod, container: Container, old: ContainerStatus | undefined): ContainerStatus {
  return {
    name: container.name,
    state: { waiting: { reason: initContainersOf(pod).length > 0 ? 'PodInitializing' : 'ContainerCreating' } },
    lastState: old?.lastState ?? {},
    ready: false,
    restartCount: old?.restartCount ?? 0,
    image: container.image ?? '',
    imageID: '',
    ...declaredMountsOnly(container),
  };
}

/** It was seen to run and is nowhere now: that it waits would hide that it has ended. */
function lost(pod: Pod, waiting: ContainerStatus): ContainerStatus {
  if (waiting.lastState?.terminated) return waiting;
  const message = 'The container could not be located when the pod was deleted.  The container used to be Running';
  return {
    ...waiting,
    lastState: { terminated: { ...STATUS_UNKNOWN, message } },
    restartCount: waiting.restartCount + (isBeingDeleted(pod) ? 0 : 1),
  };
}

function declaredMountsOnly(container: Container): Pick<ContainerStatus, 'volumeMounts'> {
  const { volumeMounts } = declared(container);
  return volumeMounts ? { volumeMounts } : {};
}

const completedUnseen = (): Terminated => ({
  reason: 'Completed',
  message:
    'Unable to get init container status from container runtime and pod has been initialized, treat it as exited normally',
  exitCode: 0,
});

/** A container that is to be started and could not be, waits, with the reason of the last try. */
function withWaitingReason(
  { pod, runtimeStatus, reasons, isInit }: ContainerStatusesInput,
  container: Container,
  status: ContainerStatus,
): ContainerStatus {
  const latest = latestOf(runtimeStatus, container.name);
  if (isInit && latest?.state === 'CONTAINER_EXITED' && latest.exitCode === 0) return status;
  const why = reasons.get(container.name);
  if (!why || !shouldBeStarted(pod, container.name, runtimeStatus)) return status;
  return {
    ...status,
    ...(status.state?.terminated ? { lastState: status.state } : {}),
    state: { waiting: { reason: why.reason, ...(why.message === '' ? {} : { message: why.message }) } },
  };
}

/** started and ready, from probes where there are any (prober_manager.go, UpdatePodStatus). */
function withReadiness(
  { runtimeStatus, probes, isInit }: ContainerStatusesInput,
  container: Container,
  status: ContainerStatus,
): ContainerStatus {
  const id = status.state?.running ? latestOf(runtimeStatus, container.name)?.id : undefined;
  const started = id !== undefined && (container.startupProbe ? probes.startup(id) === true : true);
  if (isInit && !isRestartableInit(container)) {
    return { ...status, started, ready: status.state?.terminated?.exitCode === 0 };
  }
  const ready = started && (container.readinessProbe ? probes.readiness(id) === true : true);
  return { ...status, started, ready };
}
