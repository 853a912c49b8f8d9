import { messageOf } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import type { StatsProvider } from '../stats/provider.ts';
import type { ContainerStats, PodStats, Summary } from '../stats/summary.ts';
import type { FamilySpec, MetricFamily, Sample } from './exposition.ts';

const NANOSECONDS = 1e9;
const CONTAINER = ['container', 'pod', 'namespace'];
const POD = ['pod', 'namespace'];

const family = (name: string, type: 'counter' | 'gauge', labels: readonly string[], help: string): FamilySpec => ({
  name,
  type,
  labels,
  help,
});

/** /metrics/resource: what metrics-server, and so `kubectl top` and the autoscalers, reads (KEP-727). */
export const RESOURCE_FAMILIES = {
  nodeCpu: family('node_cpu_usage_seconds_total', 'counter', [], 'Seconds of CPU that the node has used.'),
  nodeMemory: family('node_memory_working_set_bytes', 'gauge', [], 'Memory of the node that is in use.'),
  nodeSwap: family('node_swap_usage_bytes', 'gauge', [], 'Swap of the node that is in use.'),
  containerStart: family(
    'container_start_time_seconds',
    'gauge',
    CONTAINER,
    'When the container was made, in seconds since the epoch.',
  ),
  containerCpu: family(
    'container_cpu_usage_seconds_total',
    'counter',
    CONTAINER,
    'Seconds of CPU that the container has used.',
  ),
  containerMemory: family(
    'container_memory_working_set_bytes',
    'gauge',
    CONTAINER,
    'Memory of the container that is in use: its share of the resident pages of its host process.',
  ),
  podCpu: family('pod_cpu_usage_seconds_total', 'counter', POD, "Seconds of CPU that the pod's containers have used."),
  podMemory: family('pod_memory_working_set_bytes', 'gauge', POD, "Memory of the pod's containers that is in use."),
  error: family('resource_scrape_error', 'gauge', [], '1 where the usage of containers could not be read, else 0.'),
} as const;

/** pkg/kubelet/metrics/collectors/resource_metrics.go. Never throws: what went wrong is a series, and in the log. */
export async function resourceFamilies(provider: StatsProvider, logger: Logger): Promise<MetricFamily[]> {
  let summary: Summary | undefined;
  try {
    summary = await provider.cpuAndMemory();
  } catch (error) {
    logger.error('usage could not be read for /metrics/resource', { error: messageOf(error) });
  }
  const error = { spec: RESOURCE_FAMILIES.error, samples: [{ labelValues: [], value: summary ? 0 : 1 }] };
  return summary ? [...usageFamilies(summary), error] : [error];
}

function usageFamilies({ node, pods }: Summary): MetricFamily[] {
  const F = RESOURCE_FAMILIES;
  const containers = pods.flatMap((pod) => pod.containers.map((container) => ({ pod, container })));
  const ofContainers = (spec: FamilySpec, sampleOf: (container: ContainerStats) => Value) => ({
    spec,
    samples: containers.map(({ pod: { podRef }, container }) => ({
      labelValues: [container.name, podRef.name, podRef.namespace],
      ...sampleOf(container),
    })),
  });
  const ofPods = (spec: FamilySpec, sampleOf: (pod: PodStats) => Value) => ({
    spec,
    samples: pods.map((pod) => ({ labelValues: [pod.podRef.name, pod.podRef.namespace], ...sampleOf(pod) })),
  });
  const ofNode = (spec: FamilySpec, value: Value) => ({ spec, samples: [{ labelValues: [], ...value }] });
  return [
    ofNode(F.nodeCpu, cpuValue(node.cpu)),
    ofNode(F.nodeMemory, memoryValue(node.memory)),
    ...(node.swap ? [ofNode(F.nodeSwap, valueAt(node.swap.swapUsageBytes, node.swap.time))] : []),
    ofContainers(F.containerStart, ({ startTime }) => ({ value: startTime.getTime() / 1000 })),
    ofContainers(F.containerCpu, ({ cpu }) => cpuValue(cpu)),
    ofContainers(F.containerMemory, ({ memory }) => memoryValue(memory)),
    ofPods(F.podCpu, ({ cpu }) => cpuValue(cpu)),
    ofPods(F.podMemory, ({ memory }) => memoryValue(memory)),
  ];
}

type Value = Pick<Sample, 'value' | 'timestampMs'>;

const valueAt = (value: number, time: Date): Value => ({ value, timestampMs: time.getTime() });

const cpuValue = ({ usageCoreNanoSeconds, time }: Summary['node']['cpu']): Value =>
  valueAt(usageCoreNanoSeconds / NANOSECONDS, time);

const memoryValue = ({ workingSetBytes, time }: Summary['node']['memory']): Value => valueAt(workingSetBytes, time);
