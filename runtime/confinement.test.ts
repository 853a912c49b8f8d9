import { existsSync, mkdirSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { missingSystemCalls } from './sandbox/linux/call.ts';
import { landlockAbi, LEAST_ABI } from './sandbox/linux/landlock.ts';
import { connectRuntime } from './client.ts';
import type { ContainerConfig } from './service.ts';
import { prints, SLEEPS } from './test-guests.ts';
import { TestRuntime, until } from './test-runtime.ts';
import { pathsBelow, readIfThere } from './test-folder.ts';

/** That hosts of every kind are confined; what that means is in sandbox/confinement/native-code.test.ts. */

const TIMEOUT = { timeout: 120_000 };
const isAble = process.geteuid?.() === 0 && missingSystemCalls() === undefined && landlockAbi() >= LEAST_ABI;

const statusOf = (pid: number): string => readFileSync(`/proc/${pid}/status`, 'utf8');

/** Where something of the machine is mounted in a process. */
const places = (pid: number): string[] =>
  readFileSync(`/proc/${pid}/mountinfo`, 'utf8')
    .trim()
    .split('\n')
    .map((line) => line.split(' ')[4] ?? '')
    .sort();

function processesNamed(title: string): number[] {
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  return pids.map(Number).filter((pid) => readIfThere(`/proc/${pid}/cmdline`).startsWith(title));
}

function expectConfined(pid: number): void {
  expect(statusOf(pid)).toMatch(/^NoNewPrivs:\s+1$/m);
  expect(statusOf(pid)).toMatch(/^Seccomp:\s+2$/m);
  expect(readdirSync(`/proc/${pid}/root/`)).not.toContain('etc');
  expect(places(pid)).toEqual(expect.arrayContaining(['/', '/host', '/node', '/proc']));
}

/** Runs a container in a host that it shares. */
async function runShared(runtime: TestRuntime, wat: string, change: Partial<ContainerConfig> = {}): Promise<string> {
  const sandbox = await runtime.service.runPodSandbox(runtime.sandboxConfig(), 'wasm-shared');
  const container = await runtime.service.createContainer(sandbox, await runtime.containerConfig(wat, change));
  await runtime.service.startContainer(container);
  return container;
}

function volume(runtime: TestRuntime): Pick<ContainerConfig, 'mounts'> {
  const hostPath = join(runtime.root, 'volume');
  mkdirSync(hostPath, { recursive: true });
  return { mounts: [{ containerPath: '/data', hostPath, readonly: false }] };
}

describe.runIf(isAble)('a confined host', () => {
  test('has what its container has, and nothing else of the machine', TIMEOUT, async () => {
    await using runtime = await TestRuntime.start();
    const { conditions } = await runtime.service.status();
    expect(conditions).toContainEqual({
      ...{ type: 'HostsConfined', status: true },
      ...{ reason: 'AllMeans', message: 'hosts are confined by all means' },
    });
    const { container } = await runtime.run(SLEEPS, volume(runtime));
    const pid = runtime.hostPid(container);
    expectConfined(pid);
    const given = places(pid).filter((place) => /^\/[a-z]+\/[df]\d+$/.test(place));
    expect(given.map((place) => place.split('/')[1]).sort()).toEqual([
      // The root, /etc/hostname, /etc/hosts, /etc/resolv.conf, and the volume.
      ...['files', 'files', 'files', 'files', 'files'],
      ...['logs', 'modules', 'state'],
    ]);
    // Nor a device, as /dev/null is, whose mode is the same for all.
    const open = readdirSync(`/proc/${pid}/fd`).map((fd) => readlinkSync(`/proc/${pid}/fd/${fd}`));
    expect(open.filter((path) => path.startsWith('/dev/'))).toEqual([]);
    // The machine's own mounts know nothing of it.
    expect(readFileSync('/proc/self/mountinfo', 'utf8')).not.toContain(join(runtime.root, 'run'));
  });

  test('that waits is confined before it has a container', TIMEOUT, async () => {
    await using runtime = await TestRuntime.start();
    await until(() => runtime.waitingHosts().length === 1);
    const [pid = 0] = runtime.waitingHosts();
    await until(() => statusOf(pid).includes('Seccomp:\t2'));
    expectConfined(pid);
    expect(places(pid)).toEqual(['/', '/host', '/node', '/proc']);
  });

  test('of a command is confined as that of its container', TIMEOUT, async () => {
    await using runtime = await TestRuntime.start();
    const name = `confined-${process.pid}`;
    const sandbox = await runtime.service.runPodSandbox(runtime.sandboxConfig(name), 'wasm');
    const container = await runtime.service.createContainer(sandbox, await runtime.containerConfig(SLEEPS));
    await runtime.service.startContainer(container);
    const given = new AbortController();
    const call = runtime.service.execSync(container, ['main'], 0, given.signal).catch(() => undefined);
    const title = `wasmlet-host default/${name}/main (exec)`;
    await until(() => processesNamed(title).length === 1);
    for (const pid of processesNamed(title)) {
      expectConfined(pid);
      // No log, and no record of its own.
      expect(places(pid).some((place) => /^\/(logs|state)\//.test(place))).toBe(false);
    }
    given.abort();
    await call;
  });

  test('that is shared has what its containers have, for as long as they run', TIMEOUT, async () => {
    await using runtime = await TestRuntime.start();
    const first = await runShared(runtime, SLEEPS);
    const pid = runtime.hostPid(first);
    expectConfined(pid);
    const before = places(pid);
    const printer = await runShared(runtime, prints('hello\n'), volume(runtime));
    expect(runtime.hostPid(printer)).toBe(pid);
    expect(await runtime.exited(printer)).toMatchObject({ exitCode: 0 });
    expect(await runtime.output(printer)).toBe('hello\n');
    // Its module stays, for the next container of the same image.
    await until(() => places(pid).length === before.length + 1);
    const again = await runShared(runtime, prints('hello\n'));
    expect(await runtime.exited(again)).toMatchObject({ exitCode: 0 });
    await until(() => places(pid).length === before.length + 1);
  });

  test('that is shared takes containers of the next supervisor', TIMEOUT, async () => {
    await using runtime = await TestRuntime.start();
    const pid = runtime.hostPid(await runShared(runtime, SLEEPS));
    await runtime.killSupervisor();
    await runtime.answers();
    const printer = await runShared(runtime, prints('later\n'));
    expect(runtime.hostPid(printer)).toBe(pid);
    expect(await runtime.exited(printer)).toMatchObject({ exitCode: 0 });
    expect(await runtime.output(printer)).toBe('later\n');
  });

  test('cannot lay a device or a link where its supervisor reads', TIMEOUT, async () => {
    await using runtime = await TestRuntime.start();
    const { container } = await runtime.run(SLEEPS);
    const record = pathsBelow(runtime.root).find((path) => path.endsWith(join(container, 'state.json')));
    // What decides which process is signalled is not among what the host has.
    expect(record).toBeDefined();
    expect(existsSync(join(`/proc/${runtime.hostPid(container)}/root/state/d1/state.json`))).toBe(false);
    const state = places(runtime.hostPid(container)).find((place) => place.startsWith('/state/')) ?? '';
    expect(readdirSync(`/proc/${runtime.hostPid(container)}/root${state}`)).toEqual([]);
  });

  test('an exit record that is no record is the end of its container, and of nobody else', TIMEOUT, async () => {
    await using runtime = await TestRuntime.start();
    const { container } = await runtime.run(SLEEPS);
    const state = pathsBelow(runtime.root).find((path) => path.endsWith(join(container, 'state'))) ?? '';
    writeFileSync(join(runtime.root, state, 'exit.json'), Buffer.alloc(1024 * 1024, ' '));
    await runtime.service.stopContainer(container, 0);
    expect(await runtime.exited(container)).toMatchObject({ exitCode: 137, reason: 'Error' });
  });
});

describe.runIf(isAble)('the confinement of a node', () => {
  test('can be switched off, and is then said to be', TIMEOUT, async () => {
    await using runtime = await TestRuntime.start();
    await using service = await connectRuntime({ ...runtime.options, confinement: 'none' });
    expect((await service.status()).conditions).toContainEqual({
      ...{ type: 'HostsConfined', status: false, reason: 'MeansMissing' },
      message: 'hosts are not confined: confinement is none in the configuration of the node',
    });
    const { container } = await runtime.run(SLEEPS);
    expect(statusOf(runtime.hostPid(container))).toMatch(/^Seccomp:\s+0$/m);
    await using again = await connectRuntime(runtime.options);
    await again.version();
    const { container: next } = await runtime.run(SLEEPS);
    expectConfined(runtime.hostPid(next));
  });
});
