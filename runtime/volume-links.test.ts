import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { SLEEPS } from './test-guests.ts';
import { assemble, TestRuntime } from './test-runtime.ts';

/** What a guest lays in place of a folder of its volume that it has mounted too (subPath). */

const TIMEOUT = { timeout: 180_000 };

const data = (at: number, text: string) => `(data (i32.const ${at}) ${JSON.stringify(text)})`;
const swaps = (target: string): string => `(module
  (import "wasi_snapshot_preview1" "path_rename" (func $rename (param i32 i32 i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_symlink" (func $symlink (param i32 i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 1)
  ${data(0, 'data/dir')} ${data(20, 'data/old')} ${data(100, target)}
  (func (export "_start") (local $r i32)
    (local.set $r (call $rename (i32.const 3) (i32.const 0) (i32.const 8) (i32.const 3) (i32.const 20) (i32.const 8)))
    (if (local.get $r) (then (call $exit (local.get $r))))
    (call $exit (call $symlink (i32.const 100) (i32.const ${target.length}) (i32.const 3) (i32.const 0) (i32.const 8)))))`;
const reads = (path: string): string => `(module
  (import "wasi_snapshot_preview1" "path_open" (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 1)
  ${data(100, path)}
  (func (export "_start") (local $r i32)
    (local.set $r (call $open (i32.const 3) (i32.const 1) (i32.const 100) (i32.const ${path.length}) (i32.const 0) (i64.const 2) (i64.const 0) (i32.const 0) (i32.const 40)))
    (if (local.get $r) (then (call $exit (local.get $r))))
    (i32.store (i32.const 0) (i32.const 1000)) (i32.store (i32.const 4) (i32.const 1000))
    (drop (call $read (i32.load (i32.const 40)) (i32.const 0) (i32.const 1) (i32.const 8)))
    (i32.store (i32.const 4) (i32.load (i32.const 8)))
    (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))))`;

test('a link in place of a mounted folder leads no command and no container out of the volume', TIMEOUT, async () => {
  await using runtime = await TestRuntime.start();
  const [tree, outside, volume] = ['tree', 'outside', 'volume'].map((name) => join(runtime.root, '..', name)) as [
    string,
    string,
    string,
  ];
  for (const path of [join(tree, 'bin'), outside, join(volume, 'dir')]) mkdirSync(path, { recursive: true });
  writeFileSync(join(outside, 'file'), 'of the node');
  writeFileSync(join(volume, 'dir', 'file'), 'of the pod');
  const programs = {
    app: SLEEPS,
    swap: swaps(`${'../'.repeat(20)}${outside.slice(1)}`),
    read: reads('sub/file'),
  };
  for (const [name, wat] of Object.entries(programs)) writeFileSync(join(tree, 'bin', name), await assemble(wat));
  const change = {
    image: { userSpecifiedImage: 'a', imageRef: 'sha256:0', tree },
    args: ['app'],
    mounts: [
      { containerPath: '/data', hostPath: volume, readonly: false },
      { containerPath: '/sub', hostPath: join(volume, 'dir'), readonly: false, within: volume },
    ],
  };
  const { container } = await runtime.run('(module)', change);
  const run = async (command: string): Promise<string> => {
    const { stdout, exitCode } = await runtime.service.execSync(container, [command], 0);
    return `${exitCode} ${Buffer.from(stdout).toString()}`;
  };
  expect(await run('read')).toBe('0 of the pod');
  expect(await run('swap')).toBe('0 ');
  await expect(run('read')).rejects.toThrow('ENOTDIR');
  await expect(runtime.run('(module)', change)).rejects.toThrow('ENOTDIR');

  // The guest's own folder is mounted again once it is back.
  rmSync(join(volume, 'dir'));
  renameSync(join(volume, 'old'), join(volume, 'dir'));
  expect(await run('read')).toBe('0 of the pod');
});
