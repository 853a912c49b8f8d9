import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { LinuxContainerResources } from './service.ts';
import { testCgroups } from './test-cgroups.ts';
import type { TestCgroups } from './test-cgroups.ts';
import { exits, grows, SLEEPS, SPINS } from './test-guests.ts';
import { assemble, TestRuntime, until } from './test-runtime.ts';

const cgroups = await testCgroups();

const MEBIBYTE = 1024 * 1024;
const NO_LIMITS: LinuxContainerResources = { cpuPeriod: 0, cpuQuota: 0, cpuShares: 0, memoryLimitInBytes: 0 };
const memory = (mebibytes: number): LinuxContainerResources => ({
  ...NO_LIMITS,
  memoryLimitInBytes: mebibytes * MEBIBYTE,
});

let runtime: TestRuntime;
beforeAll(async () => {
  runtime = await TestRuntime.start();
});
afterAll(() => runtime[Symbol.asyncDispose]());

interface Wanted {
  readonly wat: string;
  readonly resources: LinuxContainerResources;
  readonly pod?: LinuxContainerResources;
  readonly cgroupParent?: string | undefined;
}

/** Runs one container; without `cgroupParent` as on a machine that has no control groups. */
async function run({ wat, resources, cgroupParent, pod = NO_LIMITS }: Wanted) {
  const config = runtime.sandboxConfig();
  const linux = cgroupParent === undefined ? {} : { linux: { cgroupParent, resources: pod, pidsLimit: 512 } };
  const sandbox = await runtime.service.runPodSandbox({ ...config, ...linux }, 'wasm');
  const container = await runtime.service.createContainer(sandbox, await runtime.containerConfig(wat, { resources }));
  await runtime.service.startContainer(container);
  return { sandbox, container };
}

const means = [
  { name: 'by a control group', isThere: cgroups !== undefined, parent: () => cgroups?.podPath() },
  { name: 'without control groups', isThere: true, parent: () => undefined },
];

describe.each(means)('a memory limit, $name', ({ isThere, parent }) => {
  test.skipIf(!isThere)('ends a guest that exceeds it: OOMKilled, 137', async () => {
    const { container } = await run({ wat: grows(), resources: memory(64), cgroupParent: parent() });
    expect(await runtime.exited(container)).toMatchObject({ exitCode: 137, reason: 'OOMKilled', message: '' });
  });

  test.skipIf(!isThere)('leaves a guest alone that stays below it', async () => {
    const { container } = await run({ wat: grows(512), resources: memory(128), cgroupParent: parent() });
    expect(await runtime.exited(container)).toMatchObject({ exitCode: 3, reason: 'Error' });
    expect(await runtime.output(container)).toBe('full\n');
  });

  test.skipIf(!isThere)('is not what a guest that was killed otherwise has exceeded', async () => {
    const { container } = await run({ wat: SLEEPS, resources: memory(64), cgroupParent: parent() });
    process.kill(runtime.hostPid(container), 'SIGKILL');
    expect(await runtime.exited(container)).toMatchObject({ exitCode: 137, reason: 'Error' });
  });

  test.skipIf(!isThere)('holds on after the supervisor was killed', async () => {
    const cgroupParent = parent();
    const { container } = await run({ wat: SLEEPS_THEN_GROWS, resources: memory(64), cgroupParent });
    await runtime.killSupervisor();
    await runtime.answers();
    expect(await runtime.exited(container)).toMatchObject({ exitCode: 137, reason: 'OOMKilled' });
  });
});

/** Grows two seconds after its start. */
const SLEEPS_THEN_GROWS = grows()
  .replace(
    '(func $proc_exit',
    '(func $poll (import "wasi_snapshot_preview1" "poll_oneoff") (param i32 i32 i32 i32) (result i32))\n(func $proc_exit',
  )
  .replace(
    '(block $failed',
    `(i32.store (i32.const 1016) (i32.const 1))
     (i64.store (i32.const 1024) (i64.const 2000000000))
     (drop (call $poll (i32.const 1000) (i32.const 1100) (i32.const 1) (i32.const 1200)))
     (block $failed`,
  );

test('without a limit a guest gets what its own maximum allows', async () => {
  const { container } = await run({ wat: grows(1024), resources: NO_LIMITS });
  expect(await runtime.exited(container)).toMatchObject({ exitCode: 3 });
});

function groups(): TestCgroups {
  if (!cgroups) throw new Error('no control groups can be made here');
  return cgroups;
}

describe.skipIf(!cgroups)('control groups', () => {
  test('are laid out as the kubelet does it, with the limits of pod and container', async () => {
    const cgroupParent = groups().podPath();
    const resources = { cpuPeriod: 100_000, cpuQuota: 50_000, cpuShares: 256, memoryLimitInBytes: 64 * MEBIBYTE };
    const pod = { cpuPeriod: 100_000, cpuQuota: 80_000, cpuShares: 512, memoryLimitInBytes: 96 * MEBIBYTE };
    const { sandbox, container } = await run({ wat: SLEEPS, resources, pod, cgroupParent });
    expect(new Set(groups().below(cgroupParent))).toEqual(new Set([container]));
    const pid = String(runtime.hostPid(container));
    expect(groups().read(`${cgroupParent}/${container}`, 'cgroup.procs').trim()).toBe(pid);
    for (const setting of [
      ...groups().layout.settings(cgroupParent, { ...pod, pidsLimit: 512 }),
      ...groups().layout.settings(`${cgroupParent}/${container}`, { ...resources, pidsLimit: 0 }),
    ]) {
      expect([setting.file, readFileSync(setting.file, 'utf8').trim()]).toEqual([setting.file, setting.value]);
    }
    await runtime.service.stopPodSandbox(sandbox);
    expect(
      groups()
        .layout.folders(cgroupParent)
        .filter((folder) => existsSync(folder)),
    ).toEqual([]);
  });

  test('hold a guest that computes to its share of the CPU, by the CPU time that is counted', async () => {
    const cgroupParent = groups().podPath();
    const resources = { ...NO_LIMITS, cpuPeriod: 100_000, cpuQuota: 20_000, cpuShares: 204 };
    const { sandbox, container } = await run({ wat: SPINS, resources, cgroupParent });
    const periods = (): number =>
      Number(/^nr_periods (\d+)$/m.exec(groups().read(`${cgroupParent}/${container}`, 'cpu.stat'))?.[1]);
    const usage = async (): Promise<number> =>
      (await runtime.service.listContainerStats({ id: container }))[0]?.cpuUsageCoreNanoSeconds ?? 0;
    const [periodsBefore, usageBefore] = [periods(), await usage()];
    await until(() => periods() >= periodsBefore + 20);
    const [periodsAfter, usageAfter] = [periods(), await usage()];
    const share = (usageAfter - usageBefore) / ((periodsAfter - periodsBefore) * 100e6);
    // Of each period 20 ms; the counting is by ticks of 10 ms.
    expect(share).toBeLessThan(0.25);
    expect(share).toBeGreaterThan(0.1);
    await runtime.service.removePodSandbox(sandbox);
  });

  test('of a container last over its restarts for the pod, and are gone with it', async () => {
    const cgroupParent = groups().podPath();
    const { sandbox, container } = await run({ wat: exits(0), resources: memory(64), cgroupParent });
    await runtime.exited(container);
    expect(groups().below(cgroupParent)).toEqual([]);
    expect(
      groups()
        .layout.folders(cgroupParent)
        .every((folder) => existsSync(folder)),
    ).toBe(true);
    await runtime.service.removePodSandbox(sandbox);
    expect(
      groups()
        .layout.folders(cgroupParent)
        .filter((folder) => existsSync(folder)),
    ).toEqual([]);
  });

  test('are those of the next sandbox of the pod when an earlier one is removed', async () => {
    const { service } = runtime;
    const linux = { cgroupParent: groups().podPath(), resources: memory(64), pidsLimit: 512 };
    const config = { ...runtime.sandboxConfig(), linux };
    const first = await service.runPodSandbox(config, 'wasm');
    await service.stopPodSandbox(first);
    const second = await service.runPodSandbox({ ...config, metadata: { ...config.metadata, attempt: 1 } }, 'wasm');
    await service.removePodSandbox(first);
    expect(
      groups()
        .layout.folders(linux.cgroupParent)
        .every((folder) => existsSync(folder)),
    ).toBe(true);
    await service.removePodSandbox(second);
    expect(
      groups()
        .layout.folders(linux.cgroupParent)
        .filter((folder) => existsSync(folder)),
    ).toEqual([]);
  });

  test('that were in use when their sandbox was stopped are gone with it, by the next supervisor too', async () => {
    const cgroupParent = groups().podPath();
    const folders = groups().layout.folders(cgroupParent);
    const { sandbox } = await run({ wat: SLEEPS, resources: memory(64), cgroupParent });
    for (const folder of folders) mkdirSync(join(folder, 'in-use'));
    await runtime.service.stopPodSandbox(sandbox);
    expect(folders.every((folder) => existsSync(folder))).toBe(true);
    for (const folder of folders) rmdirSync(join(folder, 'in-use'));
    await runtime.killSupervisor();
    await runtime.answers();
    await runtime.service.removePodSandbox(sandbox);
    expect(folders.filter((folder) => existsSync(folder))).toEqual([]);
  });

  test('hold commands too, and one that was killed for it is not the end of its container', async () => {
    const tree = join(runtime.root, 'tree');
    mkdirSync(tree);
    for (const [name, wat] of Object.entries({ main: SLEEPS, grow: grows() })) {
      writeFileSync(join(tree, name), await assemble(wat), { mode: 0o755 });
    }
    const linux = { cgroupParent: groups().podPath(), resources: NO_LIMITS, pidsLimit: 512 };
    const sandbox = await runtime.service.runPodSandbox({ ...runtime.sandboxConfig(), linux }, 'wasm');
    const image = { userSpecifiedImage: 'test:1', imageRef: 'sha256:0', tree };
    const config = await runtime.containerConfig(SLEEPS, { resources: memory(64), image, args: ['/main'] });
    const container = await runtime.service.createContainer(sandbox, config);
    await runtime.service.startContainer(container);
    expect(await runtime.service.execSync(container, ['/grow'], 60)).toMatchObject({ exitCode: 137 });
    expect(await runtime.service.containerStatus(container)).toMatchObject({ state: 'CONTAINER_RUNNING' });
    process.kill(runtime.hostPid(container), 'SIGKILL');
    expect(await runtime.exited(container)).toMatchObject({ exitCode: 137, reason: 'Error' });
    await runtime.service.removePodSandbox(sandbox);
  });

  test('leave nothing behind after a hundred sandboxes', { timeout: 120_000 }, async () => {
    const parents = Array.from({ length: 100 }, () => groups().podPath());
    for (const cgroupParent of parents) {
      const { sandbox } = await run({ wat: exits(0), resources: memory(64), cgroupParent });
      await runtime.service.removePodSandbox(sandbox);
    }
    const left = parents.flatMap((path) => groups().layout.folders(path)).filter((folder) => existsSync(folder));
    expect(left).toEqual([]);
  });
});
