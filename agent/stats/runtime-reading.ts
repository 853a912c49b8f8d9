import type { Container, ContainerStats, PodSandbox, RuntimeService } from '../../runtime/service.ts';
import { CONTAINER_NAME } from '../pods/labels.ts';

/** What the runtime knows, listed at one time. */
export interface RuntimeReading {
  readonly sandboxes: readonly PodSandbox[];
  readonly containers: readonly Container[];
  readonly pods: readonly PodReading[];
}

/** A pod of which something runs. */
export interface PodReading {
  readonly sandbox: PodSandbox;
  readonly containers: readonly ContainerReading[];
}

export interface ContainerReading {
  /** As in the pod's spec. */
  readonly name: string;
  readonly container: Container;
  readonly stats: ContainerStats;
}

export type ListedRuntime = Pick<RuntimeService, 'listPodSandbox' | 'listContainers' | 'listContainerStats'>;

/** @throws WasmletError Unavailable when the runtime cannot be asked */
export async function readRuntime(runtime: ListedRuntime): Promise<RuntimeReading> {
  const [sandboxes, containers, stats] = await Promise.all([
    runtime.listPodSandbox(),
    runtime.listContainers(),
    runtime.listContainerStats(),
  ]);
  return { sandboxes, containers, pods: podsOf(sandboxes, containers, stats) };
}

function podsOf(
  sandboxes: readonly PodSandbox[],
  containers: readonly Container[],
  allStats: readonly ContainerStats[],
): PodReading[] {
  const statsById = new Map(allStats.map((stats) => [stats.id, stats]));
  return presentSandboxes(sandboxes)
    .map((sandbox) => ({ sandbox, containers: runningIn(sandbox, containers, statsById) }))
    .filter((pod) => pod.containers.length > 0);
}

/** Of the sandboxes that a name has had: those that are ready, else the newest (cri_stats_provider.go, removeTerminatedPods). */
function presentSandboxes(sandboxes: readonly PodSandbox[]): PodSandbox[] {
  const byName = Map.groupBy(sandboxes, ({ metadata }) => `${metadata.namespace}/${metadata.name}`);
  return [...byName.values()].flatMap((ofName) => {
    const ready = ofName.filter(({ state }) => state === 'SANDBOX_READY');
    return ready.length > 0 ? ready : ofName.toSorted((a, b) => (a.createdAt < b.createdAt ? 1 : -1)).slice(0, 1);
  });
}

/** Only what runs uses anything. */
function runningIn(
  sandbox: PodSandbox,
  containers: readonly Container[],
  statsById: ReadonlyMap<string, ContainerStats>,
): ContainerReading[] {
  return containers.flatMap((container) => {
    const stats = statsById.get(container.id);
    if (container.podSandboxId !== sandbox.id || container.state !== 'CONTAINER_RUNNING' || !stats) return [];
    return [{ name: container.labels[CONTAINER_NAME] ?? container.metadata.name, container, stats }];
  });
}
