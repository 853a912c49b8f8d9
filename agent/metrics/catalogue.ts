import { createAgentMetrics, createProbeMetrics, familiesOf } from './agent-metrics.ts';
import { CADVISOR_FAMILIES } from './cadvisor-metrics.ts';
import type { FamilySpec } from './exposition.ts';
import { POD_FAMILIES } from './pod-metrics.ts';
import { PROCESS_FAMILIES } from './process-metrics.ts';
import { RESOURCE_FAMILIES } from './resource-metrics.ts';

/** Every family that the node's API can show, by the path that shows it. */
export const metricsByPath = (): ReadonlyMap<string, readonly FamilySpec[]> =>
  new Map([
    ['/metrics/resource', Object.values<FamilySpec>(RESOURCE_FAMILIES)],
    ['/metrics/cadvisor', Object.values<FamilySpec>(CADVISOR_FAMILIES)],
    [
      '/metrics',
      [
        ...familiesOf(createAgentMetrics()).map(({ spec }) => spec),
        ...Object.values<FamilySpec>(POD_FAMILIES),
        ...Object.values<FamilySpec>(PROCESS_FAMILIES),
      ],
    ],
    ['/metrics/probes', [...familiesOf(createProbeMetrics()).map(({ spec }) => spec), PROCESS_FAMILIES.startTime]],
  ]);
