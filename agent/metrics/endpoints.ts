import { access } from 'node:fs/promises';
import type { Logger } from '../../base/log.ts';
import { bootId } from '../../base/process.ts';
import { KUBERNETES_VERSION, VERSION } from '../../base/version.ts';
import { readMachine, readNodeInfo } from '../node/machine.ts';
import type { StatsProvider } from '../stats/provider.ts';
import { summaryJson } from '../stats/summary.ts';
import { familiesOf, type AgentMetrics, type ProbeMetrics } from './agent-metrics.ts';
import { cadvisorFamilies, type MachineFacts } from './cadvisor-metrics.ts';
import { renderFamilies } from './exposition.ts';
import { podFamilies, type CountedPod } from './pod-metrics.ts';
import { PROCESS_FAMILIES, processFamilies } from './process-metrics.ts';
import { resourceFamilies } from './resource-metrics.ts';

/** What the node's API tells about the node, ready to be sent. */
export interface MetricsEndpoints {
  /** /metrics: the agent itself. */
  agent(): Promise<string>;
  /** /metrics/resource: CPU and memory of node, pods and containers. */
  resource(): Promise<string>;
  /** /metrics/probes */
  probes(): Promise<string>;
  /** /metrics/cadvisor: containers, in more detail. */
  cadvisor(): Promise<string>;
  /**
   * /stats/summary, as JSON.
   * @throws WasmletError Unavailable, DeadlineExceeded when the runtime does not answer
   */
  summary(onlyCpuAndMemory: boolean): Promise<string>;
}

export interface MetricsEndpointsOptions {
  readonly nodeName: string;
  /** A folder on the node's file system. */
  readonly rootDir: string;
  readonly metrics: AgentMetrics;
  readonly probeMetrics: ProbeMetrics;
  readonly stats: StatsProvider;
  readonly pods: () => readonly CountedPod[];
  readonly logger: Logger;
}

export function createMetricsEndpoints(options: MetricsEndpointsOptions): MetricsEndpoints {
  const { nodeName, rootDir, metrics, probeMetrics, stats, pods, logger } = options;
  metrics.nodeName.set({ node: nodeName }, 1);
  const release = { version: VERSION, kubernetes_version: KUBERNETES_VERSION, node_version: process.version };
  metrics.buildInfo.set(release, 1);
  return {
    async agent() {
      metrics.cgroupVersion.set({}, await cgroupVersion());
      const [ofProcess, ofPods] = await Promise.all([processFamilies(), podFamilies(pods(), stats, logger)]);
      return renderFamilies([...familiesOf(metrics), ...ofProcess, ...ofPods]);
    },
    async resource() {
      return renderFamilies(await resourceFamilies(stats, logger));
    },
    async probes() {
      const startTime = (await processFamilies()).filter(({ spec }) => spec === PROCESS_FAMILIES.startTime);
      return renderFamilies([...familiesOf(probeMetrics), ...startTime]);
    },
    async cadvisor() {
      return renderFamilies(await cadvisorFamilies(stats, () => machineFacts(rootDir), logger));
    },
    async summary(onlyCpuAndMemory) {
      return summaryJson(await (onlyCpuAndMemory ? stats.cpuAndMemory() : stats.summary()));
    },
  };
}

async function machineFacts(rootDir: string): Promise<MachineFacts> {
  const [{ machineID, systemUUID }, machine] = await Promise.all([readNodeInfo(), readMachine(rootDir)]);
  return {
    bootId: bootId(),
    machineId: machineID,
    systemUuid: systemUUID,
    cores: machine.cpuMillis / 1000,
    memoryBytes: machine.memory.capacity,
  };
}

async function cgroupVersion(): Promise<number> {
  const exists = (path: string): Promise<boolean> =>
    access(path).then(
      () => true,
      () => false,
    );
  if (await exists('/sys/fs/cgroup/cgroup.controllers')) return 2;
  return (await exists('/sys/fs/cgroup/memory')) ? 1 : 0;
}
