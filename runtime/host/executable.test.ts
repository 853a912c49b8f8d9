import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { testFolder } from '../test-folder.ts';
import { findExecutable } from './executable.ts';
import { resolveGuestPath } from './guest-paths.ts';

function makeTree(folder: string) {
  const root = join(folder, 'root');
  const volume = join(folder, 'volume');
  for (const file of ['root/bin/app', 'root/opt/tool/run.wasm', 'root/local.wasm', 'volume/plugin.wasm', 'outside']) {
    mkdirSync(dirname(join(folder, file)), { recursive: true });
    writeFileSync(join(folder, file), '');
  }
  const program = {
    root,
    mounts: [{ containerPath: '/vol', hostPath: volume }],
    env: [] as string[],
    workingDir: '/',
    args: [] as string[],
  };
  return { root, find: (change: Partial<typeof program>) => findExecutable({ ...program, ...change }), program };
}

describe('args[0] names the module', () => {
  test('in $PATH, by default the usual one', () => {
    using folder = testFolder();
    const { root, find } = makeTree(folder.path);
    expect(find({ args: ['app'] })).toBe(join(root, 'bin/app'));
    expect(find({ args: ['run.wasm'], env: ['PATH=/nowhere:/opt/tool'] })).toBe(join(root, 'opt/tool/run.wasm'));
  });

  test('in the working directory, which is searched last', () => {
    using folder = testFolder();
    const { root, find } = makeTree(folder.path);
    expect(find({ args: ['local.wasm'] })).toBe(join(root, 'local.wasm'));
    expect(find({ args: ['run.wasm'], workingDir: '/opt/tool' })).toBe(join(root, 'opt/tool/run.wasm'));
  });

  test('by a path, absolute or relative to the working directory', () => {
    using folder = testFolder();
    const { root, find } = makeTree(folder.path);
    expect(find({ args: ['/bin/app'] })).toBe(join(root, 'bin/app'));
    expect(find({ args: ['./tool/run.wasm'], workingDir: '/opt' })).toBe(join(root, 'opt/tool/run.wasm'));
    expect(find({ args: ['../../../bin/app'], workingDir: '/opt' })).toBe(join(root, 'bin/app'));
  });

  test('in a mounted volume', () => {
    using folder = testFolder();
    const { find } = makeTree(folder.path);
    expect(find({ args: ['/vol/plugin.wasm'] })).toBe(join(folder.path, 'volume/plugin.wasm'));
  });

  test('through links, which never lead out of the tree', () => {
    using folder = testFolder();
    const { root, find, program } = makeTree(folder.path);
    symlinkSync('/opt/tool/run.wasm', join(root, 'bin/absolute'));
    symlinkSync('../../../../../../outside', join(root, 'bin/escape'));
    symlinkSync(join(folder.path, 'outside'), join(root, 'bin/escape-absolute'));
    symlinkSync('loop', join(root, 'bin/loop'));
    symlinkSync('/vol', join(root, 'elsewhere'));
    expect(find({ args: ['absolute'] })).toBe(join(root, 'opt/tool/run.wasm'));
    expect(() => find({ args: ['escape'] })).toThrow('executable file not found');
    expect(() => find({ args: ['escape-absolute'] })).toThrow('executable file not found');
    expect(() => find({ args: ['loop'] })).toThrow('executable file not found');
    expect(find({ args: ['/elsewhere/plugin.wasm'] })).toBe(join(folder.path, 'volume/plugin.wasm'));
    expect(resolveGuestPath(program, '/..')).toBe(root);
  });

  test("or the failure has runc's words", () => {
    using folder = testFolder();
    const { find } = makeTree(folder.path);
    expect(() => find({ args: ['foo'] })).toThrow(/^exec: "foo": executable file not found in \$PATH$/);
    expect(() => find({ args: ['/foo'] })).toThrow(/^exec: "\/foo": stat \/foo: no such file or directory$/);
    expect(() => find({ args: ['/bin'] })).toThrow(/^exec: "\/bin": is a directory$/);
    expect(() => find({ args: [] })).toThrow('no command specified');
  });
});
