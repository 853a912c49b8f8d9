import { expect, test } from 'vitest';
import { exits, SLEEPS, SPINS } from '../test-guests.ts';
import { until } from '../test-runtime.ts';
import type { ContainerStats, PodSandboxStats } from './messages.ts';
import { TestCri } from './test-cri.ts';

interface Value {
  readonly value: number;
}
/** As a client reads them: numbers. */
interface Usage {
  readonly cpu: { readonly timestamp: number; readonly usageCoreNanoSeconds: Value };
  readonly memory: { readonly workingSetBytes: Value };
}

test('what a container uses is told, and is what its sandbox uses', async () => {
  await using cri = await TestCri.start();
  const { containerId, podSandboxId } = await cri.run(SPINS);
  const usage = async () =>
    (await cri.client.call<{ stats: Usage & ContainerStats }>('containerStats', { containerId })).stats;
  await until(async () => (await usage()).cpu.usageCoreNanoSeconds.value > 100_000_000);
  const first = await usage();
  expect(first.attributes).toMatchObject({ id: containerId, metadata: { name: 'main', attempt: 2 } });
  expect(first.memory.workingSetBytes.value).toBeGreaterThan(1_000_000);
  expect(Math.abs(first.cpu.timestamp / 1e6 - Date.now())).toBeLessThan(10_000);
  await until(async () => (await usage()).cpu.usageCoreNanoSeconds.value > first.cpu.usageCoreNanoSeconds.value);

  const { stats } = await cri.client.call<{ stats: PodSandboxStats }>('podSandboxStats', { podSandboxId });
  expect(stats.attributes).toMatchObject({ id: podSandboxId, metadata: { name: 'pod-1' } });
  const linux = stats.linux as unknown as Usage & { containers: ContainerStats[]; process: { processCount: Value } };
  expect(linux.cpu.usageCoreNanoSeconds.value).toBeGreaterThan(first.cpu.usageCoreNanoSeconds.value);
  expect(linux.memory.workingSetBytes.value).toBeGreaterThan(1_000_000);
  expect(linux.process.processCount.value).toBe(1);
  expect(linux.containers.map(({ attributes }) => attributes.id)).toEqual([containerId]);
});

test('a container that has ended is listed without usage', async () => {
  await using cri = await TestCri.start();
  const ended = await cri.run(exits(0));
  await cri.runtime.exited(ended.containerId);
  const running = await cri.run(SLEEPS);
  const { stats } = await cri.client.call<{ stats: ContainerStats[] }>('listContainerStats');
  const usageOf = (id: string) => stats.find(({ attributes }) => attributes.id === id)?.cpu;
  expect(stats).toHaveLength(2);
  expect(usageOf(ended.containerId)).toBeNull();
  expect(usageOf(running.containerId)).not.toBeNull();
  const filter = { podSandboxId: running.podSandboxId };
  const filtered = await cri.client.call<{ stats: ContainerStats[] }>('listContainerStats', { filter });
  expect(filtered.stats.map(({ attributes }) => attributes.id)).toEqual([running.containerId]);
});

test('statistics are also listed as streams', async () => {
  await using cri = await TestCri.start();
  const { containerId, podSandboxId } = await cri.run(SLEEPS);
  const containers: string[] = [];
  for await (const { containerStats } of cri.client.stream<{ containerStats: ContainerStats[] }>(
    'streamContainerStats',
  )) {
    containers.push(...containerStats.map(({ attributes }) => attributes.id));
  }
  const sandboxes: string[] = [];
  for await (const { podSandboxStats } of cri.client.stream<{ podSandboxStats: PodSandboxStats[] }>(
    'streamPodSandboxStats',
  )) {
    sandboxes.push(...podSandboxStats.map(({ attributes }) => attributes.id));
  }
  expect([containers, sandboxes]).toEqual([[containerId], [podSandboxId]]);
});
