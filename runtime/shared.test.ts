import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { identityOf, isAlive } from '../base/process.ts';
import { writeExit } from './host/exit-record.ts';
import { timeNow } from './host/timestamp.ts';
import type { ContainerConfig, PodSandboxConfig } from './service.ts';
import { testCgroups } from './test-cgroups.ts';
import { counts, exits, floods, grows, prints, SLEEPS, SPINS, TRAPS } from './test-guests.ts';
import { pathsBelow } from './test-folder.ts';
import { TestRuntime, until } from './test-runtime.ts';

/** The class `wasm-shared`: containers of one namespace in one host process. */

let runtime: TestRuntime;
beforeAll(async () => {
  runtime = await TestRuntime.start();
});
afterAll(() => runtime[Symbol.asyncDispose]());

const TIMEOUT = { timeout: 120_000 };
const MIB = 1024 * 1024;

interface Change extends Partial<ContainerConfig> {
  readonly namespace?: string;
  readonly linux?: NonNullable<PodSandboxConfig['linux']>;
}

const cgroups = await testCgroups();

/** Runs a container in a shared host. */
async function run(
  wat: string,
  { namespace = 'default', linux, ...change }: Change = {},
  on = runtime,
): Promise<string> {
  const config = { ...on.sandboxConfig(), ...(linux ? { linux } : {}) };
  const inNamespace: PodSandboxConfig = { ...config, metadata: { ...config.metadata, namespace } };
  const sandbox = await on.service.runPodSandbox(inNamespace, 'wasm-shared');
  const container = await on.service.createContainer(sandbox, await on.containerConfig(wat, change));
  await on.service.startContainer(container);
  return container;
}

const resources = (change: Partial<ContainerConfig['resources']>): Pick<ContainerConfig, 'resources'> => ({
  resources: { cpuPeriod: 0, cpuQuota: 0, cpuShares: 0, memoryLimitInBytes: 0, ...change },
});

async function cpuSeconds(id: string): Promise<number> {
  const [stats] = await runtime.service.listContainerStats({ id });
  return (stats?.cpuUsageCoreNanoSeconds ?? NaN) / 1e9;
}

/** Milliseconds between the lines of a container's log. */
async function gaps(id: string): Promise<number[]> {
  const { logPath } = await runtime.service.containerStatus(id);
  const times = [...readFileSync(logPath, 'utf8').matchAll(/^(\S+) std/gm)].map(([, time]) => Date.parse(time ?? ''));
  return times.slice(1).map((time, index) => time - (times[index] ?? 0));
}

const stop = (...ids: string[]) => Promise.all(ids.map((id) => runtime.service.stopContainer(id, 0)));

/** Calls `poll_oneoff` with a clock that has run out, again and again: an import that may suspend and never has to. */
const CALLS_OUT = `(module
  (func $poll (import "wasi_snapshot_preview1" "poll_oneoff") (param i32 i32 i32 i32) (result i32))
  (memory (export "memory") 1)
  (func (export "_start")
    (i32.store (i32.const 16) (i32.const 1))
    (loop $again
      (drop (call $poll (i32.const 0) (i32.const 100) (i32.const 1) (i32.const 200)))
      (br $again))))`;

/** Asks for 100 MiB of random bytes, again and again. */
const RANDOM = `(module
  (func $random (import "wasi_snapshot_preview1" "random_get") (param i32 i32) (result i32))
  (memory (export "memory") 1600)
  (func (export "_start")
    (loop $again
      (drop (call $random (i32.const 0) (i32.const 104857600)))
      (br $again))))`;

/** Asks for the time, again and again: an import that never suspends. */
const ASKS_TIME = `(module
  (func $time (import "wasi_snapshot_preview1" "clock_time_get") (param i32 i64 i32) (result i32))
  (memory (export "memory") 1)
  (func (export "_start")
    (loop $again
      (drop (call $time (i32.const 1) (i64.const 0) (i32.const 0)))
      (br $again))))`;

describe('containers that share a host process', () => {
  test('write their logs and end with their own exit codes', TIMEOUT, async () => {
    const sleeper = await run(SLEEPS);
    const printer = await run(prints('hello\n'));
    const leaver = await run(exits(7));
    expect(runtime.hostPid(printer)).toBe(runtime.hostPid(sleeper));
    expect(await runtime.exited(printer)).toMatchObject({ exitCode: 0, reason: 'Completed' });
    expect(await runtime.output(printer)).toBe('hello\n');
    expect(await runtime.exited(leaver)).toMatchObject({ exitCode: 7, reason: 'Error' });
    expect(await runtime.service.containerStatus(sleeper)).toMatchObject({ state: 'CONTAINER_RUNNING', message: '' });
    await runtime.service.stopContainer(sleeper, 30);
    expect(await runtime.exited(sleeper)).toMatchObject({ exitCode: 143, reason: 'Error', message: '' });
  });

  test('go on while one of them traps, and one computes on and on', TIMEOUT, async () => {
    const spinner = await run(SPINS);
    const trapped = await run(TRAPS);
    const { exitCode, message } = await runtime.exited(trapped);
    expect(exitCode).toBe(134);
    expect(message).toMatch(/unreachable\n.*innermost\n.*middle/s);
    const printer = await run(prints('in between\n'));
    await runtime.exited(printer);
    expect(await runtime.output(printer)).toBe('in between\n');
    expect(runtime.hostPid(spinner)).toBe(runtime.hostPid(printer));
    await runtime.service.stopContainer(spinner, 30);
    expect(await runtime.exited(spinner)).toMatchObject({ exitCode: 143 });
  });

  test.each([
    ['asks for much randomness', RANDOM],
    ['computes', SPINS],
    ['calls what may suspend', CALLS_OUT],
    ['calls what never suspends', ASKS_TIME],
    ['writes', floods(1 << 30)],
  ])('are on time beside one that %s without end, which SIGKILL ends', TIMEOUT, async (_, wat) => {
    const busy = await run(wat, { logLimits: { maxSize: MIB, maxFiles: 2 } });
    const printer = await run(counts(50, 20_000_000));
    await runtime.exited(printer);
    const late = (await gaps(printer)).sort((a, b) => a - b);
    expect(late).toHaveLength(49);
    expect(late[24]).toBeLessThan(60);
    expect(late[44]).toBeLessThan(250);
    await stop(busy);
    expect(await runtime.exited(busy)).toMatchObject({ exitCode: 137, reason: 'Error' });
  });

  test('cannot be started from what is no module, in the words of a host of their own', TIMEOUT, async () => {
    const sandbox = await runtime.service.runPodSandbox(runtime.sandboxConfig(), 'wasm-shared');
    const config = await runtime.containerConfig('(module (func (export "_start")))');
    const image = { ...config.image, module: join(runtime.root, 'none.wasm') };
    const id = await runtime.service.createContainer(sandbox, { ...config, image });
    await expect(runtime.service.startContainer(id)).rejects.toThrow('no such file or directory');
    expect(await runtime.service.containerStatus(id)).toMatchObject({ exitCode: 128, reason: 'StartError' });
  });

  test('cannot be started when they import what is not offered, and the others go on', TIMEOUT, async () => {
    const sleeper = await run(SLEEPS);
    const wat = '(module (func (import "env" "magic")) (memory (export "memory") 1) (func (export "_start")))';
    await expect(run(wat)).rejects.toThrow('env.magic');
    expect(await runtime.service.containerStatus(sleeper)).toMatchObject({ state: 'CONTAINER_RUNNING' });
    await stop(sleeper);
  });

  test('are of one namespace and one identity', TIMEOUT, async () => {
    const user = (runAsUser: number) => ({
      securityContext: { runAsUser, supplementalGroups: [], readonlyRootfs: false },
    });
    const one = await run(SLEEPS, { namespace: 'one' });
    const other = await run(SLEEPS, { namespace: 'other' });
    const user1 = await run(SLEEPS, { namespace: 'one', ...user(1) });
    const user2 = await run(SLEEPS, { namespace: 'one', ...user(2) });
    const again = await run(SLEEPS, { namespace: 'one', ...user(1) });
    expect(new Set([one, other, user1, user2].map((id) => runtime.hostPid(id))).size).toBe(4);
    expect(runtime.hostPid(again)).toBe(runtime.hostPid(user1));
    await stop(one, other, user1, user2, again);
  });

  test('are no more than fit by their number and by the CPU that they ask for', TIMEOUT, async () => {
    const half = { namespace: 'cpu', ...resources({ cpuShares: 512 }) };
    const ids = [await run(SLEEPS, half), await run(SLEEPS, half), await run(SLEEPS, half)];
    const [first, second, third] = ids.map((id) => runtime.hostPid(id));
    expect(second).toBe(first);
    expect(third).not.toBe(first);
    await stop(...ids);
  });

  test('can be looked into while they run', TIMEOUT, async () => {
    const wat = `(module
      (func $sizes (import "wasi_snapshot_preview1" "args_sizes_get") (param i32 i32) (result i32))
      (func $exit (import "wasi_snapshot_preview1" "proc_exit") (param i32))
      (memory (export "memory") 1)
      (func (export "_start")
        (drop (call $sizes (i32.const 0) (i32.const 4)))
        (if (i32.gt_u (i32.load (i32.const 0)) (i32.const 1)) (then (call $exit (i32.const 5))))
        (loop $again (br $again))))`;
    const id = await run(wat);
    expect(await runtime.service.execSync(id, ['main', 'x'], 30)).toMatchObject({ exitCode: 5 });
    expect(await runtime.service.containerStatus(id)).toMatchObject({ state: 'CONTAINER_RUNNING' });
    await stop(id);
  });
});

describe('limits in a shared host', () => {
  test('two that compute get CPU by their requests, one no more than its limit', TIMEOUT, async () => {
    const namespace = 'shares';
    const small = await run(SPINS, { namespace, ...resources({ cpuShares: 102 }) });
    const large = await run(SPINS, { namespace, ...resources({ cpuShares: 307 }) });
    const quota = { cpuShares: 307, cpuQuota: 10_000, cpuPeriod: 100_000 };
    const limited = await run(SPINS, { namespace, ...resources(quota) });
    const printer = await run(counts(400, 20_000_000), { namespace });
    const ids = [small, large, limited];
    const before = await Promise.all(ids.map(cpuSeconds));
    const began = performance.now();
    await delay(10_000);
    const after = await Promise.all(ids.map(cpuSeconds));
    const seconds = (performance.now() - began) / 1000;
    const [a = 0, b = 0, c = 0] = after.map((value, index) => value - (before[index] ?? 0));
    expect(b / a).toBeGreaterThan((307 / 102) * 0.9);
    expect(b / a).toBeLessThan((307 / 102) * 1.1);
    expect(c / seconds).toBeLessThan(0.102);
    await stop(...ids);
    await runtime.exited(printer);
    const late = (await gaps(printer)).sort((x, y) => x - y);
    expect(late[Math.floor(late.length * 0.5)]).toBeLessThan(60);
    expect(late[Math.floor(late.length * 0.9)]).toBeLessThan(250);
  });

  test('one that takes more memory than it may is OOMKilled alone', TIMEOUT, async () => {
    const sleeper = await run(SLEEPS, resources({ memoryLimitInBytes: 16 * MIB }));
    const greedy = await run(grows(), resources({ memoryLimitInBytes: 64 * MIB }));
    expect(runtime.hostPid(greedy)).toBe(runtime.hostPid(sleeper));
    expect(await runtime.exited(greedy)).toMatchObject({ exitCode: 137, reason: 'OOMKilled' });
    expect(await runtime.service.containerStatus(sleeper)).toMatchObject({ state: 'CONTAINER_RUNNING' });
    await stop(sleeper);
  });

  test("a growth beyond the module's own maximum is one that fails", TIMEOUT, async () => {
    const id = await run(grows(64), resources({ memoryLimitInBytes: 64 * MIB }));
    expect(await runtime.exited(id)).toMatchObject({ exitCode: 3 });
    expect(await runtime.output(id)).toBe('full\n');
  });

  test('one that begins with more memory than it may is OOMKilled', TIMEOUT, async () => {
    const wat = '(module (memory (export "memory") 2000) (func (export "_start")))';
    const id = await run(wat, resources({ memoryLimitInBytes: 64 * MIB }));
    expect(await runtime.exited(id)).toMatchObject({ exitCode: 137, reason: 'OOMKilled' });
  });

  test('the memory of those that have ended is given back', TIMEOUT, async () => {
    const sleeper = await run(SLEEPS, { namespace: 'garbage' });
    const pid = runtime.hostPid(sleeper);
    for (let count = 0; count < 12; count++) {
      const id = await run(grows(1600), { namespace: 'garbage' });
      expect(await runtime.exited(id)).toMatchObject({ exitCode: 3 });
      expect(runtime.hostPid(id)).toBe(pid);
    }
    const residentMib = () =>
      Number(/^RssAnon:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024;
    await until(() => residentMib() < 250);
    await stop(sleeper);
  });

  test('one may open as many files as are its share, and the others theirs', TIMEOUT, async () => {
    const opens = `(module
      (func $open (import "wasi_snapshot_preview1" "path_open")
        (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32))
      (func $exit (import "wasi_snapshot_preview1" "proc_exit") (param i32))
      (memory (export "memory") 1)
      (data (i32.const 0) ".")
      (func (export "_start")
        (local $count i32) (local $errno i32)
        (loop $again
          (local.set $errno (call $open (i32.const 3) (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 0)
            (i64.const 0) (i64.const 0) (i32.const 0) (i32.const 8)))
          (local.set $count (i32.add (local.get $count) (i32.const 1)))
          (br_if $again (i32.and (i32.eqz (local.get $errno)) (i32.lt_u (local.get $count) (i32.const 10000)))))
        ;; EMFILE
        (if (i32.ne (local.get $errno) (i32.const 33)) (then (call $exit (i32.const 1))))
        (loop $ever (br $ever))))`;
    const greedy = [];
    for (let count = 0; count < 5; count++) greedy.push(await run(opens, { namespace: 'files' }));
    const printer = await run(prints('all is well\n'), { namespace: 'files' });
    await runtime.exited(printer);
    expect(await runtime.output(printer)).toBe('all is well\n');
    for (const id of greedy) {
      expect(await runtime.service.containerStatus(id)).toMatchObject({ state: 'CONTAINER_RUNNING' });
    }
    await stop(...greedy);
  });

  test.skipIf(cgroups === undefined)(
    'a host has the CPU shares of its guests in a control group',
    TIMEOUT,
    async () => {
      if (cgroups === undefined) return;
      const linux = { cgroupParent: cgroups.podPath(), resources: resources({}).resources, pidsLimit: 0 };
      const run1 = (cpuShares: number) => run(SLEEPS, { namespace: 'grouped', linux, ...resources({ cpuShares }) });
      const first = await run1(300);
      const group = `/wasmlet/kubepods/shared-${runtime.hostId(first)}`;
      const file = cgroups.layout.version === 1 ? 'cpu.shares' : 'cpu.weight';
      await until(() => cgroups.read(group, 'cgroup.procs').includes(String(runtime.hostPid(first))));
      const alone = Number(cgroups.read(group, file));
      const second = await run1(400);
      expect(runtime.hostId(second)).toBe(runtime.hostId(first));
      await until(() => Number(cgroups.read(group, file)) > alone);
      if (cgroups.layout.version === 1) expect([alone, Number(cgroups.read(group, file))]).toEqual([300, 700]);
      // Of a host that died with an earlier supervisor when it had no containers.
      const stray = cgroups.layout.folders('/wasmlet/kubepods/shared-0123456789abcdef');
      for (const folder of stray) mkdirSync(folder);
      process.kill(runtime.hostPid(first), 'SIGKILL');
      const gone = [...cgroups.layout.folders(group), ...stray];
      await until(() => gone.every((folder) => !existsSync(folder)), 60_000);
    },
  );

  test('usage is told for each container', TIMEOUT, async () => {
    const [sleeper, spinner] = [await run(SLEEPS), await run(SPINS)];
    await until(async () => (await cpuSeconds(spinner)) > 0.2);
    const [stats] = await runtime.service.listContainerStats({ id: sleeper });
    expect(stats?.memoryWorkingSetBytes).toBeGreaterThanOrEqual(65_536);
    expect(stats?.memoryWorkingSetBytes).toBeLessThan(70_000);
    expect(await cpuSeconds(sleeper)).toBeLessThan(0.1);
    await stop(sleeper, spinner);
  });
});

test('a module with threads has a host of its own, and its container says so', TIMEOUT, async () => {
  const wat = `(module
    (func $poll (import "wasi_snapshot_preview1" "poll_oneoff") (param i32 i32 i32 i32) (result i32))
    (memory (export "memory") 1 1 shared)
    (func (export "_start") (loop $again (br $again))))`;
  const neighbour = await run(SLEEPS);
  const id = await run(wat);
  expect(runtime.hostPid(id)).not.toBe(runtime.hostPid(neighbour));
  const { state, message } = await runtime.service.containerStatus(id);
  expect(state).toBe('CONTAINER_RUNNING');
  expect(message).toBe('the container has a host process of its own because the module has a shared memory (threads)');
  await stop(id, neighbour);
});

describe('deaths', () => {
  test('a host that dies takes its containers, says so, and nobody else', TIMEOUT, async () => {
    const namespace = 'deadly';
    const [sleeper, spinner] = [await run(SLEEPS, { namespace }), await run(SPINS, { namespace })];
    const other = await run(SLEEPS);
    const pid = runtime.hostPid(sleeper);
    process.kill(pid, 'SIGKILL');
    for (const id of [sleeper, spinner]) {
      const { exitCode, reason, message } = await runtime.exited(id);
      expect({ exitCode, reason }).toEqual({ exitCode: 137, reason: 'Error' });
      expect(message).toBe(`the host process ${pid} that pods of namespace deadly share was ended by SIGKILL`);
    }
    expect(await runtime.service.containerStatus(other)).toMatchObject({ state: 'CONTAINER_RUNNING' });
    const next = await run(prints('anew\n'), { namespace });
    await runtime.exited(next);
    expect(await runtime.output(next)).toBe('anew\n');
    await stop(other);
  });

  test('a host without containers ends with its supervisor', TIMEOUT, async () => {
    await using own = await TestRuntime.start();
    const id = await run(prints('done\n'), {}, own);
    const host = identityOf(own.hostPid(id));
    await own.exited(id);
    expect(isAlive(host)).toBe(true);
    await own.killSupervisor();
    await until(() => !isAlive(host), 30_000);
  });

  test('a supervisor that adopted a host lets go of it when it has no containers left', TIMEOUT, async () => {
    await using own = await TestRuntime.start();
    const id = await run(SLEEPS, {}, own);
    const host = identityOf(own.hostPid(id));
    await own.killSupervisor();
    await own.answers();
    await own.service.stopContainer(id, 0);
    expect(await own.exited(id)).toMatchObject({ exitCode: 137 });
    await until(() => !isAlive(host), 30_000);
  });

  test('a host that has noted an end which never was does not outlive its containers', TIMEOUT, async () => {
    await using own = await TestRuntime.start();
    const id = await run(SPINS, {}, own);
    const host = identityOf(own.hostPid(id));
    const state = pathsBelow(own.root).find((path) => path.endsWith(join(id, 'state'))) ?? '';
    writeExit(join(own.root, state), { exitCode: 0, reason: 'Completed', message: '', finishedAt: timeNow() });
    await own.killSupervisor();
    await own.answers();
    expect(await own.exited(id)).toMatchObject({ exitCode: 0 });
    await until(() => !isAlive(host));
  });

  test('the next supervisor adopts a shared host with all of its containers', TIMEOUT, async () => {
    await using own = await TestRuntime.start();
    const counter = await run(counts(150, 20_000_000), {}, own);
    const spinner = await run(SPINS, {}, own);
    const leaver = await run(counts(5, 20_000_000), {}, own);
    const pid = own.hostPid(counter);
    await own.killSupervisor();
    await until(() => {
      const log = readFileSync(join(own.logs, 'pod-3', 'main', '0.log'), 'utf8');
      return log.includes('00000004');
    });
    await own.answers();
    expect(await own.exited(leaver)).toMatchObject({ exitCode: 0, reason: 'Completed' });
    expect(await own.service.containerStatus(spinner)).toMatchObject({ state: 'CONTAINER_RUNNING' });
    expect(await own.service.listContainerStats({ id: spinner })).toHaveLength(1);
    const later = await run(prints('later\n'), {}, own);
    expect(own.hostPid(later)).toBe(pid);
    await own.service.stopContainer(spinner, 30);
    expect(await own.exited(spinner)).toMatchObject({ exitCode: 143 });
    await own.exited(counter);
    const expected = Array.from({ length: 150 }, (_, index) => `${String(index).padStart(8, '0')}\n`).join('');
    expect(await own.output(counter)).toBe(expected);
  });
});
