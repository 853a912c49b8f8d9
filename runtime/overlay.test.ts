import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { isTreeUsed } from '../base/tree-use.ts';
import { connectRuntime } from './client.ts';
import { missingSystemCalls } from './sandbox/linux/call.ts';
import type { ContainerConfig } from './service.ts';
import { missingOverlay } from './supervisor/overlay-trial.ts';
import { pathsBelow, testFolder } from './test-folder.ts';
import { SLEEPS } from './test-guests.ts';
import { TestRuntime } from './test-runtime.ts';

/** Containers whose root is mounted over the files of their image. */

const TIMEOUT_MS = 300_000;
const TIMEOUT = { timeout: TIMEOUT_MS };

let runtime: TestRuntime;
beforeAll(async () => {
  runtime = await TestRuntime.start();
}, TIMEOUT_MS);
afterAll(() => runtime[Symbol.asyncDispose](), TIMEOUT_MS);

const EROFS = 69;
const NOENT = 44;

type Step = readonly ['create' | 'read' | 'unlink' | 'rmdir', string] | readonly ['rename', string, string];

/** Takes its steps one after the other; exits with the errno of the first that fails, or goes on with `then`. */
function takes(steps: readonly Step[], then = ''): string {
  const names = [...new Set(steps.flatMap(([, ...paths]) => paths))];
  const text = (name: string): string => `(i32.const ${1000 + 100 * names.indexOf(name)}) (i32.const ${name.length})`;
  const open = (name: string, oflags: number, rights: number): string =>
    `(call $open (i32.const 3) (i32.const 0) ${text(name)} (i32.const ${oflags}) (i64.const ${rights}) (i64.const 0) (i32.const 0) (i32.const 16))`;
  const callOf = ([what, path, other = '']: Step): string => {
    if (what === 'create') return open(path, 1, 0x40);
    if (what === 'read') return open(path, 0, 2);
    if (what === 'rename') return `(call $rename (i32.const 3) ${text(path)} (i32.const 3) ${text(other)})`;
    return `(call $${what} (i32.const 3) ${text(path)})`;
  };
  const wasi = (name: string, params: string): string => `(import "wasi_snapshot_preview1" "${name}" ${params})`;
  return `(module
    ${wasi('path_open', '(func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32))')}
    ${wasi('path_rename', '(func $rename (param i32 i32 i32 i32 i32 i32) (result i32))')}
    ${wasi('path_unlink_file', '(func $unlink (param i32 i32 i32) (result i32))')}
    ${wasi('path_remove_directory', '(func $rmdir (param i32 i32 i32) (result i32))')}
    ${wasi('poll_oneoff', '(func $poll (param i32 i32 i32 i32) (result i32))')}
    ${wasi('proc_exit', '(func $exit (param i32))')}
    (memory (export "memory") 1)
    ${names.map((name, index) => `(data (i32.const ${1000 + 100 * index}) "${name}")`).join('\n')}
    (func $check (param $errno i32) (if (local.get $errno) (then (call $exit (local.get $errno)))))
    (func (export "_start") ${steps.map((step) => `(call $check ${callOf(step)})`).join('\n')} ${then}))`;
}

/** What a guest does that sleeps for an hour. */
const SLEEP = `(i64.store (i32.const 0) (i64.const 7)) (i32.store8 (i32.const 8) (i32.const 0))
  (i32.store (i32.const 16) (i32.const 1)) (i64.store (i32.const 24) (i64.const 3600000000000))
  (drop (call $poll (i32.const 0) (i32.const 100) (i32.const 1) (i32.const 200)))`;

let trees = 0;

/** An image with a few files, beside the runtime's folder. */
function imageTree(): string {
  const tree = join(runtime.root, '..', `tree-${++trees}`);
  const files = { 'data/deep/file': 'of the image', 'data/other': 'x', 'bin/tool': 'y', 'gone/file': 'z' };
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(join(tree, path)), { recursive: true });
    writeFileSync(join(tree, path), content);
  }
  return tree;
}

interface Made {
  readonly container: string;
  readonly sandbox: string;
  readonly tree: string;
  /** Its folder. */
  readonly directory: string;
}

/** Makes a container, and does not start it. */
async function make(wat: string, handler = 'wasm', change: Partial<ContainerConfig> = {}): Promise<Made> {
  const tree = imageTree();
  const sandbox = await runtime.service.runPodSandbox(runtime.sandboxConfig(), handler);
  const config = await runtime.containerConfig(wat, change);
  const withTree = { ...config, image: { ...config.image, tree } };
  const container = await runtime.service.createContainer(sandbox, withTree);
  const record = pathsBelow(runtime.root).find((path) => path.endsWith(join(container, 'config.json'))) ?? '';
  return { container, sandbox, tree, directory: join(runtime.root, dirname(record)) };
}

/** Has hosts confined or not from now on. */
async function confine(confinement: 'none' | 'preferred'): Promise<void> {
  const client = await connectRuntime({ ...runtime.options, confinement });
  await client[Symbol.asyncDispose]();
}

async function run(...args: Parameters<typeof make>): Promise<Made> {
  const made = await make(...args);
  await runtime.service.startContainer(made.container);
  return made;
}

const isAble = await (async () => {
  if (process.geteuid?.() !== 0 || missingSystemCalls() !== undefined) return false;
  using folder = testFolder();
  return (await missingOverlay(folder.path)) === undefined;
})();

const WRITES: readonly Step[] = [
  ['create', 'new'],
  ['rename', 'data', 'moved'],
  ['read', 'moved/deep/file'],
  ['unlink', 'gone/file'],
  ['rmdir', 'gone'],
  ['create', 'gone'],
];

test(
  'a container without an image tree has a folder of its own, and one whose tree cannot be mounted a copy',
  TIMEOUT,
  async () => {
    const { container } = await runtime.run(SLEEPS);
    expect(await runtime.service.containerStatus(container)).toMatchObject({ rootFilesystem: 'empty' });
    await confine('none');
    const copied = await run(takes(WRITES));
    expect(await runtime.exited(copied.container)).toMatchObject({ exitCode: 0, rootFilesystem: 'copy' });
    expect(readdirSync(join(copied.directory, 'root')).sort()).toEqual(['bin', 'gone', 'moved', 'new']);
    await confine('preferred');
  },
);

describe.runIf(isAble)('a root that is mounted over the image', () => {
  test.for(['wasm', 'wasm-shared', 'wasm-interpreter'])(
    'takes what the guest of %s writes, and the image keeps',
    TIMEOUT,
    async (handler) => {
      const { container, tree, directory, sandbox } = await run(takes(WRITES), handler);
      expect(await runtime.exited(container)).toMatchObject({ exitCode: 0, rootFilesystem: 'overlay' });
      expect(readdirSync(tree).sort()).toEqual(['bin', 'data', 'gone']);
      expect(readFileSync(join(tree, 'data/deep/file'), 'utf8')).toBe('of the image');
      expect(readdirSync(join(directory, 'upper')).sort()).toEqual(['data', 'gone', 'moved', 'new']);
      expect(existsSync(join(directory, 'root'))).toBe(false);
      expect(await isTreeUsed(tree)).toBe(true);
      await runtime.service.removePodSandbox(sandbox);
      expect(await isTreeUsed(tree)).toBe(false);
      expect(existsSync(directory)).toBe(false);
    },
  );

  test("is not among the machine's mounts, and counts what was written", TIMEOUT, async () => {
    const { container } = await run(takes([['create', 'new']], SLEEP));
    expect(readFileSync('/proc/self/mountinfo', 'utf8')).not.toContain(runtime.root);
    expect(readFileSync(`/proc/${await runtime.supervisor()}/mountinfo`, 'utf8')).not.toContain(runtime.root);
    const [stats] = await runtime.service.listContainerStats({ id: container });
    // The folder, and what is in it.
    expect(stats?.writableLayer?.inodesUsed).toBe(2);
  });

  test('takes nothing where it is to be read only', TIMEOUT, async () => {
    const change = { securityContext: { readonlyRootfs: true, supplementalGroups: [] } };
    const { container, directory } = await run(
      takes([
        ['read', 'bin/tool'],
        ['create', 'new'],
      ]),
      'wasm',
      change,
    );
    expect(await runtime.exited(container)).toMatchObject({ exitCode: EROFS });
    expect(readdirSync(join(directory, 'upper'))).toEqual([]);
  });

  test.for(['wasm', 'wasm-shared'])(
    'is that of the commands in a container of %s, under the next supervisor too',
    TIMEOUT,
    async (handler) => {
      const guest = await runtime.containerConfig(
        takes([
          ['create', 'new'],
          ['read', 'bin/tool'],
        ]),
      );
      const { container, directory } = await run(takes([['rename', 'data', 'moved']], SLEEP), handler);
      // A program in the container's files, as another host would see them: a module of its own.
      await runtime.killSupervisor();
      await runtime.answers();
      writeFileSync(join(directory, 'upper', 'tool.wasm'), readFileSync(guest.image.module ?? ''));
      const { exitCode, stderr } = await runtime.service.execSync(container, ['/tool.wasm'], 0);
      expect([exitCode, stderr.toString()]).toEqual([0, '']);
      expect(readdirSync(join(directory, 'upper')).sort()).toEqual(['data', 'moved', 'new', 'tool.wasm']);
    },
  );

  test('is mounted by the supervisor that starts the container, whoever has made it', TIMEOUT, async () => {
    const { container } = await make(takes(WRITES));
    await runtime.killSupervisor();
    await runtime.answers();
    await runtime.service.startContainer(container);
    expect(await runtime.exited(container)).toMatchObject({ exitCode: 0, rootFilesystem: 'overlay' });
  });

  test.for(['wasm', 'wasm-shared'])(
    'stays one when no hosts are to be confined any more: class %s',
    TIMEOUT,
    async (handler) => {
      const first = await make(takes(WRITES, SLEEP), handler);
      await confine('none');
      await runtime.service.startContainer(first.container);
      const { exitCode } = await runtime.service.execSync(first.container, ['main'], 0);
      // It has been done already.
      expect(exitCode).toBe(NOENT);
      expect(await runtime.service.containerStatus(first.container)).toMatchObject({ rootFilesystem: 'overlay' });
      await confine('preferred');
    },
  );

  test('belongs to whom the folder of the image belongs to', TIMEOUT, async () => {
    const { directory, tree } = await make(takes(WRITES));
    const [upper, image] = [statSync(join(directory, 'upper')), statSync(tree)];
    expect([upper.mode, upper.uid, upper.gid]).toEqual([image.mode, image.uid, image.gid]);
  });

  test('that cannot be made leaves nothing', TIMEOUT, async () => {
    const { sandbox, tree } = await make(takes(WRITES));
    const config = await runtime.containerConfig(SLEEPS, { metadata: { name: 'second', attempt: 0 } });
    const gone = { ...config, image: { ...config.image, tree: join(tree, '..', 'no-tree') } };
    await expect(runtime.service.createContainer(sandbox, gone)).rejects.toThrow('ENOENT');
    rmSync(tree, { recursive: true });
    expect(readdirSync(join(tree, '..')).filter((name) => name.startsWith('no-tree'))).toEqual([]);
  });
});
