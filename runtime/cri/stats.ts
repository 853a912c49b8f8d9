import { WasmletError } from '../../base/errors.ts';
import type * as service from '../service.ts';
import { containerFilter } from './container-status.ts';
import type { CriContext } from './context.ts';
import { containerId, sandboxId } from './ids.ts';
import type {
  ByContainerId,
  ByPodSandboxId,
  ContainerStats,
  CpuUsage,
  Filtered,
  MemoryUsage,
  PodSandboxStats,
  StatsFilter,
  UInt64Value,
} from './messages.ts';
import { knownOr } from './sandboxes.ts';
import { nanoseconds, nanosecondsNow } from './time.ts';

/** CRI's methods on what containers and sandboxes use. */
export const statsMethods = (context: CriContext) => ({
  async containerStats(request: ByContainerId): Promise<{ readonly stats: ContainerStats }> {
    const id = await containerId(context, request.containerId);
    const [stats] = await listContainerStats(context, { id, labelSelector: {} });
    if (!stats) throw new WasmletError('NotFound', `no container ${id}`);
    return { stats };
  },

  async listContainerStats({ filter }: Filtered<StatsFilter>): Promise<{ readonly stats: readonly ContainerStats[] }> {
    return { stats: await listContainerStats(context, filter) };
  },

  async podSandboxStats({ podSandboxId }: ByPodSandboxId): Promise<{ readonly stats: PodSandboxStats }> {
    const id = await sandboxId(context, podSandboxId);
    const [stats] = await listSandboxStats(context, { id, labelSelector: {} });
    if (!stats) throw new WasmletError('NotFound', `no pod sandbox ${id}`);
    return { stats };
  },

  async listPodSandboxStats({
    filter,
  }: Filtered<StatsFilter>): Promise<{ readonly stats: readonly PodSandboxStats[] }> {
    return { stats: await listSandboxStats(context, filter) };
  },
});

/** Of all containers, as containerd does it; those that do not run use nothing, which is not told as zero. */
export async function listContainerStats(
  context: CriContext,
  filter: StatsFilter | null,
): Promise<readonly ContainerStats[]> {
  const wanted = await containerFilter(context, filter ?? {});
  const [containers, usages] = await Promise.all([
    context.runtime.listContainers(wanted),
    context.runtime.listContainerStats(wanted),
  ]);
  const usageById = new Map(usages.map((usage) => [usage.id, usage]));
  return containers.map((container) => containerStats(container, usageById.get(container.id)));
}

function containerStats(container: service.Container, usage: service.ContainerStats | undefined): ContainerStats {
  const { id, metadata, labels, annotations } = container;
  return {
    attributes: { id, metadata, labels, annotations },
    ...(usage === undefined ? {} : usageOf(nanoseconds(usage.timestamp), [usage])),
  };
}

export async function listSandboxStats(
  context: CriContext,
  filter: StatsFilter | null,
): Promise<readonly PodSandboxStats[]> {
  const { id = '', labelSelector = {} } = filter ?? {};
  const [sandboxes, containers, usages] = await Promise.all([
    context.runtime.listPodSandbox({
      ...(id === '' ? {} : { id: await knownOr(id, () => sandboxId(context, id)) }),
      labelSelector,
    }),
    context.runtime.listContainers(),
    context.runtime.listContainerStats(),
  ]);
  const usageById = new Map(usages.map((usage) => [usage.id, usage]));
  return sandboxes.map((sandbox) =>
    sandboxStats(
      sandbox,
      containers.filter((container) => container.podSandboxId === sandbox.id),
      usageById,
    ),
  );
}

/** What a sandbox uses is what its containers use: it has no process of its own. */
function sandboxStats(
  { id, metadata, labels, annotations }: service.PodSandbox,
  containers: readonly service.Container[],
  usageById: ReadonlyMap<string, service.ContainerStats>,
): PodSandboxStats {
  const running = containers.map((container) => usageById.get(container.id)).filter((usage) => usage !== undefined);
  const timestamp = nanosecondsNow();
  return {
    attributes: { id, metadata, labels, annotations },
    linux: {
      ...usageOf(timestamp, running),
      process: { timestamp, processCount: { value: String(running.length) } },
      containers: containers.map((container) => containerStats(container, usageById.get(container.id))),
    },
  };
}

/** The sum over containers. Each is one process: its resident memory, with its share of shared pages, is all it uses. */
function usageOf(
  timestamp: string,
  usages: readonly service.ContainerStats[],
): { readonly cpu: CpuUsage; readonly memory: MemoryUsage } {
  const sum = (of: (usage: service.ContainerStats) => number): UInt64Value => ({
    value: String(usages.reduce((total, usage) => total + of(usage), 0)),
  });
  const memory = sum((usage) => usage.memoryWorkingSetBytes);
  return {
    cpu: { timestamp, usageCoreNanoSeconds: sum((usage) => usage.cpuUsageCoreNanoSeconds) },
    memory: { timestamp, workingSetBytes: memory, rssBytes: memory },
  };
}
