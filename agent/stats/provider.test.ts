import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { silentLogger } from '../../base/log.ts';
import type { Pod } from '../kube/types.ts';
import { createStatsProvider, type StatsProvider, type StatsProviderOptions } from './provider.ts';
import { summaryJson, type ContainerStats, type FsStats, type PodStats, type VolumeStats } from './summary.ts';
import { ListingRuntime } from './testing.ts';

const MEBIBYTE = 1024 ** 2;

let root: string;
let runtime: ListingRuntime;
let pods: Pod[];

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'wasmlet-stats-'));
  runtime = new ListingRuntime();
  pods = [];
});
afterEach(() => rmSync(root, { recursive: true }));

const provider = (change: Partial<StatsProviderOptions> = {}): StatsProvider =>
  createStatsProvider({
    config: { rootDir: root, podLogsDir: join(root, 'logs'), nodeName: 'node-1' },
    runtime,
    images: { imageFsInfo: () => Promise.resolve({ path: root, usedBytes: 1234, inodesUsed: 5 }) },
    pods: () => pods,
    logger: silentLogger,
    ...change,
  });

function write(path: string, bytes: number): void {
  mkdirSync(join(root, path, '..'), { recursive: true });
  writeFileSync(join(root, path), Buffer.alloc(bytes, 1));
}

test('a pod uses what its containers use, and what has ended is not told about', async () => {
  const sandbox = runtime.addSandbox('web');
  runtime.addContainer(sandbox, 'init', {}, { state: 'CONTAINER_EXITED' });
  runtime.addContainer(sandbox, 'app');
  runtime.addContainer(sandbox, 'side', { cpuUsageCoreNanoSeconds: 1e9, memoryWorkingSetBytes: 1e6 });
  runtime.addSandbox('ended', { state: 'SANDBOX_NOTREADY' });
  pods = [
    {
      metadata: { name: 'web', namespace: 'default', uid: 'uid-web' },
      spec: { containers: [{ name: 'app', resources: { limits: { memory: '20M' } } }, { name: 'side' }] },
    },
  ];
  const { pods: told } = await provider().cpuAndMemory();
  expect(told).toHaveLength(1);
  expect(told[0]).toMatchObject({
    podRef: { name: 'web', namespace: 'default', uid: 'uid-web' },
    containers: [
      { name: 'app', cpu: { usageCoreNanoSeconds: 2.5e9 }, memory: { workingSetBytes: 1e7, availableBytes: 1e7 } },
      { name: 'side', cpu: { usageCoreNanoSeconds: 1e9 }, memory: { workingSetBytes: 1e6 } },
    ],
    cpu: { usageCoreNanoSeconds: 3.5e9 },
    memory: { workingSetBytes: 1.1e7, rssBytes: 1.1e7 },
  });
  // One container has no limit, and so the pod has none.
  expect(told[0]?.memory).not.toHaveProperty('availableBytes');
  expect(told[0]).not.toHaveProperty('volume');
});

test('of the sandboxes that a pod has had the ready one counts', async () => {
  const old = runtime.addSandbox('web', { state: 'SANDBOX_NOTREADY' });
  runtime.addContainer(old, 'app');
  const present = runtime.addSandbox('web');
  runtime.addContainer(present, 'app', { cpuUsageCoreNanoSeconds: 7 });
  const { pods: told } = await provider().cpuAndMemory();
  expect(told.map(({ cpu }) => cpu.usageCoreNanoSeconds)).toEqual([7]);
});

test('the summary tells of volumes, logs and writable layers, and all of it together as ephemeral storage', async () => {
  const sandbox = runtime.addSandbox('web');
  runtime.addContainer(sandbox, 'app', { writableLayer: { usedBytes: 8192, inodesUsed: 2 } });
  write('pods/default/uid-web/volumes/kubernetes.io~empty-dir/scratch/file', MEBIBYTE);
  write('pods/default/uid-web/volumes/kubernetes.io~secret/keys/a', 10);
  write('logs/default_web_uid-web/app/0.log', 2 * MEBIBYTE);
  pods = [
    {
      metadata: { name: 'web', namespace: 'default', uid: 'uid-web' },
      spec: {
        containers: [{ name: 'app' }],
        volumes: [
          { name: 'scratch', emptyDir: {} },
          { name: 'keys', secret: {} },
        ],
      },
    },
  ];
  const { node, pods: told } = await provider().summary();
  const [pod] = told as [PodStats];
  const { rootfs, logs } = pod.containers[0] as ContainerStats & { logs: FsStats };
  const [scratch, keys] = pod.volume as [VolumeStats, VolumeStats];
  expect([scratch.name, keys.name]).toEqual(['scratch', 'keys']);
  expect(scratch.usedBytes).toBeGreaterThanOrEqual(MEBIBYTE);
  expect(rootfs).toMatchObject({ usedBytes: 8192, inodesUsed: 2 });
  expect(logs.usedBytes).toBeGreaterThanOrEqual(2 * MEBIBYTE);
  // Not the secret, which is in memory where it can be.
  expect(pod['ephemeral-storage']?.usedBytes).toBe(scratch.usedBytes + 8192 + logs.usedBytes);
  expect(pod.process_stats).toEqual({ process_count: 1 });
  expect(node.runtime?.imageFs).toMatchObject({ usedBytes: 1234, inodesUsed: 5 });
  const [agent, allPods] = node.systemContainers as [ContainerStats, ContainerStats];
  expect([agent.name, allPods.name]).toEqual(['kubelet', 'pods']);
  expect(allPods.cpu.usageCoreNanoSeconds).toBe(2.5e9);
});

test('the node is the machine, with numbers that are possible', async () => {
  const { node } = await provider().summary();
  expect(node.nodeName).toBe('node-1');
  expect(node.cpu.usageCoreNanoSeconds).toBeGreaterThan(1e9);
  expect(node.memory.workingSetBytes).toBeGreaterThan(1e6);
  expect(node.fs?.capacityBytes).toBeGreaterThan(node.fs?.usedBytes ?? Infinity);
  expect(node.rlimit?.maxpid).toBeGreaterThan(node.rlimit?.curproc ?? Infinity);
  expect(node.startTime.getTime()).toBeLessThan(Date.now());
});

test('the rate of CPU is taken over the time between two looks', async () => {
  const sandbox = runtime.addSandbox('web');
  runtime.addContainer(sandbox, 'app', { timestamp: '2026-01-01T00:00:00Z', cpuUsageCoreNanoSeconds: 0 });
  const stats = provider();
  const rate = async () => (await stats.cpuAndMemory()).pods[0]?.containers[0]?.cpu.usageNanoCores;
  const lookAgain = (timestamp: string, cpuUsageCoreNanoSeconds: number) => {
    const [before] = runtime.stats.splice(0);
    if (before) runtime.stats.push({ ...before, timestamp, cpuUsageCoreNanoSeconds });
    return rate();
  };
  expect(await rate()).toBeUndefined();
  expect(await lookAgain('2026-01-01T00:00:10Z', 5e9)).toBe(0.5e9);
  // Too soon for a rate of its own.
  expect(await lookAgain('2026-01-01T00:00:11Z', 6e9)).toBe(0.5e9);
  expect(await lookAgain('2026-01-01T00:00:20Z', 15e9)).toBe(1e9);
});

test('those who ask at a time share one look, and one who asks later gets a new one', async () => {
  const answers = Promise.withResolvers<undefined>();
  runtime.answers = answers.promise;
  const stats = provider();
  const asked = [stats.cpuAndMemory(), stats.summary(), stats.cpuAndMemory(), stats.runtimeReading()];
  answers.resolve(undefined);
  await Promise.all(asked);
  expect(runtime.asked).toBe(1);
  await stats.cpuAndMemory();
  expect(runtime.asked).toBe(2);
});

test('a runtime that does not answer is not waited for, and is asked again once it has answered', async () => {
  const answers = Promise.withResolvers<undefined>();
  runtime.answers = answers.promise;
  const stats = provider({ runtimeMs: 5 });
  await expect(stats.summary()).rejects.toMatchObject({ code: 'DeadlineExceeded' });
  await expect(stats.cpuAndMemory()).rejects.toMatchObject({ code: 'DeadlineExceeded' });
  expect(runtime.asked).toBe(1);
  answers.resolve(undefined);
  await expect.poll(() => provider({ runtimeMs: 60_000 }).summary()).toMatchObject({ pods: [] });
});

test('a disk that does not answer is not waited for: what it holds is left out', async () => {
  runtime.addContainer(runtime.addSandbox('web'), 'app');
  const { promise, resolve } = Promise.withResolvers<{ path: string; usedBytes: number; inodesUsed: number }>();
  const stats = provider({ storageMs: 5, images: { imageFsInfo: () => promise } });
  const summary = await stats.summary();
  expect(summary.node).not.toHaveProperty('runtime');
  expect(summary.pods).toHaveLength(1);
  resolve({ path: root, usedBytes: 1, inodesUsed: 1 });
  await expect.poll(async () => (await stats.summary()).node.runtime?.imageFs?.usedBytes, { timeout: 60_000 }).toBe(1);
});

test('times are written to the second, and what is not known is not written', async () => {
  runtime.addContainer(runtime.addSandbox('web'), 'app');
  const json = summaryJson(await provider().cpuAndMemory());
  expect((JSON.parse(json) as { pods: unknown[] }).pods[0]).toMatchObject({
    startTime: '2026-01-01T00:00:00Z',
    containers: [{ startTime: '2026-01-01T00:00:00Z', cpu: { time: '2026-01-01T00:01:00Z' } }],
  });
  expect(json).not.toMatch(/null|NaN|\.\d+Z/);
});
