import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { WasmletError } from '../../base/errors.ts';
import { silentLogger } from '../../base/log.ts';
import { parsePrometheusText, valuesOf } from '../../test/support/prometheus-text.ts';
import { createStatsProvider } from '../stats/provider.ts';
import { CREATED_AT, ListingRuntime } from '../stats/testing.ts';
import { createAgentMetrics, createProbeMetrics } from './agent-metrics.ts';
import { createMetricsEndpoints, type MetricsEndpoints } from './endpoints.ts';
import type { CountedPod } from './pod-metrics.ts';

let root: string;
let runtime: ListingRuntime;
let pods: CountedPod[];
let endpoints: MetricsEndpoints;
let probeMetrics: ReturnType<typeof createProbeMetrics>;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'wasmlet-metrics-'));
  runtime = new ListingRuntime();
  pods = [];
  probeMetrics = createProbeMetrics();
  endpoints = createMetricsEndpoints({
    nodeName: 'node-1',
    rootDir: root,
    metrics: createAgentMetrics(),
    probeMetrics,
    stats: createStatsProvider({
      config: { rootDir: root, podLogsDir: join(root, 'logs'), nodeName: 'node-1' },
      runtime,
      images: { imageFsInfo: () => Promise.resolve({ path: root, usedBytes: 0, inodesUsed: 0 }) },
      pods: () => [],
      logger: silentLogger,
    }),
    pods: () => pods,
    logger: silentLogger,
  });
});
afterEach(() => rmSync(root, { recursive: true }));

test('/metrics/resource tells the usage of node, pods and containers at the time of its measurement', async () => {
  const sandbox = runtime.addSandbox('web');
  runtime.addContainer(sandbox, 'app');
  runtime.addContainer(sandbox, 'side', { cpuUsageCoreNanoSeconds: 5e8 });
  const families = parsePrometheusText(await endpoints.resource());
  const labels = { container: 'app', pod: 'web', namespace: 'default' };
  expect(families.get('container_cpu_usage_seconds_total')?.series[0]).toEqual({
    name: 'container_cpu_usage_seconds_total',
    labels,
    value: 2.5,
    timestampMs: Date.parse('2026-01-01T00:01:00.500Z'),
  });
  expect(valuesOf(families, 'container_memory_working_set_bytes', labels)).toEqual([1e7]);
  expect(families.get('container_start_time_seconds')?.series[0]).toMatchObject({
    value: Date.parse(CREATED_AT) / 1000,
    timestampMs: undefined,
  });
  expect(valuesOf(families, 'pod_cpu_usage_seconds_total', { pod: 'web', namespace: 'default' })).toEqual([3]);
  expect(valuesOf(families, 'node_cpu_usage_seconds_total')[0]).toBeGreaterThan(1);
  expect(valuesOf(families, 'node_memory_working_set_bytes')[0]).toBeGreaterThan(1e6);
  expect(valuesOf(families, 'resource_scrape_error')).toEqual([0]);
});

test('without the runtime /metrics/resource says so, /metrics leaves out what it knows, and neither fails', async () => {
  runtime.answers = Promise.reject(new WasmletError('Unavailable', 'the supervisor is away'));
  runtime.answers.catch(() => undefined);
  const resource = parsePrometheusText(await endpoints.resource());
  expect([...resource.keys()]).toEqual(['resource_scrape_error']);
  expect(valuesOf(resource, 'resource_scrape_error')).toEqual([1]);
  const agent = parsePrometheusText(await endpoints.agent());
  expect(agent.has('kubelet_running_pods')).toBe(false);
  expect(valuesOf(agent, 'kubelet_node_name', { node: 'node-1' })).toEqual([1]);
  const cadvisor = parsePrometheusText(await endpoints.cadvisor());
  expect(valuesOf(cadvisor, 'container_scrape_error')).toEqual([1]);
  expect(valuesOf(cadvisor, 'machine_memory_bytes')[0]).toBeGreaterThan(1e6);
  await expect(endpoints.summary(false)).rejects.toThrow('the supervisor is away');
});

test('/metrics counts pods by what they are, and containers by their state', async () => {
  const sandbox = runtime.addSandbox('web');
  runtime.addContainer(sandbox, 'app');
  runtime.addContainer(sandbox, 'init', {}, { state: 'CONTAINER_EXITED' });
  runtime.addSandbox('ended', { state: 'SANDBOX_NOTREADY' });
  const pod: CountedPod = { isStatic: false, isActive: true, isDesired: true, lifecycle: 'sync' };
  pods = [
    pod,
    pod,
    { ...pod, isStatic: true },
    { ...pod, lifecycle: 'terminating', isDesired: false },
    { ...pod, lifecycle: 'terminated', isActive: false },
  ];
  const families = parsePrometheusText(await endpoints.agent());
  expect(valuesOf(families, 'kubelet_running_pods')).toEqual([1]);
  expect(valuesOf(families, 'kubelet_running_containers', { container_state: 'running' })).toEqual([1]);
  expect(valuesOf(families, 'kubelet_running_containers', { container_state: 'exited' })).toEqual([1]);
  expect(valuesOf(families, 'kubelet_desired_pods', { static: '' })).toEqual([3]);
  expect(valuesOf(families, 'kubelet_desired_pods', { static: 'true' })).toEqual([1]);
  expect(valuesOf(families, 'kubelet_active_pods', { static: '' })).toEqual([3]);
  expect(valuesOf(families, 'kubelet_mirror_pods')).toEqual([1]);
  const orphans = { lifecycle: 'terminating', config: 'orphan', static: '' };
  expect(valuesOf(families, 'kubelet_working_pods', orphans)).toEqual([1]);
});

test('/metrics tells of the process', async () => {
  const families = parsePrometheusText(await endpoints.agent());
  expect(valuesOf(families, 'process_resident_memory_bytes')[0]).toBeGreaterThan(1e6);
  expect(valuesOf(families, 'process_virtual_memory_bytes')[0]).toBeGreaterThan(1e6);
  expect(valuesOf(families, 'process_cpu_seconds_total')[0]).toBeGreaterThan(0);
  expect(valuesOf(families, 'process_max_fds')[0]).toBeGreaterThan(
    valuesOf(families, 'process_open_fds')[0] ?? Infinity,
  );
  const started = (valuesOf(families, 'process_start_time_seconds')[0] ?? 0) * 1000;
  expect(Math.abs(started - (Date.now() - process.uptime() * 1000))).toBeLessThan(60_000);
});

test('/metrics/cadvisor tells node, pods and containers apart by labels as cAdvisor does, and fuel where it is counted', async () => {
  const sandbox = runtime.addSandbox('web');
  const { id } = runtime.addContainer(sandbox, 'app', {
    fuelUsed: 42,
    writableLayer: { usedBytes: 4096, inodesUsed: 1 },
  });
  runtime.addContainer(sandbox, 'side');
  const families = parsePrometheusText(await endpoints.cadvisor());
  const labels = {
    container: 'app',
    id: `/kubepods/poduid-web/${id}`,
    image: 'registry.example/app:1',
    name: id,
    namespace: 'default',
    pod: 'web',
  };
  expect(valuesOf(families, 'container_cpu_usage_seconds_total', { ...labels, cpu: 'total' })).toEqual([2.5]);
  expect(valuesOf(families, 'container_cpu_usage_seconds_total', { container: '', pod: 'web' })).toEqual([5]);
  expect(valuesOf(families, 'container_cpu_usage_seconds_total', { id: '/' })[0]).toBeGreaterThan(1);
  expect(valuesOf(families, 'container_memory_rss', labels)).toEqual([1e7]);
  expect(valuesOf(families, 'container_fs_usage_bytes', labels)[0]).toBeGreaterThanOrEqual(4096);
  expect(families.get('wasmlet_container_fuel_total')?.series).toMatchObject([{ labels, value: 42 }]);
  expect(valuesOf(families, 'container_scrape_error')).toEqual([0]);
  expect(valuesOf(families, 'machine_cpu_cores')[0]).toBeGreaterThan(0);
});

test('/metrics/probes tells of probes and since when', async () => {
  const labels = { probe_type: 'Liveness', container: 'c', pod: 'p', namespace: 'n' };
  probeMetrics.probes.inc({ ...labels, pod_uid: 'u', result: 'successful' });
  probeMetrics.probeDuration.observe(labels, 0.2);
  const families = parsePrometheusText(await endpoints.probes());
  expect([...families.keys()]).toEqual([
    'prober_probe_duration_seconds',
    'prober_probe_total',
    'process_start_time_seconds',
  ]);
  expect(valuesOf(families, 'prober_probe_total', { ...labels, result: 'successful' })).toEqual([1]);
});
