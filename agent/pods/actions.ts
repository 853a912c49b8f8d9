import type { Pod } from '../kube/types.ts';
import { computeInitActions } from './init-actions.ts';
import { hashContainer } from './labels.ts';
import { containersToReset, type ContainerToReset } from './restart-all.ts';
import { latestOf, type PodRuntimeStatus, type RuntimeContainer } from './runtime-cache.ts';
import {
  containersOf,
  ephemeralContainersOf,
  initContainersOf,
  isBeingDeleted,
  restartsAfter,
  restartsWhenKilled,
  specOf,
} from './spec.ts';

/** What probes found of a container that runs, by its id; undefined while no probe has run. */
export interface ProbeResults {
  liveness(containerId: string): boolean | undefined;
  startup(containerId: string): boolean | undefined;
  readiness(containerId: string): boolean | undefined;
}

export const NO_PROBES: ProbeResults = {
  liveness: () => undefined,
  startup: () => undefined,
  readiness: () => undefined,
};

export type KillReason =
  'Unknown' | 'RestartAllContainers' | 'LivenessProbe' | 'StartupProbe' | 'FailedPostStartHook' | '';

export interface ContainerToKill {
  readonly id: string;
  readonly name: string;
  /** Of the Killing event. */
  readonly message: string;
  readonly reason: KillReason;
}

/** What brings a pod nearer to its spec (kuberuntime_manager.go, podActions). */
export interface PodActions {
  /** End all containers and the sandbox. */
  readonly killPod: boolean;
  readonly createSandbox: boolean;
  /** The present sandbox, '' when there is none. */
  readonly sandboxId: string;
  /** Number of the sandbox that is, or is to be. */
  readonly attempt: number;
  /** Indexes into spec.ephemeralContainers. */
  readonly ephemeralContainersToStart: readonly number[];
  /** Indexes into spec.initContainers, in the order of starting. */
  readonly initContainersToStart: readonly number[];
  /** Indexes into spec.containers. */
  readonly containersToStart: readonly number[];
  readonly containersToKill: readonly ContainerToKill[];
  /** To be removed, so that all can begin anew; then there is nothing else to do. */
  readonly containersToReset: readonly ContainerToReset[];
}

/** The latest sandbox decides: one that is not ready, or is not alone in being so, gives way to a new one. */
export function sandboxChange(status: PodRuntimeStatus): { changed: boolean; attempt: number; sandboxId: string } {
  const [latest] = status.sandboxes;
  if (!latest) return { changed: true, attempt: 0, sandboxId: '' };
  const ready = status.sandboxes.filter(({ state }) => state === 'SANDBOX_READY').length;
  const changed = ready > 1 || latest.state !== 'SANDBOX_READY';
  return { changed, attempt: latest.metadata.attempt + (changed ? 1 : 0), sandboxId: latest.id };
}

/** Compares what the runtime has with what the pod's spec asks for (kuberuntime_manager.go, computePodActions). */
export function computePodActions(
  pod: Pod,
  status: PodRuntimeStatus,
  probes: ProbeResults,
  isRestartingAll = false,
): PodActions {
  const { changed, attempt, sandboxId } = sandboxChange(status);
  const none: PodActions = {
    killPod: changed,
    createSandbox: changed,
    sandboxId,
    attempt,
    ephemeralContainersToStart: [],
    initContainersToStart: [],
    containersToStart: [],
    containersToKill: [],
    containersToReset: [],
  };
  if (isRestartingAll) return { ...none, containersToReset: containersToReset(pod, status) };
  if (changed) return actionsForNewSandbox(pod, status, none);

  const init = computeInitActions(pod, status, probes);
  const afterInit: PodActions = {
    ...none,
    killPod: init.killPod,
    // Also while the pod is still initialising: that may be what is looked into.
    ephemeralContainersToStart: ephemeralContainersOf(pod).flatMap(({ name }, index) =>
      latestOf(status, name) ? [] : [index],
    ),
    initContainersToStart: init.toStart,
    containersToKill: init.toKill,
  };
  if (init.killPod || !init.initialized) return afterInit;
  return withRegularContainers(pod, status, probes, afterInit);
}

/** All begins anew, unless the pod has done its work already. */
function actionsForNewSandbox(pod: Pod, status: PodRuntimeStatus, none: PodActions): PodActions {
  const spec = specOf(pod);
  if (spec.restartPolicy === 'Never' && none.attempt !== 0 && status.containers.length > 0) {
    return { ...none, createSandbox: false };
  }
  const containersToStart = containersOf(pod).flatMap((container, index) => {
    const runsOnce = (container.restartPolicy ?? spec.restartPolicy) === 'OnFailure';
    return runsOnce && succeeded(latestOf(status, container.name)) ? [] : [index];
  });
  if (containersToStart.length === 0 && hasAnyRegularContainerCreated(pod, status)) {
    return { ...none, createSandbox: false };
  }
  return initContainersOf(pod).length > 0 ? { ...none, initContainersToStart: [0] } : { ...none, containersToStart };
}

const succeeded = (container: RuntimeContainer | undefined): boolean =>
  container?.state === 'CONTAINER_EXITED' && container.exitCode === 0;

function withRegularContainers(
  pod: Pod,
  status: PodRuntimeStatus,
  probes: ProbeResults,
  actions: PodActions,
): PodActions {
  const toStart: number[] = [];
  const toKill: ContainerToKill[] = [...actions.containersToKill];
  let kept = 0;
  for (const [index, container] of containersOf(pod).entries()) {
    const latest = latestOf(status, container.name);
    if (latest?.state !== 'CONTAINER_RUNNING') {
      if (!shouldBeStarted(pod, container.name, status)) continue;
      toStart.push(index);
      if (latest?.state === 'CONTAINER_UNKNOWN') toKill.push(killUnknown(latest, 'Container'));
      continue;
    }
    const why = whyKill(container, latest, probes);
    if (!why) {
      kept++;
      continue;
    }
    // A changed definition restarts the container whatever the policy says.
    const restart = why.reason === '' || restartsWhenKilled(container, specOf(pod));
    if (restart) toStart.push(index);
    const message = restart ? `${why.message}, will be restarted` : why.message;
    toKill.push({ id: latest.id, name: latest.name, message, reason: why.reason });
  }
  const regular = { ...actions, containersToStart: toStart, containersToKill: toKill };
  // Nothing is left to run: sidecars alone do not keep a pod alive.
  return kept === 0 && toStart.length === 0 ? { ...regular, killPod: true, initContainersToStart: [] } : regular;
}

function whyKill(
  container: { readonly name: string; readonly image?: string },
  running: RuntimeContainer,
  probes: ProbeResults,
): { message: string; reason: KillReason } | undefined {
  const { name } = container;
  if (running.hash !== hashContainer(container)) {
    return { message: `Container ${name} definition changed`, reason: '' };
  }
  if (probes.liveness(running.id) === false) {
    return { message: `Container ${name} failed liveness probe`, reason: 'LivenessProbe' };
  }
  if (probes.startup(running.id) === false) {
    return { message: `Container ${name} failed startup probe`, reason: 'StartupProbe' };
  }
  return undefined;
}

/** It may run or not: it is killed first, so that there are never two of it. */
export const killUnknown = ({ id, name }: RuntimeContainer, what: string): ContainerToKill => ({
  id,
  name,
  message: `${what} is in "unknown" state, try killing it before restart`,
  reason: 'Unknown',
});

/** Whether a container that does not run is to be started (pkg/kubelet/container, ShouldContainerBeRestarted). */
export function shouldBeStarted(pod: Pod, name: string, status: PodRuntimeStatus): boolean {
  if (isBeingDeleted(pod)) return false;
  const latest = latestOf(status, name);
  if (!latest) return true;
  if (latest.state === 'CONTAINER_RUNNING') return false;
  if (latest.state !== 'CONTAINER_EXITED') return true;
  const container = [...initContainersOf(pod), ...containersOf(pod)].find((candidate) => candidate.name === name);
  return container !== undefined && restartsAfter(container, specOf(pod), latest.exitCode);
}

/** That a regular container was ever made shows that initialisation was over. */
export function hasAnyRegularContainerCreated(pod: Pod, status: PodRuntimeStatus): boolean {
  return containersOf(pod).some(({ name }) => {
    const latest = latestOf(status, name);
    return latest !== undefined && latest.state !== 'CONTAINER_UNKNOWN';
  });
}
