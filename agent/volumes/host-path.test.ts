import { existsSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { silentLogger } from '../../base/log.ts';
import { hostPathVolume } from './host-path.ts';
import { whyUnsupported } from './supported.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'wasmlet-hostpath-'));
  mkdirSync(join(folder, 'dir'));
  writeFileSync(join(folder, 'file'), 'content');
});
afterEach(() => rmSync(folder, { recursive: true }));

const setUp = (name: string, type?: string): Promise<void> => {
  const path = join(folder, name);
  const volume = { name: 'host', hostPath: { path, ...(type === undefined ? {} : { type }) } };
  const signal = new AbortController().signal;
  return hostPathVolume().setUp({ pod: {}, volume, dir: path, signal, logger: silentLogger });
};

describe('the type', () => {
  test.each([
    ['dir', 'Directory'],
    ['file', 'File'],
    ['dir', 'DirectoryOrCreate'],
    ['file', 'FileOrCreate'],
    ['file', ''],
    ['dir', undefined],
  ])('%s may be %s', async (name, type) => {
    await setUp(name, type);
  });

  test.each([
    ['file', 'Directory', 'a directory'],
    ['missing', 'Directory', 'a directory'],
    ['file', 'DirectoryOrCreate', 'a directory'],
    ['dir', 'File', 'a file'],
    ['missing', 'File', 'a file'],
    ['dir', 'FileOrCreate', 'a file'],
  ])('%s is refused as %s', async (name, type, what) => {
    await expect(setUp(name, type)).rejects.toThrow(`hostPath type check failed: ${join(folder, name)} is not ${what}`);
  });

  test('a folder or an empty file is made where the type says so', async () => {
    await setUp('new/folder', 'DirectoryOrCreate');
    await setUp('untyped');
    await setUp('new/file', 'FileOrCreate');
    expect(statSync(join(folder, 'new/folder')).isDirectory()).toBe(true);
    expect(statSync(join(folder, 'untyped')).isDirectory()).toBe(true);
    expect(statSync(join(folder, 'new/file')).size).toBe(0);
  });

  test.each(['Socket', 'CharDevice', 'BlockDevice'])('%s is refused by admission', (type) => {
    expect(whyUnsupported({ name: 'host', hostPath: { path: '/x', type } })).toContain(`hostPath of type ${type}`);
  });
});

test('the path is the container’s, not a folder of the pod, and stays when the pod goes', async () => {
  const type = hostPathVolume();
  const volume = { name: 'host', hostPath: { path: join(folder, 'dir') } };
  expect(type.dirOf?.(volume)).toBe(join(folder, 'dir'));
  await type.tearDown(join(folder, 'dir'), 'uid');
  expect(existsSync(join(folder, 'dir'))).toBe(true);
});

test('a path with steps back is refused', async () => {
  const volume = { name: 'host', hostPath: { path: '/a/../b' } };
  const request = { pod: {}, volume, dir: '', signal: new AbortController().signal, logger: silentLogger };
  await expect(hostPathVolume().setUp(request)).rejects.toThrow("invalid HostPath `/a/../b`: must not contain '..'");
});
