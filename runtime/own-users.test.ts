import { chmodSync, mkdirSync, readFileSync, readlinkSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { missingSystemCalls } from './sandbox/linux/call.ts';
import { findLauncher } from './sandbox/linux/launcher.ts';
import { mapOf } from './sandbox/linux/users.ts';
import type { ContainerConfig, GuestNetwork } from './service.ts';
import { testFolder } from './test-folder.ts';
import { SLEEPS } from './test-guests.ts';
import { TestRuntime } from './test-runtime.ts';

/** Hosts whose users are nobody else's, and whose containers' files are what they were without. */

const TIMEOUT_MS = 300_000;
const TIMEOUT = { timeout: TIMEOUT_MS };
const isAble = process.geteuid?.() === 0 && missingSystemCalls() === undefined && findLauncher() === 'perl';

let runtime: TestRuntime;
let folder: ReturnType<typeof testFolder>;
beforeAll(async () => {
  folder = testFolder();
  runtime = await TestRuntime.start();
}, TIMEOUT_MS);
afterAll(async () => {
  await runtime[Symbol.asyncDispose]();
  folder[Symbol.dispose]();
}, TIMEOUT_MS);

/** Creates files, sleeps for an hour when all are made, and ends with the errno of the first that is not. */
const creates = (...paths: string[]): string => `(module
  (import "wasi_snapshot_preview1" "path_open" (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 1)
  (data (i32.const 900) "made\\0a")
  ${paths.map((path, index) => `(data (i32.const ${1000 + 100 * index}) "${path}")`).join('\n')}
  (func $make (param $path i32) (param $length i32) (local $errno i32)
    (local.set $errno (call $open (i32.const 3) (i32.const 0) (local.get $path) (local.get $length)
      (i32.const 1) (i64.const 0x42) (i64.const 0) (i32.const 0) (i32.const 16)))
    (if (local.get $errno) (then (call $exit (local.get $errno)))))
  (func (export "_start")
    ${paths.map((path, index) => `(call $make (i32.const ${1000 + 100 * index}) (i32.const ${path.length}))`).join('\n')}
    (i32.store (i32.const 800) (i32.const 900)) (i32.store (i32.const 804) (i32.const 5))
    (drop (call $write (i32.const 1) (i32.const 800) (i32.const 1) (i32.const 808)))
    (i64.store (i32.const 0) (i64.const 7)) (i32.store8 (i32.const 8) (i32.const 0))
    (i32.store (i32.const 16) (i32.const 1)) (i64.store (i32.const 24) (i64.const 3600000000000))
    (drop (call $poll (i32.const 0) (i32.const 100) (i32.const 1) (i32.const 200)))))`;

/** The user of the machine that a process is. */
const userOf = (pid: number): number => Number(/^Uid:\t(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);

const as = (runAsUser: number, runAsGroup = runAsUser): Pick<ContainerConfig, 'securityContext'> => ({
  securityContext: { runAsUser, runAsGroup, supplementalGroups: [], readonlyRootfs: false },
});

/** Runs a container with an image's tree and a volume, until it has made its files. */
async function runOn(
  { tree, volume, wat, handler = 'wasm' }: { tree: string; volume: string; wat: string; handler?: string },
  change: Partial<ContainerConfig> = {},
): Promise<string> {
  const sandbox = await runtime.service.runPodSandbox(runtime.sandboxConfig(), handler);
  const config = await runtime.containerConfig(wat, change);
  const container = await runtime.service.createContainer(sandbox, {
    ...config,
    image: { ...config.image, tree },
    mounts: [{ containerPath: '/data', hostPath: volume, readonly: false }],
  });
  await runtime.service.startContainer(container);
  return container;
}

function makeFolder(name: string, mode = 0o755): string {
  const path = join(folder.path, name);
  mkdirSync(path, { recursive: true });
  chmodSync(path, mode);
  return path;
}

const usersOf = (container: string): number | undefined => mapOf(runtime.hostPid(container))?.first;

describe.runIf(isAble)('hosts of a node', () => {
  test.for(['wasm', 'wasm-interpreter', 'wasm-shared'])(
    'of %s have users that no other has',
    TIMEOUT,
    async (handler) => {
      const { container: first } = await runtime.run(SLEEPS, {}, handler);
      // Who is another to its pod is another process, in a shared host too.
      const { container: second } = await runtime.run(SLEEPS, as(1000), handler);
      const hosts = [first, second].map((container) => runtime.hostPid(container));
      const [one = 0, other = 0] = hosts.map(userOf);
      expect(one).toBeGreaterThan(65_535);
      expect(other).toBeGreaterThan(65_535);
      expect(Math.abs(one - other)).toBeGreaterThan(60_000);
      for (const pid of hosts) {
        expect(readlinkSync(`/proc/${pid}/ns/user`)).not.toBe(readlinkSync('/proc/self/ns/user'));
        // Over its mounts and its network it has no rights.
        expect(readFileSync(`/proc/${pid}/status`, 'utf8')).toMatch(/^CapBnd:\s+00000000000004db$/m);
      }
    },
  );

  test('leave files on disk as if they had the users of the node', TIMEOUT, async () => {
    const tree = makeFolder('image');
    writeFileSync(join(tree, 'private'), 'x', { mode: 0o600 });
    const volume = makeFolder('volume', 0o777);
    const root = await runOn({ tree, volume, wat: creates('own', 'data/of-root', 'private') });
    const user = await runOn({ tree, volume, wat: creates('data/of-user') }, as(1000, 3000));
    expect((await runtime.service.containerStatus(root)).state).toBe('CONTAINER_RUNNING');
    await expect.poll(() => runtime.output(root), { timeout: 60_000 }).toBe('made\n');
    await expect.poll(() => runtime.output(user), { timeout: 60_000 }).toBe('made\n');
    expect(statSync(join(volume, 'of-root'))).toMatchObject({ uid: 0, gid: 0 });
    expect(statSync(join(volume, 'of-user'))).toMatchObject({ uid: 1000, gid: 3000 });
    expect(statSync((await runtime.service.containerStatus(root)).logPath)).toMatchObject({ uid: 0, gid: 0 });
    expect(usersOf(root)).not.toBe(usersOf(user));
  });

  test('of commands have the users of their container', TIMEOUT, async () => {
    const tree = makeFolder('image-of-command');
    const volume = makeFolder('volume-of-command');
    const container = await runOn({ tree, volume, wat: creates('in-root', 'data/in-volume') });
    await expect.poll(() => runtime.output(container), { timeout: 60_000 }).toBe('made\n');
    // The same program again, which finds what it has made.
    const ended = new AbortController();
    const command = runtime.service.execSync(container, ['main'], 0, ended.signal).catch(() => undefined);
    const isCommand = (pid: number): boolean =>
      pid !== runtime.hostPid(container) && mapOf(pid)?.first === usersOf(container);
    await expect.poll(() => runtime.hosts().filter(isCommand).length, { timeout: 60_000 }).toBe(1);
    ended.abort();
    await command;
  });

  const listening = (port: number): GuestNetwork => ({
    bindAddresses: ['127.0.0.1'],
    listeners: [{ name: '', port }],
    policy: { allowLoopback: true, allow: [], deny: [], ownPorts: [] },
  });

  test('have those of the node for what nobody else may do', TIMEOUT, async () => {
    const { container: high } = await runtime.run(SLEEPS, as(70_000));
    expect(usersOf(high)).toBe(0);
    const { container: low } = await runtime.run(SLEEPS, { network: listening(79) });
    expect(usersOf(low)).toBe(0);
    const mounts = [{ containerPath: '/data', hostPath: '/sys/kernel', readonly: true }];
    const { container: foreign } = await runtime.run(SLEEPS, { mounts });
    expect(usersOf(foreign)).toBe(0);
    const { container: shared } = await runtime.run(SLEEPS, as(70_000), 'wasm-shared');
    const { message } = await runtime.service.containerStatus(shared);
    expect(message).toMatch(/has a host process of its own because it runs as user or group 70000/);
  });

  test('have those that the pod asks for, or none', TIMEOUT, async () => {
    const inPod = async (hostUsers: boolean, change: Partial<ContainerConfig> = {}): Promise<string> => {
      const sandbox = await runtime.service.runPodSandbox({ ...runtime.sandboxConfig(), hostUsers }, 'wasm');
      return await runtime.service.createContainer(sandbox, await runtime.containerConfig(SLEEPS, change));
    };
    const node = await inPod(true);
    await runtime.service.startContainer(node);
    expect(usersOf(node)).toBe(0);
    const own = await inPod(false);
    await runtime.service.startContainer(own);
    expect(usersOf(own)).toBeGreaterThan(65_535);
    await expect(runtime.service.startContainer(await inPod(false, as(70_000)))).rejects.toMatchObject({
      code: 'FailedPrecondition',
      message: 'hostUsers: false is not possible: it runs as user or group 70000, and a host has ids up to 65535',
    });
  });

  test('are known to the next supervisor', TIMEOUT, async () => {
    const { container } = await runtime.run(SLEEPS);
    const before = usersOf(container);
    await runtime.killSupervisor();
    await runtime.answers();
    expect(usersOf(container)).toBe(before);
    const { container: next } = await runtime.run(SLEEPS);
    expect(usersOf(next)).not.toBe(before);
    expect(await runtime.service.containerStatus(container)).toMatchObject({ state: 'CONTAINER_RUNNING' });
  });
});
