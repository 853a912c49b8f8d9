import { mkdir, readdir, readFile, readlink, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { hasContent, writeAtomically, type FileProjection } from './atomic-writer.ts';
import { temporaryFolder } from './fixtures.ts';

const payload = (files: Record<string, string>, mode = 0o644): Map<string, FileProjection> =>
  new Map(Object.entries(files).map(([path, text]) => [path, { data: Buffer.from(text), mode }]));

const isTimestamped = (name: string) => /^\.\.\d{4}_\d\d_\d\d_\d\d_\d\d_\d\d\.\d+$/.test(name);

describe('writeAtomically', () => {
  test('lays files out behind ..data, as the kubelet does', async () => {
    await using dir = await temporaryFolder();
    expect(await hasContent(dir.path)).toBe(false);
    expect(await writeAtomically(dir.path, payload({ a: '1', 'sub/b': '2' }))).toBe(true);

    const data = await readlink(join(dir.path, '..data'));
    expect(data).toSatisfy(isTimestamped);
    expect((await readdir(dir.path)).sort()).toEqual(['..data', 'a', 'sub', data].sort());
    expect(await readlink(join(dir.path, 'a'))).toBe('..data/a');
    expect(await readlink(join(dir.path, 'sub'))).toBe('..data/sub');
    expect(await readFile(join(dir.path, 'sub', 'b'), 'utf8')).toBe('2');
    expect(await hasContent(dir.path)).toBe(true);
  });

  test('writes nothing when the content is the same', async () => {
    await using dir = await temporaryFolder();
    await writeAtomically(dir.path, payload({ a: '1', 'sub/b': '2' }));
    const before = await readlink(join(dir.path, '..data'));
    expect(await writeAtomically(dir.path, payload({ a: '1', 'sub/b': '2' }))).toBe(false);
    expect(await readlink(join(dir.path, '..data'))).toBe(before);
  });

  test('replaces changed content and removes the folder before', async () => {
    await using dir = await temporaryFolder();
    await writeAtomically(dir.path, payload({ a: '1' }));
    const before = await readlink(join(dir.path, '..data'));
    expect(await writeAtomically(dir.path, payload({ a: '2' }))).toBe(true);
    expect(await readFile(join(dir.path, 'a'), 'utf8')).toBe('2');
    expect(await readdir(dir.path)).not.toContain(before);
    expect((await readdir(dir.path)).filter(isTimestamped)).toHaveLength(1);
  });

  test('takes away names that are no longer there, at the top and below', async () => {
    await using dir = await temporaryFolder();
    await writeAtomically(dir.path, payload({ a: '1', 'sub/b': '2', 'sub/c': '3' }));
    expect(await writeAtomically(dir.path, payload({ 'sub/b': '2' }))).toBe(true);
    expect((await readdir(dir.path)).filter((name) => !name.startsWith('..'))).toEqual(['sub']);
    expect(await readdir(join(dir.path, 'sub'))).toEqual(['b']);
    expect(await writeAtomically(dir.path, payload({}))).toBe(true);
    expect((await readdir(dir.path)).filter((name) => !name.startsWith('..'))).toEqual([]);
  });

  test('follows a name that turns from a file into a folder and back', async () => {
    await using dir = await temporaryFolder();
    await writeAtomically(dir.path, payload({ a: '1' }));
    await writeAtomically(dir.path, payload({ 'a/b': '2' }));
    expect(await readFile(join(dir.path, 'a', 'b'), 'utf8')).toBe('2');
    await writeAtomically(dir.path, payload({ a: '3' }));
    expect(await readFile(join(dir.path, 'a'), 'utf8')).toBe('3');
  });

  test('gives files their mode and folders 0755, whatever the umask is', async () => {
    await using dir = await temporaryFolder();
    const umask = process.umask(0o077);
    try {
      await writeAtomically(dir.path, payload({ open: '1' }, 0o666));
      await writeAtomically(dir.path, new Map([...payload({ open: '1' }, 0o666), ...payload({ own: '2' }, 0o400)]));
    } finally {
      process.umask(umask);
    }
    const mode = async (name: string) => (await stat(join(dir.path, name))).mode & 0o777;
    expect(await mode('open')).toBe(0o666);
    expect(await mode('own')).toBe(0o400);
    expect(await mode('..data')).toBe(0o755);
  });

  test('repairs what an agent that was killed half-way left behind', async () => {
    await using dir = await temporaryFolder();
    await writeAtomically(dir.path, payload({ a: '1' }));
    const stale = '..2026_01_02_03_04_05.678';
    await mkdir(join(dir.path, stale));
    await writeFile(join(dir.path, stale, 'a'), 'torn');
    await symlink(stale, join(dir.path, '..data_tmp'));

    await writeAtomically(dir.path, payload({ a: '2' }));
    expect(await readFile(join(dir.path, 'a'), 'utf8')).toBe('2');
    expect(await readdir(dir.path)).toHaveLength(3);
  });

  test.each([
    ['', 'invalid path: must not be empty: ""'],
    ['/a', 'invalid path: must be relative path: /a'],
    ['a/../b', "invalid path: must not contain '..': a/../b"],
    ['..a', "invalid path: must not start with '..': ..a"],
    ['./..a', "invalid path: must not start with '..': ./..a"],
    ['x'.repeat(256), 'invalid path: filenames must be less than or equal to 255 characters'],
    ['x/'.repeat(2049), 'invalid path: must be less than or equal to 4096 characters'],
  ])('refuses the path %j before it writes anything', async (path, message) => {
    await using dir = await temporaryFolder();
    await expect(writeAtomically(dir.path, payload({ good: '1', [path]: '2' }))).rejects.toMatchObject({
      code: 'InvalidArgument',
      message,
    });
    expect(await readdir(dir.path)).toEqual([]);
  });
});
