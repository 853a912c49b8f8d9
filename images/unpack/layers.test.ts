import { lstat, mkdir, mkdtempDisposable, readdir, readFile, readlink, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { inspectBlob } from '../content.ts';
import { MODULE } from '../testing/fake-registry.ts';
import { tar, type TarEntry } from '../testing/tar.ts';
import { unpackLayers } from './layers.ts';

interface Limits {
  readonly maxBytes?: number;
  readonly maxEntries?: number;
  readonly signal?: AbortSignal;
}

/** Unpacks archives given as bytes or entries into `<folder>/tree`, beside which `<folder>/outside` must stay empty. */
async function unpackInto(folder: string, layers: readonly (Buffer | readonly TarEntry[])[], limits: Limits = {}) {
  const destination = join(folder, 'tree');
  await mkdir(destination, { recursive: true });
  await mkdir(join(folder, 'outside'), { recursive: true });
  const inputs = [];
  for (const [at, layer] of layers.entries()) {
    const path = join(folder, `layer-${at}`);
    await writeFile(path, Buffer.isBuffer(layer) ? layer : await tar(layer));
    inputs.push({ digest: `sha256:${at}`, path, content: await inspectBlob(path) });
  }
  await unpackLayers(
    { layers: inputs, destination, maxBytes: limits.maxBytes ?? 10_000_000, maxEntries: limits.maxEntries ?? 1000 },
    limits.signal ?? new AbortController().signal,
  );
  return destination;
}

const newFolder = () => mkdtempDisposable(join(tmpdir(), 'wasmlet-unpack-'));

describe('layers', () => {
  test.each([
    ['plain', (bytes: Buffer) => bytes],
    ['gzip', (bytes: Buffer) => gzipSync(bytes)],
    ['zstd', (bytes: Buffer) => zstdCompressSync(bytes)],
  ])('that are %s are flattened, later ones over earlier ones', async (_name, compress) => {
    await using folder = await newFolder();
    const lower = await tar([
      { name: 'app/', type: 'directory' },
      { name: 'app/a.txt', content: 'old' },
      { name: './app/b.txt', content: 'kept' },
    ]);
    const upper = await tar([{ name: '/app/a.txt', content: 'new' }]);
    const tree = await unpackInto(folder.path, [compress(lower), compress(upper)]);
    expect(await readFile(join(tree, 'app/a.txt'), 'utf8')).toBe('new');
    expect(await readFile(join(tree, 'app/b.txt'), 'utf8')).toBe('kept');
  });

  test('hide what lower layers hold with whiteouts, and not what they hold themselves', async () => {
    await using folder = await newFolder();
    const tree = await unpackInto(folder.path, [
      [
        { name: 'gone.txt', content: '1' },
        { name: 'opaque/old', content: '1' },
        { name: 'opaque/deep/old', content: '1' },
        { name: 'folder/old', content: '1' },
      ],
      [
        { name: 'opaque/deep/new', content: '2' },
        { name: 'opaque/.wh..wh..opq', content: '' },
        { name: 'folder/new', content: '2' },
        { name: '.wh.folder', content: '' },
        { name: '.wh.gone.txt', content: '' },
        { name: '.wh..wh.plnk', content: '' },
      ],
    ]);
    expect((await readdir(tree, { recursive: true })).sort()).toEqual([
      'folder',
      'folder/new',
      'opaque',
      'opaque/deep',
      'opaque/deep/new',
    ]);
  });

  test('keep long names, symlinks as they are, and hard links within', async () => {
    await using folder = await newFolder();
    const long = `${'d'.repeat(200)}/${'f'.repeat(200)}`;
    const tree = await unpackInto(folder.path, [
      [
        { name: long, content: 'long' },
        { name: 'link', type: 'symlink', linkname: `/${long}` },
        { name: 'hard', type: 'link', linkname: long },
      ],
    ]);
    expect(await readFile(join(tree, long), 'utf8')).toBe('long');
    expect(await readlink(join(tree, 'link'))).toBe(`/${long}`);
    expect((await stat(join(tree, 'hard'))).ino).toBe((await stat(join(tree, long))).ino);
  });

  test('lose set-uid and set-gid bits', async () => {
    await using folder = await newFolder();
    const tree = await unpackInto(folder.path, [
      [
        { name: 'd/', type: 'directory', mode: 0o2711 },
        { name: 'd/su', content: 'x', mode: 0o6755 },
      ],
    ]);
    expect((await stat(join(tree, 'd/su'))).mode & 0o7777).toBe(0o755);
    expect((await stat(join(tree, 'd'))).mode & 0o7000).toBe(0);
  });

  test.runIf(process.geteuid?.() === 0)('keep owners and permissions, of what a later layer changes its', async () => {
    await using folder = await newFolder();
    const tree = await unpackInto(folder.path, [
      [
        { name: 'tmp/', type: 'directory', mode: 0o755 },
        { name: 'home/', type: 'directory', mode: 0o700, uid: 1000, gid: 2000 },
        { name: 'home/file', content: 'x', mode: 0o640, uid: 1000, gid: 2000 },
        { name: 'home/link', type: 'symlink', linkname: 'file', uid: 5, gid: 6 },
      ],
      [{ name: 'tmp/', type: 'directory', mode: 0o1777 }],
    ]);
    const shown = async (path: string) => {
      const { mode, uid, gid } = await lstat(join(tree, path));
      return [(mode & 0o7777).toString(8), uid, gid];
    };
    expect(await shown('tmp')).toEqual(['1777', 0, 0]);
    expect(await shown('home')).toEqual(['700', 1000, 2000]);
    expect(await shown('home/file')).toEqual(['640', 1000, 2000]);
    expect((await shown('home/link')).slice(1)).toEqual([5, 6]);
  });

  test('have their devices and pipes left out', async () => {
    await using folder = await newFolder();
    const tree = await unpackInto(folder.path, [
      [
        { name: 'null', type: 'character-device', devmajor: 1, devminor: 3 },
        { name: 'sda', type: 'block-device', devmajor: 8, devminor: 0 },
        { name: 'pipe', type: 'fifo' },
      ],
    ]);
    expect(await readdir(tree)).toEqual([]);
  });

  test('follow the symlinks of lower layers only within the tree', async () => {
    await using folder = await newFolder();
    const tree = await unpackInto(folder.path, [
      [
        { name: 'usr/lib/', type: 'directory' },
        { name: 'lib', type: 'symlink', linkname: 'usr/lib' },
        { name: 'up', type: 'symlink', linkname: '../../../outside' },
        { name: 'abs', type: 'symlink', linkname: join(folder.path, 'outside') },
      ],
      [
        { name: 'lib/a', content: 'a' },
        { name: 'up/b', content: 'b' },
        { name: 'abs/c', content: 'c' },
      ],
    ]);
    expect(await readFile(join(tree, 'usr/lib/a'), 'utf8')).toBe('a');
    expect(await readFile(join(tree, 'outside/b'), 'utf8')).toBe('b');
    expect(await readFile(join(tree, folder.path, 'outside/c'), 'utf8')).toBe('c');
    expect(await readdir(join(folder.path, 'outside'))).toEqual([]);
  });

  test('replace a symlink rather than write through it', async () => {
    await using folder = await newFolder();
    await mkdir(join(folder.path, 'outside'));
    await writeFile(join(folder.path, 'victim'), 'untouched');
    const tree = await unpackInto(folder.path, [
      [
        { name: 'f', type: 'symlink', linkname: join(folder.path, 'victim') },
        { name: 'f', content: 'evil' },
      ],
    ]);
    expect(await readFile(join(folder.path, 'victim'), 'utf8')).toBe('untouched');
    expect((await lstat(join(tree, 'f'))).isFile()).toBe(true);
  });
});

describe('a hostile layer', () => {
  test.each<[string, readonly TarEntry[], RegExp]>([
    ['climbs out', [{ name: '../evil', content: 'x' }], /"\.\.\/evil" points outside the image/],
    ['climbs out later', [{ name: 'a/../../evil', content: 'x' }], /points outside the image/],
    ['hard-links outside', [{ name: 'l', type: 'link', linkname: '../../etc/passwd' }], /points outside the image/],
    [
      'hard-links what is not there',
      [{ name: 'l', type: 'link', linkname: '/etc/passwd' }],
      /which is no file of the image/,
    ],
    [
      'whites out its parent',
      [
        { name: 'a/.wh...', content: '' },
        { name: '.wh...', content: '' },
      ],
      /hides no file/,
    ],
    [
      'loops its symlinks',
      [
        { name: 'a', type: 'symlink', linkname: 'b' },
        { name: 'b', type: 'symlink', linkname: 'a' },
        { name: 'a/x', content: 'x' },
      ],
      /too many symlinks/,
    ],
    [
      'goes through a file',
      [
        { name: 'f', content: 'x' },
        { name: 'f/x', content: 'x' },
      ],
      /leads through a file/,
    ],
    ['names a file too long', [{ name: 'n'.repeat(300), content: 'x' }], /ENAMETOOLONG/],
  ])('that %s is refused', async (_name, entries, message) => {
    await using folder = await newFolder();
    await expect(unpackInto(folder.path, [entries])).rejects.toThrow(message);
    expect((await readdir(folder.path)).sort()).toEqual(['layer-0', 'outside', 'tree']);
    expect(await readdir(join(folder.path, 'outside'))).toEqual([]);
  });

  test('that unpacks without end stops at the bound', async () => {
    await using folder = await newFolder();
    const bomb = gzipSync(await tar([{ name: 'zeros', content: Buffer.alloc(5_000_000) }]));
    expect(bomb.length).toBeLessThan(20_000);
    await expect(unpackInto(folder.path, [bomb], { maxBytes: 1_000_000 })).rejects.toThrow(
      'failed to extract layer sha256:0: unpacks to more than 1000000 bytes',
    );
  });

  test('that holds too many files stops at the bound, however they come to be', async () => {
    await using folder = await newFolder();
    await expect(
      unpackInto(folder.path, [[{ name: 'a/b/c/d/e/f/g', content: '' }]], { maxEntries: 5 }),
    ).rejects.toThrow('unpacks to more than 5 files');
  });

  test('that is cut off is refused, packed or plain', async () => {
    await using folder = await newFolder();
    const whole = await tar([{ name: 'a', content: 'x'.repeat(10_000) }]);
    await expect(unpackInto(folder.path, [whole.subarray(0, 3000)])).rejects.toThrow(
      /failed to extract layer sha256:0/,
    );
    const packed = gzipSync(whole);
    await expect(unpackInto(folder.path, [packed.subarray(0, packed.length - 20)])).rejects.toThrow(
      /failed to extract layer sha256:0: unexpected end of file/,
    );
  });
});

test('a compressed module unpacks to a file of its own', async () => {
  await using folder = await newFolder();
  const tree = await unpackInto(folder.path, [gzipSync(MODULE)]);
  expect(await readFile(join(tree, 'module.wasm'))).toEqual(MODULE);
});

test('unpacking ends when its signal is aborted', async () => {
  await using folder = await newFolder();
  await expect(
    unpackInto(folder.path, [[{ name: 'a', content: 'x' }]], { signal: AbortSignal.abort(new Error('given up')) }),
  ).rejects.toThrow('given up');
});
