import { messageOf } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import type { StatsProvider } from '../stats/provider.ts';
import type { ContainerReading, PodReading, RuntimeReading } from '../stats/runtime-reading.ts';
import type { ContainerStats, PodStats, Summary } from '../stats/summary.ts';
import type { FamilySpec, MetricFamily, Sample } from './exposition.ts';

const NANOSECONDS = 1e9;
/** cAdvisor's labels, as the kubelet gives them (pkg/kubelet/server/server.go, containerPrometheusLabelsFunc). */
const LABELS = ['container', 'id', 'image', 'name', 'namespace', 'pod'];

const MACHINE = ['boot_id', 'machine_id', 'system_uuid'];

const family = (name: string, type: 'counter' | 'gauge', labels: readonly string[], help: string): FamilySpec => ({
  name,
  type,
  labels,
  help,
});

/** /metrics/cadvisor: of cAdvisor's series those that dashboards are made of and that mean something here. */
export const CADVISOR_FAMILIES = {
  cpu: family('container_cpu_usage_seconds_total', 'counter', [...LABELS, 'cpu'], 'Seconds of CPU used.'),
  workingSet: family('container_memory_working_set_bytes', 'gauge', LABELS, 'Memory in use.'),
  memoryUsage: family(
    'container_memory_usage_bytes',
    'gauge',
    LABELS,
    'Memory in use; here the same as the working set.',
  ),
  rss: family('container_memory_rss', 'gauge', LABELS, 'Resident memory; here the same as the working set.'),
  fsUsage: family(
    'container_fs_usage_bytes',
    'gauge',
    [...LABELS, 'device'],
    'What the container has stored beyond its image, and its logs.',
  ),
  fsLimit: family('container_fs_limit_bytes', 'gauge', [...LABELS, 'device'], 'Size of the file system that it is on.'),
  startTime: family('container_start_time_seconds', 'gauge', LABELS, 'When it was made, in seconds since the epoch.'),
  lastSeen: family('container_last_seen', 'gauge', LABELS, 'When it was last looked at, in seconds since the epoch.'),
  processes: family('container_processes', 'gauge', LABELS, 'Guests that run in it.'),
  fuel: family(
    'wasmlet_container_fuel_total',
    'counter',
    LABELS,
    'WebAssembly instructions executed, where the engine counts them: wasm-interpreter.',
  ),
  scrapeError: family('container_scrape_error', 'gauge', [], '1 where containers could not be read, else 0.'),
  cores: family('machine_cpu_cores', 'gauge', MACHINE, 'CPUs of the node.'),
  memory: family('machine_memory_bytes', 'gauge', MACHINE, 'Memory of the node.'),
} as const;

/** What the machine series are made of. */
export interface MachineFacts {
  readonly bootId: string;
  readonly machineId: string;
  readonly systemUuid: string;
  readonly cores: number;
  readonly memoryBytes: number;
}

/** A group of processes as cAdvisor tells them apart: the node, a pod, a container. */
interface Group {
  readonly labelValues: readonly string[];
  readonly stats: Pick<ContainerStats, 'cpu' | 'memory' | 'startTime'>;
  readonly container?: { readonly stats: ContainerStats; readonly reading: ContainerReading };
}

/** Never throws: what went wrong is a series, and in the log. */
export async function cadvisorFamilies(
  provider: StatsProvider,
  machine: () => Promise<MachineFacts>,
  logger: Logger,
): Promise<MetricFamily[]> {
  const F = CADVISOR_FAMILIES;
  const facts = await machine();
  const machineLabels = [facts.bootId, facts.machineId, facts.systemUuid];
  const ofMachine = (spec: FamilySpec, value: number) => ({ spec, samples: [{ labelValues: machineLabels, value }] });
  let groups: readonly Group[] | undefined;
  try {
    const summary = await provider.summary();
    groups = groupsOf(summary, await provider.runtimeReading());
  } catch (error) {
    logger.error('usage could not be read for /metrics/cadvisor', { error: messageOf(error) });
  }
  return [
    ofMachine(F.cores, facts.cores),
    ofMachine(F.memory, facts.memoryBytes),
    ...groupFamilies(groups ?? []),
    { spec: F.scrapeError, samples: [{ labelValues: [], value: groups ? 0 : 1 }] },
  ];
}

function groupsOf({ node, pods }: Summary, { pods: readings }: RuntimeReading): Group[] {
  const byUid = new Map(readings.map((reading) => [reading.sandbox.metadata.uid, reading]));
  const root: Group = { labelValues: ['', '/', '', '', '', ''], stats: node };
  return [root, ...pods.flatMap((pod) => groupsOfPod(pod, byUid.get(pod.podRef.uid)))];
}

function groupsOfPod(pod: PodStats, reading: PodReading | undefined): Group[] {
  const { name: podName, namespace, uid } = pod.podRef;
  const id = `/kubepods/pod${uid}`;
  const containers = pod.containers.flatMap((stats): Group[] => {
    const found = reading?.containers.find(({ name }) => name === stats.name);
    // Ended between the two looks.
    if (!found) return [];
    const { container } = found;
    const image = container.image.userSpecifiedImage;
    const labelValues = [stats.name, `${id}/${container.id}`, image, container.id, namespace, podName];
    return [{ labelValues, stats, container: { stats, reading: found } }];
  });
  return [{ labelValues: ['', id, '', '', namespace, podName], stats: pod }, ...containers];
}

function groupFamilies(groups: readonly Group[]): MetricFamily[] {
  const F = CADVISOR_FAMILIES;
  const of = (spec: FamilySpec, valueOf: (group: Group) => Value | undefined, ...more: string[]): MetricFamily => ({
    spec,
    samples: groups.flatMap((group) => {
      const value = valueOf(group);
      return value ? [{ labelValues: [...group.labelValues, ...more], ...value }] : [];
    }),
  });
  const now = Math.floor(Date.now() / 1000);
  const memory = (pick: (stats: Group['stats']['memory']) => number | undefined) => (group: Group) =>
    at(pick(group.stats.memory), group.stats.memory.time);
  return [
    of(F.cpu, ({ stats: { cpu } }) => at(cpu.usageCoreNanoSeconds / NANOSECONDS, cpu.time), 'total'),
    of(
      F.workingSet,
      memory(({ workingSetBytes }) => workingSetBytes),
    ),
    of(
      F.memoryUsage,
      memory(({ usageBytes }) => usageBytes),
    ),
    of(
      F.rss,
      memory(({ rssBytes }) => rssBytes),
    ),
    of(F.fsUsage, storedBy, ''),
    of(F.fsLimit, ({ container }) => at(container?.stats.rootfs?.capacityBytes), ''),
    of(F.startTime, ({ stats }) => at(Math.floor(stats.startTime.getTime() / 1000))),
    of(F.lastSeen, () => at(now)),
    of(F.processes, ({ container }) => at(container ? 1 : undefined)),
    of(F.fuel, ({ container }) => at(container?.reading.stats.fuelUsed)),
  ];
}

/** As cAdvisor adds them up: the writable layer and the logs. */
function storedBy({ container }: Group): Value | undefined {
  const { rootfs, logs } = container?.stats ?? {};
  return rootfs || logs ? at((rootfs?.usedBytes ?? 0) + (logs?.usedBytes ?? 0)) : undefined;
}

type Value = Pick<Sample, 'value' | 'timestampMs'>;

const at = (value: number | undefined, time?: Date): Value | undefined =>
  value === undefined ? undefined : { value, ...(time ? { timestampMs: time.getTime() } : {}) };
