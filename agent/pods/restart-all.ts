import type { Container, ContainerStatus, Pod, PodCondition, PodStatus } from '../kube/types.ts';
import type { PodPhase } from './phase.ts';
import { latestOf, type PodRuntimeStatus, type RuntimeContainer } from './runtime-cache.ts';
import { allContainersOf, containersOf, initContainersOf, matchingRestartAction } from './spec.ts';

/**
 * A container's restart rule may restart all containers of its pod (KEP-5532, action RestartAllContainers): all are ended
 * and removed, then the pod begins anew, init containers first, in its sandbox and with its volumes. A condition holds
 * from the exit that asked for it until nothing is left of the containers.
 */
export const RESTARTING = 'AllContainersRestarting';

const ACTION = 'RestartAllContainers';

/** state.waiting.reason and lastState.terminated.reason of a container that was removed. */
export const REASON = 'RestartingAllContainers';
const MESSAGE = 'The container is removed because RestartAllContainers in place';

/** Whether a container of the pod has such a rule. */
export const mayRestartAll = (pod: Pod): boolean =>
  allContainersOf(pod).some(({ restartPolicyRules }) => restartPolicyRules?.some(({ action }) => action === ACTION));

/** Whether the status says that all containers are being restarted. */
export const isRestartingAll = ({ conditions }: PodStatus): boolean =>
  conditions?.some(({ type, status }) => type === RESTARTING && status === 'True') ?? false;

/** Whether an exit asks for it, one that is in the runtime or was shown, or it has begun (pkg/kubelet/container). */
export function shouldRestartAll(pod: Pod, runtimeStatus: PodRuntimeStatus, previous: PodStatus): boolean {
  if (!mayRestartAll(pod)) return false;
  if (isRestartingAll(previous)) return true;
  const shown = [...(previous.initContainerStatuses ?? []), ...(previous.containerStatuses ?? [])];
  return allContainersOf(pod).some((container) => {
    const latest = latestOf(runtimeStatus, container.name);
    if (latest?.state !== 'CONTAINER_EXITED') return false;
    const before = shown.find(({ name }) => name === container.name)?.state?.terminated;
    return asksForAll(container, latest.exitCode) || (before !== undefined && asksForAll(container, before.exitCode));
  });
}

const asksForAll = (container: Container, exitCode: number): boolean =>
  matchingRestartAction(container, exitCode) === ACTION;

/** The condition, for pods that have such a rule (status/generate.go, GenerateAllContainersRestartingCondition). */
export function restartingCondition(
  pod: Pod,
  { phase, runtimeStatus, isRestarting }: { phase: PodPhase; runtimeStatus: PodRuntimeStatus; isRestarting: boolean },
): PodCondition {
  const type = RESTARTING;
  if (phase === 'Succeeded') return { type, status: 'False', reason: 'PodCompleted' };
  if (phase === 'Failed') return { type, status: 'False', reason: 'PodFailed' };
  const isLeft = allContainersOf(pod).some(({ name }) => latestOf(runtimeStatus, name));
  if (!isRestarting || !isLeft) return { type, status: 'False' };
  return {
    type,
    status: 'True',
    reason: 'RestartAllContainersStarted',
    message: 'container exited with restart policy rule',
  };
}

/** The status of a container that was removed for this, from the one it had. */
export function removedStatus(status: ContainerStatus, restartCount: number): ContainerStatus {
  return {
    ...status,
    state: { waiting: { reason: REASON, message: MESSAGE } },
    lastState: { terminated: { reason: REASON, message: MESSAGE, exitCode: 137 } },
    restartCount: restartCount + 1,
  };
}

/** A container that is to be ended, where it has not ended, and removed; its log stays. */
export interface ContainerToReset {
  readonly id: string;
  readonly name: string;
  readonly isToBeKilled: boolean;
}

/**
 * All that the runtime has of the pod's containers, in the order in which it goes: those that asked for the restart last,
 * so that they still say so should the agent end meanwhile (kuberuntime_manager.go, getContainersToReset).
 */
export function containersToReset(pod: Pod, runtimeStatus: PodRuntimeStatus): ContainerToReset[] {
  const sources: ContainerToReset[] = [];
  const targets: ContainerToReset[] = [];
  for (const containers of [containersOf(pod), initContainersOf(pod)]) {
    for (const container of containers) {
      for (const one of runtimeStatus.containers.filter(({ name }) => name === container.name)) {
        (isSource(container, one) ? sources : targets).push(toReset(one));
      }
    }
  }
  return [...targets, ...sources];
}

const isSource = (container: Container, { state, exitCode }: RuntimeContainer): boolean =>
  state === 'CONTAINER_EXITED' && asksForAll(container, exitCode);

const toReset = ({ id, name, state }: RuntimeContainer): ContainerToReset => ({
  id,
  name,
  isToBeKilled: state !== 'CONTAINER_EXITED',
});
