import { existsSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { FDFLAG, INHERITED_RIGHTS, LOOKUP_FOLLOW, OFLAG, RIGHT } from './abi.ts';
import { Sandbox, TestGuest } from './test-guest.ts';

/** Each function by each errno that it can have: what Linux' manual pages, the specification and wasmtime say. */

const OUT = 512;
const BUFFER = 16_384;
const PATH2 = 8192;
const NO_FD = 99;

let sandbox: Sandbox;
let guest: TestGuest;

beforeEach(() => {
  sandbox = new Sandbox();
  const root = sandbox.folder('root');
  writeFileSync(join(root, 'file'), 'content');
  mkdirSync(join(root, 'full/inner'), { recursive: true });
  mkdirSync(join(root, 'empty'));
  symlinkSync('file', join(root, 'link'));
  symlinkSync('loop', join(root, 'loop'));
  symlinkSync('nowhere', join(root, 'dangling'));
  const volume = sandbox.folder('volume');
  writeFileSync(join(volume, 'file'), '');
  mkdirSync(join(volume, 'folder'));
  guest = new TestGuest({ root, mounts: [{ guestPath: '/vol', hostPath: volume, readonly: false }] });
});

afterEach(() => {
  guest[Symbol.dispose]();
  sandbox[Symbol.dispose]();
});

describe('a descriptor that is not open is EBADF', () => {
  const calls: [string, ...(number | bigint)[]][] = [
    ['fd_advise', NO_FD, 0n, 0n, 0],
    ['fd_allocate', NO_FD, 0n, 1n],
    ['fd_close', NO_FD],
    ['fd_datasync', NO_FD],
    ['fd_fdstat_get', NO_FD, OUT],
    ['fd_fdstat_set_flags', NO_FD, 0],
    ['fd_fdstat_set_rights', NO_FD, 0n, 0n],
    ['fd_filestat_get', NO_FD, OUT],
    ['fd_filestat_set_size', NO_FD, 0n],
    ['fd_filestat_set_times', NO_FD, 0n, 0n, 0],
    ['fd_pread', NO_FD, 256, 0, 0n, OUT],
    ['fd_prestat_dir_name', NO_FD, BUFFER, 10],
    ['fd_prestat_get', NO_FD, OUT],
    ['fd_pwrite', NO_FD, 256, 0, 0n, OUT],
    ['fd_read', NO_FD, 256, 0, OUT],
    ['fd_readdir', NO_FD, BUFFER, 100, 0n, OUT],
    ['fd_renumber', NO_FD, 1],
    ['fd_renumber', 1, NO_FD],
    ['fd_seek', NO_FD, 0n, 0, OUT],
    ['fd_sync', NO_FD],
    ['fd_tell', NO_FD, OUT],
    ['fd_write', NO_FD, 256, 0, OUT],
    ['path_create_directory', NO_FD, 1024, 1],
    ['path_filestat_get', NO_FD, 0, 1024, 1, OUT],
    ['path_filestat_set_times', NO_FD, 0, 1024, 1, 0n, 0n, 0],
    ['path_link', NO_FD, 0, 1024, 1, 3, 1024, 1],
    ['path_link', 3, 0, 1024, 1, NO_FD, 1024, 1],
    ['path_open', NO_FD, 0, 1024, 1, 0, 0n, 0n, 0, OUT],
    ['path_readlink', NO_FD, 1024, 1, BUFFER, 100, OUT],
    ['path_remove_directory', NO_FD, 1024, 1],
    ['path_rename', NO_FD, 1024, 1, 3, 1024, 1],
    ['path_rename', 3, 1024, 1, NO_FD, 1024, 1],
    ['path_symlink', 1024, 1, NO_FD, 1024, 1],
    ['path_unlink_file', NO_FD, 1024, 1],
    ['sock_accept', NO_FD, 0, OUT],
    ['sock_recv', NO_FD, 256, 0, 0, OUT, OUT + 8],
    ['sock_send', NO_FD, 256, 0, 0, OUT],
    ['sock_shutdown', NO_FD, 1],
  ];
  test.each(calls)('%s(%s, …)', (name, ...args) => {
    guest.put('x');
    expect(guest.call(name, ...args)).toBe('EBADF');
  });
});

type Case = [what: string, call: (guest: TestGuest) => unknown, errno: string];

const at = (name: string, path: string, lookup = LOOKUP_FOLLOW): Case[1] =>
  name === 'path_filestat_get'
    ? (g) => g.call(name, 3, lookup, ...g.put(path), OUT)
    : (g) => g.call('path_filestat_set_times', 3, lookup, ...g.put(path), 1n, 1n, 5);
const open =
  (path: string, how: Parameters<TestGuest['open']>[1] = {}): Case[1] =>
  (g) =>
    g.open(path, how);
const readlink =
  (path: string): Case[1] =>
  (g) =>
    g.call('path_readlink', 3, ...g.put(path), BUFFER, 100, OUT);
const WRITE = { rights: INHERITED_RIGHTS };
const LONG = 'n'.repeat(256);

const PATHS: [string, Case[]][] = [
  [
    'path_open',
    [
      ['nothing there', open('none'), 'ENOENT'],
      ['no folder on the way', open('none/x'), 'ENOENT'],
      ['a file on the way', open('file/x'), 'ENOTDIR'],
      ['a file as a directory', open('file', { oflags: OFLAG.DIRECTORY }), 'ENOTDIR'],
      ['a directory to write', open('empty', WRITE), 'EISDIR'],
      ['a directory to create', open('empty', { oflags: OFLAG.CREAT }), 'EISDIR'],
      ['what exists, exclusively', open('file', { ...WRITE, oflags: OFLAG.CREAT | OFLAG.EXCL }), 'EEXIST'],
      ['a link, exclusively', open('dangling', { ...WRITE, oflags: OFLAG.CREAT | OFLAG.EXCL }), 'EEXIST'],
      ['to create a directory', open('new', { oflags: OFLAG.CREAT | OFLAG.DIRECTORY }), 'EINVAL'],
      ['to cut off a directory', open('empty', { oflags: OFLAG.TRUNC | OFLAG.DIRECTORY }), 'EINVAL'],
      ['a loop of links', open('loop'), 'ELOOP'],
      ['a link that is not to be followed', open('link', { nofollow: true }), 'ELOOP'],
      ['a dangling link', open('dangling'), 'ENOENT'],
      ['a name that is too long', open(LONG), 'ENAMETOOLONG'],
      ['a path that is too long', open('a/'.repeat(2048)), 'ENAMETOOLONG'],
      ['no path', open(''), 'ENOENT'],
      ['an absolute path', open('/file'), 'EPERM'],
      ['a NUL', open('fi\0le'), 'EINVAL'],
      [
        'no UTF-8',
        (g) => (g.bytes.set([0xc3, 0x28], 1024), g.call('path_open', 3, 0, 1024, 2, 0, 0n, 0n, 0, OUT)),
        'EILSEQ',
      ],
      ['flags that do not exist', open('file', { fdflags: 32 }), 'EINVAL'],
      [
        'rights beyond the parent’s',
        (g) => (
          g.call('fd_fdstat_set_rights', 3, BigInt(RIGHT.PATH_OPEN), BigInt(RIGHT.FD_READ)),
          g.open('file', WRITE)
        ),
        'ENOTCAPABLE',
      ],
      ['below a file', (g) => g.open('x', { fd: g.mustOpen('file') }), 'ENOTDIR'],
    ],
  ],
  [
    'path_create_directory',
    [
      ['a file there', (g) => g.path('path_create_directory', 'file'), 'EEXIST'],
      ['a dangling link there', (g) => g.path('path_create_directory', 'dangling'), 'EEXIST'],
      ['no folder on the way', (g) => g.path('path_create_directory', 'none/x'), 'ENOENT'],
      ['a file on the way', (g) => g.path('path_create_directory', 'file/x'), 'ENOTDIR'],
      ['the root', (g) => g.path('path_create_directory', '.'), 'EEXIST'],
      ['a mount', (g) => g.path('path_create_directory', 'vol'), 'EEXIST'],
      ['a name that is too long', (g) => g.path('path_create_directory', LONG), 'ENAMETOOLONG'],
    ],
  ],
  [
    'path_remove_directory',
    [
      ['nothing there', (g) => g.path('path_remove_directory', 'none'), 'ENOENT'],
      ['a file', (g) => g.path('path_remove_directory', 'file'), 'ENOTDIR'],
      ['a link', (g) => g.path('path_remove_directory', 'link'), 'ENOTDIR'],
      ['one that is not empty', (g) => g.path('path_remove_directory', 'full'), 'ENOTEMPTY'],
      ['itself', (g) => g.path('path_remove_directory', '.'), 'EINVAL'],
      ['a mount', (g) => g.path('path_remove_directory', 'vol'), 'EBUSY'],
    ],
  ],
  [
    'path_unlink_file',
    [
      ['nothing there', (g) => g.path('path_unlink_file', 'none'), 'ENOENT'],
      ['a directory', (g) => g.path('path_unlink_file', 'empty'), 'EISDIR'],
      ['a file with a slash', (g) => g.path('path_unlink_file', 'file/'), 'ENOTDIR'],
      ['a mount', (g) => g.path('path_unlink_file', 'vol'), 'EISDIR'],
    ],
  ],
  [
    'path_rename',
    [
      ['nothing there', (g) => g.rename('none', 'x'), 'ENOENT'],
      ['a file onto a directory', (g) => g.rename('file', 'empty'), 'EISDIR'],
      ['a directory onto a file', (g) => g.rename('empty', 'file'), 'ENOTDIR'],
      ['a directory onto one that is not empty', (g) => g.rename('empty', 'full'), 'ENOTEMPTY'],
      ['a directory into itself', (g) => g.rename('full', 'full/inner/x'), 'EINVAL'],
      ['into a mount', (g) => g.rename('file', 'vol/moved'), 'EXDEV'],
      ['out of a mount', (g) => g.rename('vol/file', 'moved'), 'EXDEV'],
      ['a directory between mounts', (g) => g.rename('vol/folder', 'moved'), 'EXDEV'],
      ['a mount', (g) => g.rename('vol', 'moved'), 'EBUSY'],
      ['a file to a name with a slash', (g) => g.rename('file', 'x/'), 'ENOTDIR'],
    ],
  ],
  [
    'path_link',
    [
      ['nothing there', (g) => g.link('none', 'x'), 'ENOENT'],
      ['a directory', (g) => g.link('empty', 'x'), 'EPERM'],
      ['onto what exists', (g) => g.link('file', 'link'), 'EEXIST'],
      ['into a mount', (g) => g.link('file', 'vol/x'), 'EXDEV'],
      ['following links', (g) => g.call('path_link', 3, 1, ...g.put('link'), 3, ...g.put('x', PATH2)), 'EINVAL'],
    ],
  ],
  [
    'path_symlink',
    [
      ['onto what exists', (g) => g.symlink('a', 'file'), 'EEXIST'],
      ['with an absolute text', (g) => g.symlink('/a', 'x'), 'EPERM'],
      ['without a text', (g) => g.symlink('', 'x'), 'ENOENT'],
      ['in no folder', (g) => g.symlink('a', 'none/x'), 'ENOENT'],
    ],
  ],
  [
    'path_readlink',
    [
      ['nothing there', readlink('none'), 'ENOENT'],
      ['a file', readlink('file'), 'EINVAL'],
      ['a file with a slash', readlink('file/'), 'ENOTDIR'],
      ['a directory', readlink('empty'), 'EINVAL'],
      ['a mount', readlink('vol'), 'EINVAL'],
    ],
  ],
  ...['path_filestat_get', 'path_filestat_set_times'].map((name): [string, Case[]] => [
    name,
    [
      ['nothing there', at(name, 'none'), 'ENOENT'],
      ['a dangling link, followed', at(name, 'dangling'), 'ENOENT'],
      ['a dangling link itself', at(name, 'dangling', 0), 'ok'],
      ['a loop, followed', at(name, 'loop'), 'ELOOP'],
      ['a file with a slash', at(name, 'file/'), 'ENOTDIR'],
      ['a file on the way', at(name, 'file/x'), 'ENOTDIR'],
    ],
  ]),
];

describe.each(PATHS)('%s', (_name, cases) => {
  test.each(cases)('%s', (_what, call, errno) => {
    expect(call(guest)).toBe(errno);
  });
});

describe('what Linux lets a program do with open files', () => {
  test('one that was unlinked is read, written and looked at until it is closed', () => {
    const fd = guest.mustOpen('file', WRITE);
    expect(guest.path('path_unlink_file', 'file')).toBe('ok');
    expect(existsSync(join(sandbox.path, 'root/file'))).toBe(false);
    expect(guest.write(fd, 'CON')).toBe('ok');
    expect(guest.call('fd_seek', fd, 0n, 0, OUT)).toBe('ok');
    expect(guest.read(fd)).toBe('CONtent');
    expect(guest.call('fd_filestat_get', fd, OUT)).toBe('ok');
    expect(guest.u64(OUT + 24)).toBe(0n);
  });

  test('a directory that was removed is empty, and nothing can be made in it', () => {
    const fd = guest.mustOpen('empty', { oflags: OFLAG.DIRECTORY });
    expect(guest.path('path_remove_directory', 'empty')).toBe('ok');
    expect(guest.path('path_create_directory', 'x', fd)).toBe('ENOENT');
  });

  test('appending stays appending after seeking, and pwrite is not told where', () => {
    const fd = guest.mustOpen('file', { ...WRITE, fdflags: FDFLAG.APPEND });
    guest.call('fd_seek', fd, 0n, 0, OUT);
    expect(guest.write(fd, '+')).toBe('ok');
    expect(guest.readFile('file')).toBe('content+');
  });

  test('a clock subscription is reported beside a descriptor that is ready, in one call', async () => {
    const fd = guest.mustOpen('file');
    guest.bytes.fill(0, 2048, 2048 + 96);
    guest.memory.setUint32(2048 + 16, 1, true);
    guest.memory.setBigUint64(2048 + 48, 9n, true);
    guest.bytes[2048 + 56] = 1;
    guest.memory.setUint32(2048 + 64, fd, true);
    expect(await guest.wait('poll_oneoff', 2048, 4096, 2, OUT)).toBe('ok');
    expect(guest.u32()).toBe(2);
    expect([guest.u64(4096 + 32), guest.u64(4096 + 48)]).toEqual([9n, 7n]);
  });
});
