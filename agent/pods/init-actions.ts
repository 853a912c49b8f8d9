import type { Container, Pod } from '../kube/types.ts';
import { killUnknown, shouldBeStarted, type ContainerToKill, type ProbeResults } from './actions.ts';
import { hashContainer } from './labels.ts';
import { latestOf, type PodRuntimeStatus, type RuntimeContainer } from './runtime-cache.ts';
import { containersOf, initContainersOf, isRestartableInit, restartsWhenKilled, specOf } from './spec.ts';

export interface InitActions {
  /** All init containers have ended well, or run where they are sidecars. */
  readonly initialized: boolean;
  /** One failed and is not to be tried again. */
  readonly killPod: boolean;
  readonly toStart: readonly number[];
  readonly toKill: readonly ContainerToKill[];
}

/** What is to be done about one init container. */
interface Verdict {
  readonly start?: boolean;
  /** It is done, or runs as the sidecar it is: the next one may start. */
  readonly passed?: boolean;
  readonly failedForGood?: boolean;
  readonly kill?: ContainerToKill;
}

/**
 * The next init container to start, and the sidecars to start again (kuberuntime_container.go,
 * computeInitContainerActions). Looked at from the last to the first: the records of those that completed may be gone,
 * and a later one that has run shows that they did.
 */
export function computeInitActions(pod: Pod, status: PodRuntimeStatus, probes: ProbeResults): InitActions {
  const containers = initContainersOf(pod);
  if (containers.length === 0) return { initialized: true, killPod: false, toStart: [], toKill: [] };
  let initialized = containersOf(pod).some(({ name }) => {
    const state = latestOf(status, name)?.state;
    return state === 'CONTAINER_CREATED' || state === 'CONTAINER_RUNNING';
  });
  let laterHasRun = initialized;
  const toStart = new Set<number>();
  const toKill: ContainerToKill[] = [];
  for (const [index, container] of [...containers.entries()].reverse()) {
    const latest = latestOf(status, container.name);
    if (!latest) {
      if (laterHasRun && isRestartableInit(container)) toStart.add(index);
      continue;
    }
    if (laterHasRun && !isRestartableInit(container)) continue;
    const verdict = judge(pod, container, latest, { status, probes });
    if (verdict.failedForGood) return { initialized: false, killPod: true, toStart: [], toKill };
    if (verdict.kill) toKill.push(verdict.kill);
    if (verdict.start) toStart.add(index);
    if (verdict.passed) {
      if (index === containers.length - 1) initialized = true;
      else if (!laterHasRun) toStart.add(index + 1);
    }
    laterHasRun = true;
  }
  if (!laterHasRun) toStart.add(0);
  return { initialized, killPod: false, toStart: [...toStart].sort((a, b) => a - b), toKill };
}

interface Surroundings {
  readonly status: PodRuntimeStatus;
  readonly probes: ProbeResults;
}

function judge(pod: Pod, container: Container, latest: RuntimeContainer, { status, probes }: Surroundings): Verdict {
  const restartable = isRestartableInit(container);
  switch (latest.state) {
    case 'CONTAINER_CREATED':
      // Made but never started: the agent or the runtime went between the two.
      return { start: true };
    case 'CONTAINER_RUNNING':
      return restartable ? judgeSidecar(container, latest, probes) : {};
    case 'CONTAINER_EXITED':
      if (restartable) return { start: true };
      if (latest.exitCode === 0) return { passed: true };
      return shouldBeStarted(pod, container.name, status) ? { start: true } : { failedForGood: true };
    case 'CONTAINER_UNKNOWN':
      if (!restartable && !restartsWhenKilled(container, specOf(pod))) return { failedForGood: true };
      return { start: true, kill: killUnknown(latest, 'Init container') };
  }
}

function judgeSidecar(container: Container, running: RuntimeContainer, probes: ProbeResults): Verdict {
  const { id, name } = running;
  const killFor = (message: string, reason: ContainerToKill['reason']): Verdict => ({
    start: true,
    kill: { id, name, message: `Init container ${name} ${message}`, reason },
  });
  if (container.startupProbe) {
    const started = probes.startup(id);
    if (started === false) return killFor('failed startup probe', 'StartupProbe');
    if (started === undefined) return {};
  }
  if (running.hash !== hashContainer(container)) return { ...killFor('definition changed', ''), passed: true };
  if (container.livenessProbe && probes.liveness(id) === false) {
    return { ...killFor('failed liveness probe', 'LivenessProbe'), passed: true };
  }
  return { passed: true };
}
