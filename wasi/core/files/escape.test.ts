import {
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { INHERITED_RIGHTS, OFLAG } from '../../preview1/abi.ts';
import { Sandbox, TestGuest } from '../../preview1/test-guest.ts';

const SECRET = 'outside: not for the guest';
const WRITE = { rights: INHERITED_RIGHTS };

let sandbox: Sandbox;
let guest: TestGuest;
let root: string;
let outside: string;
let secret: string;

/** The tree: <root> with /inner, a writable mount /data/vol, a read-only one /ro, a read-only file /etc/conf. */
beforeEach(() => {
  sandbox = new Sandbox();
  root = sandbox.folder('root');
  outside = sandbox.folder('outside');
  secret = join(outside, 'secret');
  writeFileSync(secret, SECRET);
  mkdirSync(join(root, 'inner/deep'), { recursive: true });
  writeFileSync(join(root, 'inner/file'), 'inside');
  const volume = sandbox.folder('volume');
  const readonly = sandbox.folder('readonly');
  writeFileSync(join(readonly, 'file'), 'fixed');
  mkdirSync(join(readonly, 'folder'));
  writeFileSync(join(sandbox.path, 'conf'), 'conf');
  guest = new TestGuest({
    root,
    mounts: [
      { guestPath: '/data/vol', hostPath: volume, readonly: false },
      { guestPath: '/ro', hostPath: readonly, readonly: true },
      { guestPath: '/etc/conf', hostPath: join(sandbox.path, 'conf'), readonly: true },
    ],
  });
});

/** Whatever a test tried: nothing outside has changed. */
afterEach(() => {
  expect(readFileSync(secret, 'utf8')).toBe(SECRET);
  expect(readdirSync(outside)).toEqual(['secret']);
  expect(statSync(secret).nlink).toBe(1);
  expect(readdirSync(sandbox.path).sort()).toEqual(['conf', 'outside', 'readonly', 'root', 'volume']);
  expect(readdirSync(join(sandbox.path, 'readonly')).sort()).toEqual(['file', 'folder']);
  expect(readFileSync(join(sandbox.path, 'readonly/file'), 'utf8')).toBe('fixed');
  expect(readFileSync(join(sandbox.path, 'conf'), 'utf8')).toBe('conf');
  guest[Symbol.dispose]();
  sandbox[Symbol.dispose]();
});

describe('a path cannot lead out', () => {
  test('by .. from the root, which is its own parent', () => {
    expect(guest.readFile('../outside/secret')).toBe('ENOENT');
    expect(guest.readFile('inner/../../../outside/secret')).toBe('ENOENT');
    expect(guest.readFile('../../../inner/file')).toBe('inside');
  });

  test('by .. from a directory that the guest opened', () => {
    const fd = guest.mustOpen('inner', { oflags: OFLAG.DIRECTORY });
    expect(guest.readFile('../inner/file', { fd })).toBe('EPERM');
    expect(guest.readFile('deep/../../../outside/secret', { fd })).toBe('EPERM');
  });

  test('by .. out of a mount, which leads to the directory that the mount is in', () => {
    expect(guest.readFile('data/vol/../../inner/file')).toBe('inside');
    expect(guest.readFile('data/vol/../outside/secret')).toBe('ENOENT');
    expect(guest.readFile('ro/../outside/secret')).toBe('ENOENT');
  });

  test('by an absolute path', () => {
    expect(guest.readFile(secret)).toBe('EPERM');
    expect(guest.readFile('/etc/hostname')).toBe('EPERM');
  });

  test('by a name that holds a NUL', () => {
    expect(guest.readFile(`inner/file\0/../../outside/secret`)).toBe('EINVAL');
  });

  test('by /proc, which is not in the tree', () => {
    expect(guest.readFile('proc/self/root/etc/hostname')).toBe('ENOENT');
    expect(guest.readFile('proc/self/fd/0')).toBe('ENOENT');
  });
});

describe('a symbolic link cannot lead out', () => {
  test('that the guest makes with ..', () => {
    expect(guest.symlink('../../outside', 'inner/link')).toBe('ok');
    expect(guest.readFile('inner/link/secret')).toBe('ENOENT');
    expect(guest.symlink('../outside/secret', 'l2')).toBe('ok');
    expect(guest.readFile('l2')).toBe('ENOENT');
    expect(guest.stat('l2')).toBe('ENOENT');
  });

  test('that the guest makes with an absolute target', () => {
    expect(guest.symlink(secret, 'link')).toBe('EPERM');
    expect(existsSync(join(root, 'link'))).toBe(false);
  });

  test('that the image has with an absolute target: it begins at the guest’s root', () => {
    symlinkSync('/etc/hostname', join(root, 'hostname'));
    symlinkSync(secret, join(root, 'secret'));
    symlinkSync('/inner/file', join(root, 'fine'));
    expect(guest.readFile('hostname')).toBe('ENOENT');
    expect(guest.readFile('secret')).toBe('ENOENT');
    expect(guest.readFile('fine')).toBe('inside');
  });

  test('in the middle of a path', () => {
    symlinkSync(outside, join(root, 'middle'));
    symlinkSync('../../outside', join(root, 'inner/middle'));
    expect(guest.readFile('middle/secret')).toBe('ENOENT');
    expect(guest.readFile('inner/middle/secret')).toBe('ENOENT');
    expect(guest.readFile('inner/middle/../file')).toBe('ENOENT');
  });

  test('through another link', () => {
    symlinkSync('b', join(root, 'a'));
    symlinkSync('inner/../../outside', join(root, 'b'));
    expect(guest.readFile('a/secret')).toBe('ENOENT');
  });

  test('in a volume that a neighbour writes to', () => {
    symlinkSync(secret, join(sandbox.path, 'volume/link'));
    symlinkSync('../outside', join(sandbox.path, 'volume/up'));
    expect(guest.readFile('data/vol/link')).toBe('ENOENT');
    expect(guest.readFile('data/vol/up/secret')).toBe('ENOENT');
  });

  test('to create or cut off a file', () => {
    symlinkSync(join(outside, 'new'), join(root, 'new'));
    expect(guest.create('new', 'x')).toBe('ENOENT');
    symlinkSync(secret, join(root, 'cut'));
    expect(guest.open('cut', { ...WRITE, oflags: OFLAG.TRUNC })).toBe('ENOENT');
    expect(guest.open('cut', { ...WRITE, oflags: OFLAG.TRUNC, nofollow: true })).toBe('ELOOP');
  });

  test('to set times', () => {
    const before = statSync(secret, { bigint: true });
    symlinkSync(secret, join(root, 'times'));
    expect(guest.call('path_filestat_set_times', 3, 1, ...guest.put('times'), 1n, 1n, 5)).toBe('ENOENT');
    expect(guest.call('path_filestat_set_times', 3, 0, ...guest.put('times'), 1n, 1n, 5)).toBe('ok');
    const after = statSync(secret, { bigint: true });
    expect(after.mtimeNs).toBe(before.mtimeNs);
  });

  test('to remove, rename or make something', () => {
    symlinkSync(outside, join(root, 'out'));
    expect(guest.path('path_unlink_file', 'out/secret')).toBe('ENOENT');
    expect(guest.path('path_remove_directory', 'out/')).toBe('ENOTDIR');
    expect(guest.path('path_create_directory', 'out/sub')).toBe('ENOENT');
    expect(guest.rename('inner/file', 'out/stolen')).toBe('ENOENT');
    expect(guest.rename('out/secret', 'stolen')).toBe('ENOENT');
    expect(guest.symlink('x', 'out/link')).toBe('ENOENT');
    expect(guest.list('out')).toBe('ENOENT');
  });

  test('that is a loop, or a chain of more than 40', () => {
    symlinkSync('loop', join(root, 'loop'));
    expect(guest.readFile('loop')).toBe('ELOOP');
    expect(guest.readFile('loop/x')).toBe('ELOOP');
    symlinkSync('inner/file', join(root, 'c0'));
    for (let index = 1; index <= 40; index++) symlinkSync(`c${index - 1}`, join(root, `c${index}`));
    expect(guest.readFile('c39')).toBe('inside');
    expect(guest.readFile('c40')).toBe('ELOOP');
  });

  test('of the kernel’s own kind, in a mounted /proc', () => {
    using other = new TestGuest({ root, mounts: [{ guestPath: '/p', hostPath: '/proc/self', readonly: true }] });
    expect(other.readFile('p/root/etc/hostname')).toBe('ENOENT');
    expect(other.readFile('p/cwd/package.json')).toBe('ENOENT');
  });
});

describe('a hard link cannot lead out', () => {
  test('to a file that only a symbolic link names', () => {
    symlinkSync(secret, join(root, 'link'));
    expect(guest.link('link', 'hard')).toBe('ok');
    expect(guest.readFile('hard')).toBe('ENOENT');
    expect(guest.call('path_link', 3, 1, ...guest.put('link'), 3, ...guest.put('hard2', 8192))).toBe('EINVAL');
  });

  test('between mounts, also where they share a file system', () => {
    expect(guest.link('inner/file', 'data/vol/file')).toBe('EXDEV');
    expect(guest.link('ro/file', 'inner/file2')).toBe('EXDEV');
    expect(guest.link('etc/conf', 'conf')).toBe('EXDEV');
  });
});

describe('a directory that moves cannot lead out', () => {
  test('when it is open and .. is asked of it', () => {
    const fd = guest.mustOpen('inner/deep', { oflags: OFLAG.DIRECTORY });
    renameSync(join(root, 'inner/deep'), join(root, 'moved'));
    expect(guest.readFile('../outside/secret', { fd })).toBe('EPERM');
    expect(guest.readFile('../file', { fd })).toBe('EPERM');
  });

  test('when it was moved to another place while open: the descriptor still shows it, and nothing above', () => {
    const fd = guest.mustOpen('inner', { oflags: OFLAG.DIRECTORY });
    const kept = sandbox.folder('volume/kept');
    renameSync(join(root, 'inner'), join(kept, 'inner'));
    expect(guest.readFile('file', { fd })).toBe('inside');
    expect(guest.readFile('../../../outside/secret', { fd })).toBe('EPERM');
    expect(guest.readFile('inner/file')).toBe('ENOENT');
  });

  test('when a link takes its place between two calls', () => {
    expect(guest.readFile('inner/file')).toBe('inside');
    renameSync(join(root, 'inner'), join(root, 'before'));
    symlinkSync(outside, join(root, 'inner'));
    expect(guest.readFile('inner/secret')).toBe('ENOENT');
    expect(guest.readFile('inner/file')).toBe('ENOENT');
  });

  test('when a link takes the place of a mount’s parent', () => {
    mkdirSync(join(root, 'data'));
    expect(guest.create('data/vol/a', 'a')).toBe('ok');
    renameSync(join(root, 'data'), join(root, 'data2'));
    symlinkSync(outside, join(root, 'data'));
    expect(guest.readFile('data/vol/a')).toBe('a');
    expect(guest.readFile('data/secret')).toBe('ENOENT');
    expect(guest.list('data')).toEqual(['.', '..', 'vol']);
  });
});

describe('a read-only mount takes no change', () => {
  const attempts: [string, (guest: TestGuest) => unknown, string][] = [
    ['opening to write', (g) => g.open('ro/file', WRITE), 'EROFS'],
    ['cutting off', (g) => g.open('ro/file', { oflags: OFLAG.TRUNC }), 'EROFS'],
    ['creating', (g) => g.open('ro/new', { oflags: OFLAG.CREAT }), 'EROFS'],
    ['creating a directory', (g) => g.path('path_create_directory', 'ro/new'), 'EROFS'],
    ['creating a directory that is there', (g) => g.path('path_create_directory', 'ro/folder'), 'EEXIST'],
    ['removing a directory', (g) => g.path('path_remove_directory', 'ro/folder'), 'EROFS'],
    ['removing a file', (g) => g.path('path_unlink_file', 'ro/file'), 'EROFS'],
    ['renaming', (g) => g.rename('ro/file', 'ro/other'), 'EROFS'],
    ['renaming out of it', (g) => g.rename('ro/file', 'other'), 'EXDEV'],
    ['renaming into it', (g) => g.rename('inner/file', 'ro/other'), 'EXDEV'],
    ['a symbolic link', (g) => g.symlink('file', 'ro/link'), 'EROFS'],
    ['a hard link', (g) => g.link('ro/file', 'ro/link'), 'EROFS'],
    ['setting times', (g) => g.call('path_filestat_set_times', 3, 0, ...g.put('ro/file'), 1n, 1n, 5), 'EROFS'],
    ['setting times of itself', (g) => g.call('path_filestat_set_times', 3, 0, ...g.put('ro'), 1n, 1n, 5), 'EROFS'],
    ['setting times by descriptor', (g) => g.call('fd_filestat_set_times', g.mustOpen('ro/file'), 1n, 1n, 5), 'EROFS'],
    ['setting the size by descriptor', (g) => g.call('fd_filestat_set_size', g.mustOpen('ro/file'), 0n), 'EROFS'],
    ['writing by descriptor', (g) => g.write(g.mustOpen('ro/file'), 'x'), 'EBADF'],
    ['by way of a link outside of it', (g) => (g.symlink('ro/file', 'l'), g.open('l', WRITE)), 'EROFS'],
    ['by .. into it', (g) => g.open('ro/folder/../file', WRITE), 'EROFS'],
    ['opening a mounted file to write', (g) => g.open('etc/conf', WRITE), 'EROFS'],
    ['removing a mounted file', (g) => g.path('path_unlink_file', 'etc/conf'), 'EBUSY'],
    ['replacing a mounted file', (g) => g.rename('inner/file', 'etc/conf'), 'EBUSY'],
    ['removing the mount', (g) => g.path('path_remove_directory', 'ro'), 'EBUSY'],
    ['renaming the mount', (g) => g.rename('ro', 'rw'), 'EBUSY'],
    ['replacing the mount', (g) => g.rename('inner', 'ro'), 'EBUSY'],
  ];

  test.each(attempts)('%s', (_name, attempt, errno) => {
    mkdirSync(join(root, 'etc'), { recursive: true });
    expect(attempt(guest)).toBe(errno);
    expect(guest.readFile('ro/file')).toBe('fixed');
  });

  test('by a hard link that the host has made to the same file, opened by the read-only name', () => {
    const twin = sandbox.folder('volume');
    linkSync(join(sandbox.path, 'readonly/file'), join(twin, 'twin'));
    expect(guest.open('ro/file', WRITE)).toBe('EROFS');
  });
});
