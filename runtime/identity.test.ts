import { chmodSync, chownSync, mkdirSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { connectRuntime } from './client.ts';
import type { LinuxContainerSecurityContext } from './service.ts';
import { testFolder } from './test-folder.ts';
import { counts } from './test-guests.ts';
import { TestRuntime, until } from './test-runtime.ts';

const isRoot = process.getuid?.() === 0;

/** Errnos of Preview 1. */
const EACCES = 2;
const EROFS = 69;

let runtime: TestRuntime;
let folder: ReturnType<typeof testFolder>;
beforeAll(async () => {
  folder = testFolder();
  // Guests of any user pass through it.
  chmodSync(folder.path, 0o755);
  runtime = await TestRuntime.start();
});
afterAll(async () => {
  await runtime[Symbol.asyncDispose]();
  folder[Symbol.dispose]();
});

const context = (
  change: Partial<LinuxContainerSecurityContext>,
): { securityContext: LinuxContainerSecurityContext } => ({
  securityContext: { supplementalGroups: [], readonlyRootfs: false, ...change },
});

const PREVIEW1 = `
  (import "wasi_snapshot_preview1" "path_open" (func $open
    (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))`;

/** Creates a file, and exits with the errno. */
const creates = (path: string): string => `(module ${PREVIEW1}
  (memory (export "memory") 1)
  (data (i32.const 100) "${path}")
  (func (export "_start")
    (call $exit (call $open (i32.const 3) (i32.const 0) (i32.const 100) (i32.const ${path.length})
      (i32.const 1) (i64.const 0x42) (i64.const 0) (i32.const 0) (i32.const 16)))))`;

/** Opens a file to read it, and exits with the errno. */
const reads = (path: string): string =>
  creates(path).replace('(i32.const 1) (i64.const 0x42)', '(i32.const 0) (i64.const 2)');

/** Prints ids and groups as they lie in memory, in hexadecimal little-endian words, each with its bytes turned. */
const IDS = `(module
  (import "wasmlet_posix_v1" "ids_get" (func $ids (param i32) (result i32)))
  (import "wasmlet_posix_v1" "groups_get" (func $groups (param i32 i32 i32) (result i32)))
  (import "wasmlet_posix_v1" "hostname_get" (func $hostname (param i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 1024) "0123456789abcdef")
  (func $hex (param $from i32) (param $to i32) (param $count i32)
    (loop $next
      (i32.store8 (local.get $to) (i32.load8_u (i32.add (i32.const 1024) (i32.shr_u (i32.load8_u (local.get $from)) (i32.const 4)))))
      (i32.store8 offset=1 (local.get $to) (i32.load8_u (i32.add (i32.const 1024) (i32.and (i32.load8_u (local.get $from)) (i32.const 15)))))
      (local.set $from (i32.add (local.get $from) (i32.const 1)))
      (local.set $to (i32.add (local.get $to) (i32.const 2)))
      (local.set $count (i32.sub (local.get $count) (i32.const 1)))
      (br_if $next (local.get $count))))
  (func (export "_start")
    (drop (call $ids (i32.const 0)))
    (drop (call $groups (i32.const 16) (i32.const 8) (i32.const 64)))
    (call $hex (i32.const 0) (i32.const 200) (i32.const 48))
    (i32.store8 (i32.const 296) (i32.const 32))
    (drop (call $hostname (i32.const 297) (i32.const 64) (i32.const 68)))
    (i32.store (i32.const 80) (i32.const 200))
    (i32.store (i32.const 84) (i32.add (i32.const 97) (i32.load (i32.const 68))))
    (drop (call $write (i32.const 1) (i32.const 80) (i32.const 1) (i32.const 88)))))`;

/** What IDS prints. */
async function ids(container: string): Promise<{ words: number[]; hostname: string }> {
  expect(await runtime.exited(container)).toMatchObject({ exitCode: 0, message: '' });
  const [hex = '', hostname = ''] = (await runtime.output(container)).trim().split(' ');
  const bytes = Buffer.from(hex, 'hex');
  return { words: Array.from({ length: 12 }, (_, index) => bytes.readUInt32LE(index * 4)), hostname };
}

/** An image's tree. */
function tree(name: string, files: Record<string, string>): string {
  const root = join(folder.path, name);
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true, mode: 0o755 });
    writeFileSync(join(root, path), content);
  }
  return root;
}

const PASSWD = 'root:x:0:0::/:\nbroken\nweb:x:101:102:Web:/srv:/bin/sh\n';
const GROUP = 'root:x:0:\nweb:x:102:\nadm:x:4:other,web\nnone:x:9:other\n';

describe('an identity', () => {
  test('is told to the guest', async () => {
    const change = context({ runAsUser: 1000, runAsGroup: 3000, supplementalGroups: [2000, 3000, 4000] });
    const { container } = await runtime.run(IDS, change);
    const { words, hostname } = await ids(container);
    expect(words.slice(0, 7)).toEqual([1000, 1000, 3000, 3000, 3000, 2000, 4000]);
    expect(hostname).toMatch(/^pod-\d+$/);
  });

  test('is root where nothing says another', async () => {
    const { container } = await runtime.run(IDS);
    expect((await ids(container)).words.slice(0, 4)).toEqual([0, 0, 0, 0]);
  });

  test("is completed by the image's /etc/passwd and /etc/group, by number and by name", async () => {
    const image = tree('users', { 'etc/passwd': PASSWD, 'etc/group': GROUP });
    for (const user of [{ runAsUser: 101 }, { runAsUsername: 'web' }]) {
      const config = await runtime.containerConfig(IDS, context({ ...user, supplementalGroups: [7] }));
      const sandbox = await runtime.service.runPodSandbox(runtime.sandboxConfig(), 'wasm');
      const container = await runtime.service.createContainer(sandbox, {
        ...config,
        image: { ...config.image, tree: image },
      });
      await runtime.service.startContainer(container);
      expect((await ids(container)).words.slice(0, 7)).toEqual([101, 101, 102, 102, 102, 4, 7]);
    }
  });

  test('that the image does not know cannot be created', async () => {
    const sandbox = await runtime.service.runPodSandbox(runtime.sandboxConfig(), 'wasm');
    const config = await runtime.containerConfig(IDS, context({ runAsUsername: 'nobody' }));
    await expect(runtime.service.createContainer(sandbox, config)).rejects.toThrow(
      'unable to find user nobody: no matching entries in passwd file',
    );
  });
});

describe.runIf(isRoot)('a guest that is not root', () => {
  test('cannot create what its user cannot', async () => {
    const { container } = await runtime.run(creates('new'), context({ runAsUser: 1000 }));
    expect(await runtime.exited(container)).toMatchObject({ exitCode: EACCES, reason: 'Error' });
  });

  test('cannot read what is not its own, and can what its group may', async () => {
    const image = tree('private', { 'root-only': '', 'group-only': '' });
    chmodSync(join(image, 'root-only'), 0o600);
    chmodSync(join(image, 'group-only'), 0o640);
    chownSync(join(image, 'group-only'), 0, 2000);
    const exitCodeOf = async (path: string, groups: number[]): Promise<number | undefined> => {
      const config = await runtime.containerConfig(
        reads(path),
        context({ runAsUser: 1000, supplementalGroups: groups }),
      );
      const sandbox = await runtime.service.runPodSandbox(runtime.sandboxConfig(), 'wasm');
      const container = await runtime.service.createContainer(sandbox, {
        ...config,
        image: { ...config.image, tree: image },
      });
      await runtime.service.startContainer(container);
      return (await runtime.exited(container)).exitCode;
    };
    expect(await exitCodeOf('root-only', [2000])).toBe(EACCES);
    expect(await exitCodeOf('group-only', [2000])).toBe(0);
    expect(await exitCodeOf('group-only', [])).toBe(EACCES);
  });

  test('owns what it creates', async () => {
    const volume = join(folder.path, 'volume');
    mkdirSync(volume);
    chmodSync(volume, 0o777);
    const mounts = [{ containerPath: '/data', hostPath: volume, readonly: false }];
    const { container } = await runtime.run(creates('data/new'), {
      mounts,
      ...context({ runAsUser: 1000, runAsGroup: 3000 }),
    });
    expect(await runtime.exited(container)).toMatchObject({ exitCode: 0 });
    const { uid, gid, mode } = statSync(join(volume, 'new'));
    expect({ uid, gid, mode: mode & 0o7777 }).toEqual({ uid: 1000, gid: 3000, mode: 0o644 });
  });

  test("has a log that is rotated, with the host's rights and owner", async () => {
    const lines = 400;
    const { container } = await runtime.run(counts(lines, 0), {
      logLimits: { maxSize: 4096, maxFiles: 100 },
      ...context({ runAsUser: 1000, runAsGroup: 1000 }),
    });
    const { exitCode, logPath } = await runtime.exited(container);
    expect(exitCode).toBe(0);
    const logs = readdirSync(dirname(logPath));
    expect(logs.length).toBeGreaterThan(3);
    for (const log of logs) expect(statSync(join(dirname(logPath), log))).toMatchObject({ uid: 0, gid: 0 });
    expect(readFileSync(logPath, 'utf8')).toContain(String(lines - 1).padStart(8, '0'));
  });
});

test('a root that is read-only takes no changes, and mounts their own', async () => {
  const volume = join(folder.path, 'writable');
  mkdirSync(volume);
  const mounts = [{ containerPath: '/data', hostPath: volume, readonly: false }];
  const change = { mounts, ...context({ readonlyRootfs: true }) };
  const root = await runtime.run(creates('new'), change);
  expect(await runtime.exited(root.container)).toMatchObject({ exitCode: EROFS });
  const data = await runtime.run(creates('data/new'), change);
  expect(await runtime.exited(data.container)).toMatchObject({ exitCode: 0 });
});

/** Subscribes to SIGTERM, says so, then does as the text says. */
const subscribes = (then: string): string => `(module
  (import "wasmlet_posix_v1" "signal_subscribe" (func $subscribe (param i64 i32) (result i32)))
  (import "wasmlet_posix_v1" "signal_take" (func $take (param i32) (result i32)))
  (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 1)
  (data (i32.const 100) "ready\\0a")
  (func (export "_start") (local $errno i32)
    (drop (call $subscribe (i64.const 0x8000) (i32.const 0)))
    (i32.store (i32.const 0) (i32.const 100))
    (i32.store (i32.const 4) (i32.const 6))
    (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))
    (i32.store (i32.const 216) (i32.const 1))
    (i64.store (i32.const 224) (i64.const 3600000000000))
    ${then}))`;

/** Waits for an hour; then exits with errno of the wait + 2 * the signal taken. */
const CLEANS_UP = subscribes(`
    (local.set $errno (call $poll (i32.const 200) (i32.const 300) (i32.const 1) (i32.const 400)))
    (drop (call $take (i32.const 500)))
    (call $exit (i32.add (local.get $errno) (i32.mul (i32.const 2) (i32.load (i32.const 500)))))`);

describe('a stop', () => {
  const ready = async (wat: string): Promise<string> => {
    const { container } = await runtime.run(wat);
    await until(async () => (await runtime.output(container)) === 'ready\n');
    return container;
  };

  test('lets a guest that has subscribed to SIGTERM clean up and exit by its own code', async () => {
    const container = await ready(CLEANS_UP);
    await runtime.service.stopContainer(container, 60);
    // EINTR is 27.
    expect(await runtime.exited(container)).toMatchObject({ exitCode: 27 + 2 * 15, reason: 'Error', message: '' });
  });

  test('kills a guest that has subscribed and computes, after its grace period', async () => {
    const container = await ready(subscribes('(loop $again (br $again))'));
    const begin = Date.now();
    await runtime.service.stopContainer(container, 1);
    expect(Date.now() - begin).toBeGreaterThanOrEqual(1000);
    expect(await runtime.exited(container)).toMatchObject({ exitCode: 137, reason: 'Error' });
  });
});

test('a node may not offer the extension, and says which option', async () => {
  await using service = await connectRuntime({ ...runtime.options, posixExtension: false });
  try {
    const sandbox = await service.runPodSandbox(runtime.sandboxConfig(), 'wasm');
    const container = await service.createContainer(sandbox, await runtime.containerConfig(IDS));
    const message =
      'the module imports wasmlet_posix_v1, which this node does not offer: posixExtension is false in its configuration';
    await expect(service.startContainer(container)).rejects.toThrow(message);
    expect(await service.containerStatus(container)).toMatchObject({ exitCode: 128, reason: 'StartError', message });
  } finally {
    await using again = await connectRuntime(runtime.options);
    await again.version();
  }
});
