import type { Container, ContainerStatus, Pod } from '../kube/types.ts';
import { REASON as RESTARTING_ALL } from './restart-all.ts';
import { containersOf, initContainersOf, isRestartableInit, restartsAfter, specOf } from './spec.ts';

export type PodPhase = 'Pending' | 'Running' | 'Succeeded' | 'Failed';

export interface PhaseInput {
  /** Init and regular containers' statuses. */
  readonly statuses: readonly ContainerStatus[];
  /** All containers have been ended for good. */
  readonly podIsTerminal: boolean;
  /** A regular container was started in the present sandbox. */
  readonly hasInitialized: boolean;
}

interface InitCounts {
  pendingRegular: number;
  pendingSidecars: number;
  failedForGood: number;
}

interface Counts {
  unknown: number;
  running: number;
  waiting: number;
  stopped: number;
  stoppedForGood: number;
  succeeded: number;
}

/** The phase that a pod's container statuses add up to (kubelet_pods.go, getPhase). */
export function phaseOf(pod: Pod, { statuses, podIsTerminal, hasInitialized }: PhaseInput): PodPhase {
  const init: InitCounts = { pendingRegular: 0, pendingSidecars: 0, failedForGood: 0 };
  const counts: Counts = { unknown: 0, running: 0, waiting: 0, stopped: 0, stoppedForGood: 0, succeeded: 0 };
  const byName = new Map(statuses.map((status) => [status.name, status]));
  for (const container of initContainersOf(pod)) {
    const status = byName.get(container.name);
    if (isRestartableInit(container)) countSidecar(status, init, counts);
    else countInit(pod, container, status, init);
  }
  for (const container of containersOf(pod)) countRegular(pod, container, byName.get(container.name), counts);

  if (init.failedForGood > 0) return 'Failed';
  if (init.pendingRegular > 0 || (init.pendingSidecars > 0 && !hasInitialized) || counts.waiting > 0) return 'Pending';
  if (counts.unknown > 0) return 'Pending';
  if (counts.running > 0) return 'Running';
  if (counts.stopped === 0) return 'Pending';
  const ended = podIsTerminal || counts.stopped === counts.stoppedForGood;
  if (!ended) return 'Running';
  return counts.stopped === counts.succeeded ? 'Succeeded' : 'Failed';
}

type Ended = NonNullable<NonNullable<ContainerStatus['state']>['terminated']>;

const willRestart = (pod: Pod, container: Container, { exitCode, reason }: Ended): boolean =>
  reason === RESTARTING_ALL || restartsAfter(container, specOf(pod), exitCode);

function countInit(pod: Pod, container: Container, status: ContainerStatus | undefined, init: InitCounts): void {
  const ended = status?.state?.terminated ?? (status?.state?.waiting ? status.lastState?.terminated : undefined);
  if (!ended) init.pendingRegular++;
  else if (ended.exitCode !== 0 && !willRestart(pod, container, ended)) init.failedForGood++;
}

/** A sidecar that has ended does not count: it is about to run again, or nothing is left that needs it. */
function countSidecar(status: ContainerStatus | undefined, init: InitCounts, counts: Counts): void {
  if (!status) {
    counts.unknown++;
  } else if (status.state?.running) {
    if (status.started !== true) init.pendingSidecars++;
    counts.running++;
  } else if (status.state?.waiting) {
    if (status.lastState?.terminated) return;
    init.pendingSidecars++;
    counts.waiting++;
  } else if (!status.state?.terminated) {
    init.pendingSidecars++;
    counts.unknown++;
  }
}

function countRegular(pod: Pod, container: Container, status: ContainerStatus | undefined, counts: Counts): void {
  if (status?.state?.running) {
    counts.running++;
  } else if (status?.state?.terminated) {
    const { terminated } = status.state;
    counts.stopped++;
    if (terminated.exitCode === 0) counts.succeeded++;
    if (!willRestart(pod, container, terminated)) counts.stoppedForGood++;
  } else if (status?.state?.waiting) {
    const last = status.lastState?.terminated;
    if (!last) {
      counts.waiting++;
      return;
    }
    counts.stopped++;
    if (!willRestart(pod, container, last)) counts.stoppedForGood++;
  } else {
    counts.unknown++;
  }
}
