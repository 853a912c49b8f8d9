import { chmod, link, mkdir, readFile, readlink, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { writeAtomically } from './atomic-writer.ts';
import { temporaryFolder } from './fixtures.ts';
import { resolveSubPath, validateSubPath } from './sub-path.ts';

async function volume(replaced = false) {
  const folder = await temporaryFolder();
  const volumeDir = join(folder.path, 'volume');
  await mkdir(volumeDir);
  return {
    volumeDir,
    outside: folder.path,
    snapshotPath: join(folder.path, 'snapshots', '0'),
    source: (subPath: string) =>
      resolveSubPath({ volumeDir, subPath, replaced, snapshotPath: join(folder.path, 'snapshots', '0') }),
    async resolve(subPath: string) {
      return (await this.source(subPath)).hostPath;
    },
    [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
  };
}

describe('validateSubPath', () => {
  test.each([
    ['/etc', 'error SubPath `/etc` must not be an absolute path'],
    ['a/../../b', "unable to provision SubPath `a/../../b`: must not contain '..'"],
  ])('refuses %s in the words of the kubelet', (subPath, message) => {
    expect(() => {
      validateSubPath(subPath);
    }).toThrow(message);
  });

  test('takes names that only begin with two dots', () => {
    expect(() => {
      validateSubPath('a/..b');
    }).not.toThrow();
  });
});

describe('resolveSubPath', () => {
  test("makes missing folders with the volume's mode", async () => {
    await using v = await volume();
    await chmod(v.volumeDir, 0o777);
    expect(await v.resolve('a/b')).toBe(join(v.volumeDir, 'a', 'b'));
    expect((await stat(join(v.volumeDir, 'a'))).mode & 0o777).toBe(0o777);
    expect((await stat(join(v.volumeDir, 'a', 'b'))).mode & 0o777).toBe(0o777);
  });

  test('takes a folder that is there, also through a link inside the volume', async () => {
    await using v = await volume();
    await mkdir(join(v.volumeDir, 'real'));
    await symlink('real', join(v.volumeDir, 'alias'));
    expect(await v.resolve('alias')).toBe(join(v.volumeDir, 'real'));
    expect(await v.resolve('alias/new')).toBe(join(v.volumeDir, 'real', 'new'));
  });

  test('says of a folder within which it has to be, where guests may exchange it, and of nothing else', async () => {
    await using v = await volume();
    expect(await v.source('a/b')).toEqual({ hostPath: join(v.volumeDir, 'a', 'b'), within: v.volumeDir });
    expect(await v.source('.')).toEqual({ hostPath: v.volumeDir, within: v.volumeDir });
    await writeFile(join(v.volumeDir, 'f'), '');
    expect(await v.source('f')).toEqual({ hostPath: v.snapshotPath });
  });

  test('gives a single file by its inode, so that writes go to the volume', async () => {
    await using v = await volume();
    await writeFile(join(v.volumeDir, 'f'), 'one');
    const path = await v.resolve('f');
    expect(path).toBe(v.snapshotPath);
    await writeFile(path, 'two');
    expect(await readFile(join(v.volumeDir, 'f'), 'utf8')).toBe('two');
  });

  test.each([
    ['a link to outside', '../secret', 'escape'],
    ['an absolute link', '/etc', 'escape'],
    ['a folder behind a link to outside', '..', 'escape/made/by/guest'],
    ['a link that leads nowhere', '../nothing', 'escape/x'],
  ])('does not follow %s', async (_, target, subPath) => {
    await using v = await volume();
    await mkdir(join(v.outside, 'secret'));
    await symlink(target, join(v.volumeDir, 'escape'));
    await expect(v.resolve(subPath)).rejects.toThrow();
    await expect(stat(join(v.outside, 'made'))).rejects.toMatchObject({ code: 'ENOENT' });
  });

  test('refuses a path below a file', async () => {
    await using v = await volume();
    await writeFile(join(v.volumeDir, 'f'), '');
    await expect(v.resolve('f/sub')).rejects.toMatchObject({ code: 'ENOTDIR' });
  });

  test('keeps the content of a replaced volume as it was when the container was made', async () => {
    await using v = await volume(true);
    const write = (text: string) =>
      writeAtomically(v.volumeDir, new Map([['dir/f', { data: Buffer.from(text), mode: 0o644 }]]));
    await write('one');
    const file = await v.resolve('dir/f');
    await write('two');
    expect(await readFile(file, 'utf8')).toBe('one');
    await v.resolve('dir/f');
    expect(await readFile(file, 'utf8')).toBe('two');

    const folder = await v.resolve('dir');
    await write('three');
    expect(await readFile(join(folder, 'f'), 'utf8')).toBe('two');
    expect(await readlink(join(v.volumeDir, 'dir'))).toBe('..data/dir');
  });

  test('replaces what a snapshot that was broken off left', async () => {
    await using v = await volume();
    await writeFile(join(v.volumeDir, 'f'), 'one');
    await mkdir(join(v.outside, 'snapshots', '0.new'), { recursive: true });
    await link(join(v.volumeDir, 'f'), join(v.outside, 'snapshots', '0.new', 'left'));
    expect(await readFile(await v.resolve('f'), 'utf8')).toBe('one');
  });
});
