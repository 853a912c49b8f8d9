import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { MAX_DESCRIPTORS } from '../core/descriptor-table.ts';
import { WasiExit } from '../wasi.ts';
import { FDFLAG, INHERITED_RIGHTS, OFLAG, RIGHT } from './abi.ts';
import { Sandbox, TestGuest } from './test-guest.ts';

const ALL = { rights: INHERITED_RIGHTS };
const OUT = 512;
const BUFFER = 16_384;
const BAD_POINTER = 65_534;

let sandbox: Sandbox;
let root: string;
let guest: TestGuest;

beforeEach(() => {
  sandbox = new Sandbox();
  root = sandbox.folder('root');
  guest = new TestGuest({ root, args: ['prog', 'ä b', 'cut\0off'], env: ['A=1'], workingDir: '/srv' });
});

afterEach(() => {
  guest[Symbol.dispose]();
  sandbox[Symbol.dispose]();
});

test('all 46 functions of the specification are there, and only those that can wait suspend', () => {
  const functions = Object.entries(guest.wasi.imports.wasi_snapshot_preview1);
  expect(functions).toHaveLength(46);
  const waiting = functions.filter(([, { suspends }]) => suspends).map(([name]) => name);
  expect(waiting.sort()).toEqual(['fd_read', 'poll_oneoff', 'sched_yield', 'sock_accept', 'sock_recv', 'sock_send']);
});

describe('a pointer that leaves the memory is EFAULT', () => {
  const p = BAD_POINTER;
  const calls: [string, ...(number | bigint)[]][] = [
    ['args_get', p, 0],
    ['args_get', 0, p],
    ['args_sizes_get', p, 0],
    ['args_sizes_get', 0, p],
    ['environ_get', 0, p],
    ['clock_time_get', 0, 0n, p],
    ['clock_res_get', 0, p],
    ['fd_fdstat_get', 1, p],
    ['fd_filestat_get', 3, p],
    ['fd_prestat_get', 3, p],
    ['fd_prestat_dir_name', 3, -1, 1],
    ['fd_write', 1, p, 1, 0],
    ['fd_write', 1, -8, 1, 0],
    ['fd_write', 1, 0, 1, p],
    ['fd_write', 1, 8192, 1024, 0],
    ['fd_read', 0, p, 1, 0],
    ['fd_readdir', 3, p, 100, 0n, 0],
    ['fd_readdir', 3, 0, 100, 0n, p],
    ['path_open', 3, 0, p, 10, 0, 0n, 0n, 0, 0],
    ['path_open', 3, 0, 1024, 1, 1, 0n, 0n, 0, p],
    ['path_filestat_get', 3, 0, p, 10, 0],
    ['path_create_directory', 3, p, 10],
    ['path_readlink', 3, 0, 1, p, 100, 0],
    ['path_symlink', p, 10, 3, 0, 1],
    ['poll_oneoff', p, 0, 1, 0],
    ['poll_oneoff', 0, p, 1, 0],
    ['poll_oneoff', 0, 0, 1, p],
    ['random_get', 0, -1],
    ['random_get', -1, 2],
  ];

  test.each(calls)('%s(%s, %s, …)', (name, ...args) => {
    // Where paths are read: a name; at 8192: iovecs that are fine by themselves.
    guest.put('x');
    for (let at = 8192; at < BAD_POINTER - 8; at += 8) {
      guest.memory.setUint32(at, -4, true);
      guest.memory.setUint32(at + 4, 8, true);
    }
    expect(guest.call(name, ...args)).toBe('EFAULT');
  });

  test('and nothing has been written or created by then', () => {
    guest.put('x');
    expect(guest.call('path_open', 3, 0, 1024, 1, OFLAG.CREAT, 0n, 0n, 0, BAD_POINTER)).toBe('EFAULT');
    expect(guest.stat('x')).toBe('ENOENT');
    expect(guest.call('fd_write', 1, ...guest.iovec(...guest.put('line')), BAD_POINTER)).toBe('EFAULT');
    expect(guest.written).toEqual([]);
  });
});

describe('arguments and environment', () => {
  const strings = (name: string): string[] => {
    expect(guest.call(`${name}_sizes_get`, 0, 4)).toBe('ok');
    const [count, size] = [guest.u32(0), guest.u32(4)];
    expect(guest.call(`${name}_get`, 16, BUFFER)).toBe('ok');
    const all = guest.text(size);
    expect(guest.u32(16)).toBe(BUFFER);
    expect(all.endsWith('\0')).toBe(true);
    const list = all.slice(0, -1).split('\0');
    expect(list).toHaveLength(count);
    return list;
  };

  test('arrive whole, cut off at a NUL', () => {
    expect(strings('args')).toEqual(['prog', 'ä b', 'cut']);
  });

  test('PWD tells the working directory, where it is not / and the pod does not set it', () => {
    expect(strings('environ')).toEqual(['A=1', 'PWD=/srv']);
    using own = new TestGuest({ root, env: ['PWD=/x'], workingDir: '/srv' });
    guest = own;
    expect(strings('environ')).toEqual(['PWD=/x']);
  });
});

describe('clocks', () => {
  test('the time of day is the host’s, and the monotonic clock goes on', () => {
    expect(guest.call('clock_time_get', 0, 0n, OUT)).toBe('ok');
    expect(Math.abs(Number(guest.u64() / 1_000_000n) - Date.now())).toBeLessThan(1000);
    guest.call('clock_time_get', 1, 0n, OUT);
    const first = guest.u64();
    guest.call('clock_time_get', 1, 0n, OUT);
    expect(guest.u64()).toBeGreaterThan(first);
  });

  test('CPU clocks count, an unknown one is EINVAL', () => {
    for (const clock of [2, 3]) {
      expect(guest.call('clock_time_get', clock, 0n, OUT)).toBe('ok');
      expect(guest.u64()).toBeGreaterThan(0n);
      expect(guest.call('clock_res_get', clock, OUT)).toBe('ok');
    }
    expect(guest.call('clock_time_get', 4, 0n, OUT)).toBe('EINVAL');
    expect(guest.call('clock_res_get', -1, OUT)).toBe('EINVAL');
  });
});

describe('standard streams', () => {
  test('a write of several buffers reaches the sink as one', () => {
    guest.iovec(...guest.put('one '), 256);
    guest.iovec(...guest.put('two', 2048), 264);
    expect(guest.call('fd_write', 1, 256, 2, OUT)).toBe('ok');
    expect(guest.u32()).toBe(7);
    expect(guest.written).toEqual(['one two']);
  });

  test('an empty write is none, more than 1024 buffers are EINVAL', () => {
    expect(guest.write(2, '')).toBe('ok');
    expect(guest.call('fd_write', 1, 0, 1025, OUT)).toBe('EINVAL');
    expect(guest.written).toEqual([]);
  });

  test('have no position, and each its direction', () => {
    expect(guest.call('fd_seek', 1, 0n, 0, OUT)).toBe('ESPIPE');
    expect(guest.call('fd_tell', 0, OUT)).toBe('ESPIPE');
    expect(guest.write(0, 'x')).toBe('EBADF');
    expect(guest.read(1)).toBe('EBADF');
  });

  test('are a terminal only where the pod asks for one', () => {
    guest.call('fd_fdstat_get', 1, OUT);
    expect(guest.bytes[OUT]).toBe(0);
    using other = new TestGuest({ root, tty: true });
    other.call('fd_fdstat_get', 1, OUT);
    expect(other.bytes[OUT]).toBe(2);
    // isatty of wasi-libc: a character device without the rights to seek and tell.
    expect(Number(other.u64(OUT + 8)) & (RIGHT.FD_SEEK | RIGHT.FD_TELL)).toBe(0);
  });

  test('a read waits for input, gives what has come, keeps the rest, and ends', async () => {
    const input = Promise.withResolvers<Uint8Array>();
    const chunks = [input.promise, Promise.resolve(new Uint8Array(0))];
    using other = new TestGuest({ root, stdin: { read: () => chunks.shift() ?? new Uint8Array(0) } });
    const first = other.wait('fd_read', 0, ...other.iovec(BUFFER, 3), OUT);
    input.resolve(Buffer.from('hello'));
    expect(await first).toBe('ok');
    expect(other.text(other.u32())).toBe('hel');
    expect(other.read(0)).toBe('lo');
    expect(await other.wait('fd_read', 0, ...other.iovec(BUFFER, 3), OUT)).toBe('ok');
    expect(other.u32()).toBe(0);
    expect(other.read(0)).toBe('');
  });

  test('a non-blocking read without input is EAGAIN', () => {
    using other = new TestGuest({ root, stdin: { read: () => new Promise<Uint8Array>(() => undefined) } });
    expect(other.call('fd_fdstat_set_flags', 0, FDFLAG.NONBLOCK)).toBe('ok');
    expect(other.read(0)).toBe('EAGAIN');
  });

  test('a sink that fails becomes the errno of the write', () => {
    guest.written.push = () => {
      throw Object.assign(new Error('disk full'), { code: 'ENOSPC' });
    };
    expect(guest.write(1, 'x')).toBe('ENOSPC');
  });
});

describe('descriptors', () => {
  test('3 is the directory /, and 4 is none', () => {
    expect(guest.call('fd_prestat_get', 3, OUT)).toBe('ok');
    expect([guest.u32(), guest.u32(OUT + 4)]).toEqual([0, 1]);
    expect(guest.call('fd_prestat_dir_name', 3, BUFFER, 1)).toBe('ok');
    expect(guest.text(1)).toBe('/');
    expect(guest.call('fd_prestat_dir_name', 3, BUFFER, 0)).toBe('ENAMETOOLONG');
    expect(guest.call('fd_prestat_get', 4, OUT)).toBe('EBADF');
    expect(guest.call('fd_prestat_get', 1, OUT)).toBe('EBADF');
  });

  test('are given out lowest first, and closed once', () => {
    guest.create('f');
    const [a, b] = [guest.mustOpen('f'), guest.mustOpen('f')];
    expect([a, b]).toEqual([4, 5]);
    expect(guest.call('fd_close', a)).toBe('ok');
    expect(guest.call('fd_close', a)).toBe('EBADF');
    expect(guest.mustOpen('f')).toBe(4);
    for (const fd of [99, -1]) expect(guest.call('fd_close', fd)).toBe('EBADF');
  });

  test('cannot be had without end', () => {
    guest.create('f');
    for (let fd = 4; fd < MAX_DESCRIPTORS; fd++) guest.mustOpen('f');
    expect(guest.open('f')).toBe('EMFILE');
    expect(guest.open('new', { oflags: OFLAG.CREAT })).toBe('EMFILE');
    expect(guest.stat('new')).toBe('ENOENT');
  });

  test('can be renumbered onto one that is open', () => {
    guest.create('a', 'a');
    guest.create('b', 'b');
    const [a, b] = [guest.mustOpen('a'), guest.mustOpen('b')];
    expect(guest.call('fd_renumber', a, b)).toBe('ok');
    expect(guest.read(b)).toBe('a');
    expect(guest.call('fd_renumber', b, a)).toBe('EBADF');
    expect(guest.call('fd_renumber', b, b)).toBe('ok');
  });

  test('rights can be given up but not taken', () => {
    guest.create('f', 'x');
    const fd = guest.mustOpen('f', ALL);
    expect(guest.call('fd_fdstat_set_rights', fd, BigInt(RIGHT.FD_SEEK), 0n)).toBe('ok');
    expect(guest.read(fd)).toBe('EBADF');
    expect(guest.write(fd, 'y')).toBe('EBADF');
    expect(guest.call('fd_tell', fd, OUT)).toBe('ok');
    expect(guest.call('fd_fdstat_set_rights', fd, BigInt(RIGHT.FD_READ), 0n)).toBe('ENOTCAPABLE');
    const dir = guest.mustOpen('.', { oflags: OFLAG.DIRECTORY, rights: RIGHT.PATH_OPEN });
    expect(guest.open('new', { fd: dir, oflags: OFLAG.CREAT })).toBe('ENOTCAPABLE');
    guest.call('fd_fdstat_set_rights', dir, BigInt(RIGHT.PATH_OPEN), BigInt(RIGHT.FD_READ));
    expect(guest.call('path_open', dir, 0, ...guest.put('f'), 0, BigInt(RIGHT.FD_WRITE), 0n, 0, OUT)).toBe(
      'ENOTCAPABLE',
    );
    expect(guest.call('path_open', dir, 0, ...guest.put('f'), 0, BigInt(RIGHT.FD_READ), 0n, 0, OUT)).toBe('ok');
  });

  test('what a directory is asked to let inherit does not bound what is opened in it, as under wasmtime', () => {
    guest.create('f', 'x');
    const [path, length] = guest.put('.');
    const rights = BigInt(RIGHT.PATH_OPEN | RIGHT.SOCK_SHUTDOWN);
    expect(guest.call('path_open', 3, 0, path, length, OFLAG.DIRECTORY, rights, 0n, 0, OUT)).toBe('ok');
    const dir = guest.u32();
    expect(guest.write(guest.mustOpen('f', { fd: dir, ...ALL }), 'y')).toBe('ok');
    expect(readFileSync(join(root, 'f'), 'utf8')).toBe('y');
  });

  test('what is open can be asked for its size without a right to', () => {
    guest.create('f', 'x');
    const fd = guest.mustOpen('f', { rights: RIGHT.FD_WRITE });
    expect(guest.call('fd_filestat_get', fd, OUT)).toBe('ok');
    expect(guest.u64(OUT + 32)).toBe(1n);
  });

  test('a directory is none for what only files can', () => {
    const iovec = guest.iovec(BUFFER, 8);
    expect(guest.read(3)).toBe('EISDIR');
    expect(guest.write(3, 'x')).toBe('EBADF');
    expect(guest.call('fd_pread', 3, ...iovec, 0n, OUT)).toBe('EBADF');
    expect(guest.call('fd_seek', 3, 0n, 0, OUT)).toBe('EBADF');
    expect(guest.call('fd_filestat_set_size', 3, 0n)).toBe('EBADF');
    expect(guest.call('fd_allocate', 3, 0n, 1n)).toBe('EBADF');
    expect(guest.call('fd_sync', 3)).toBe('ok');
    expect(guest.call('fd_readdir', 1, BUFFER, 8, 0n, OUT)).toBe('ENOTDIR');
  });
});

describe('files', () => {
  test('are written, sought and read; a position may lie behind the end, not before the start', () => {
    const fd = guest.mustOpen('f', { ...ALL, oflags: OFLAG.CREAT });
    expect(guest.write(fd, 'hello world')).toBe('ok');
    expect(guest.call('fd_seek', fd, -5n, 1, OUT)).toBe('ok');
    expect(guest.u64()).toBe(6n);
    expect(guest.read(fd)).toBe('world');
    expect(guest.call('fd_seek', fd, -1n, 0, OUT)).toBe('EINVAL');
    expect(guest.call('fd_seek', fd, 0n, 3, OUT)).toBe('EINVAL');
    expect(guest.call('fd_seek', fd, 2n, 2, OUT)).toBe('ok');
    guest.write(fd, '!');
    expect(readFileSync(join(root, 'f'), 'utf8')).toBe('hello world\0\0!');
    expect(guest.call('fd_seek', fd, 1n << 60n, 0, OUT)).toBe('EINVAL');
  });

  test('pread and pwrite leave the position', () => {
    const fd = guest.mustOpen('f', { ...ALL, oflags: OFLAG.CREAT });
    guest.write(fd, 'abcdef');
    expect(guest.call('fd_pwrite', fd, ...guest.iovec(...guest.put('XY')), 2n, OUT)).toBe('ok');
    expect(guest.call('fd_pread', fd, ...guest.iovec(BUFFER, 3), 1n, OUT)).toBe('ok');
    expect(guest.text(guest.u32())).toBe('bXY');
    guest.call('fd_tell', fd, OUT);
    expect(guest.u64()).toBe(6n);
    expect(guest.call('fd_pread', fd, ...guest.iovec(BUFFER, 3), -1n, OUT)).toBe('EINVAL');
  });

  test('append goes to the end wherever the position is, until it is switched off', () => {
    const fd = guest.mustOpen('f', { ...ALL, oflags: OFLAG.CREAT, fdflags: FDFLAG.APPEND });
    guest.write(fd, 'one');
    guest.call('fd_seek', fd, 0n, 0, OUT);
    guest.write(fd, 'two');
    guest.call('fd_tell', fd, OUT);
    expect(guest.u64()).toBe(6n);
    expect(guest.call('fd_fdstat_set_flags', fd, 0)).toBe('ok');
    guest.call('fd_seek', fd, 0n, 0, OUT);
    guest.write(fd, 'ONE');
    expect(readFileSync(join(root, 'f'), 'utf8')).toBe('ONEtwo');
    expect(guest.call('fd_fdstat_set_flags', fd, 64)).toBe('EINVAL');
  });

  test('size, allocation, advice, sync', () => {
    const fd = guest.mustOpen('f', { ...ALL, oflags: OFLAG.CREAT });
    expect(guest.call('fd_filestat_set_size', fd, 100n)).toBe('ok');
    expect(guest.call('fd_allocate', fd, 100n, 28n)).toBe('ok');
    expect(guest.call('fd_allocate', fd, 0n, 1n)).toBe('ok');
    expect(guest.call('fd_allocate', fd, 0n, 0n)).toBe('EINVAL');
    expect(statSync(join(root, 'f')).size).toBe(128);
    expect(guest.call('fd_advise', fd, 0n, 10n, 0)).toBe('ok');
    expect(guest.call('fd_advise', fd, 0n, 10n, 6)).toBe('EINVAL');
    expect(guest.call('fd_sync', fd)).toBe('ok');
    expect(guest.call('fd_datasync', fd)).toBe('ok');
  });

  test('times are set one by one, to microseconds, and not both given and the present', () => {
    guest.create('f');
    const set = (atime: bigint, mtime: bigint, flags: number) =>
      guest.call('path_filestat_set_times', 3, 0, ...guest.put('f'), atime, mtime, flags);
    const times = () => statSync(join(root, 'f'), { bigint: true });
    const { atimeNs } = times();
    expect(set(0n, 1_700_000_000_123_456_000n, 4)).toBe('ok');
    expect(times().atimeNs).toBe(atimeNs);
    expect(Number(times().mtimeNs - 1_700_000_000_123_456_000n)).toBeLessThan(1000);
    expect(set(0n, 0n, 2)).toBe('ok');
    expect(times().atimeNs).toBeGreaterThan(atimeNs - 1n);
    expect(set(0n, 0n, 3)).toBe('EINVAL');
    expect(set(0n, 0n, 12)).toBe('EINVAL');
  });

  test('open: each flag and its errno', () => {
    mkdirSync(join(root, 'dir'));
    guest.create('f', 'content');
    expect(guest.open('none')).toBe('ENOENT');
    expect(guest.open('f/x')).toBe('ENOTDIR');
    expect(guest.open('f/')).toBe('ENOTDIR');
    expect(guest.open('f', { oflags: OFLAG.DIRECTORY })).toBe('ENOTDIR');
    expect(guest.open('f', { oflags: OFLAG.CREAT | OFLAG.EXCL })).toBe('EEXIST');
    expect(guest.open('dir', ALL)).toBe('EISDIR');
    expect(guest.open('new/', { oflags: OFLAG.CREAT })).toBe('EISDIR');
    expect(guest.open('')).toBe('ENOENT');
    expect(guest.open('n'.repeat(256))).toBe('ENAMETOOLONG');
    expect(guest.open('n/'.repeat(2100))).toBe('ENAMETOOLONG');
    expect(guest.open('f', { fdflags: 64 })).toBe('EINVAL');
    expect(guest.open('f', { fd: 1 })).toBe('ENOTDIR');
    expect(guest.open('f', { fd: 77 })).toBe('EBADF');
    guest.bytes.set([0xff, 0xfe], 1024);
    expect(guest.call('path_open', 3, 0, 1024, 2, 0, 0n, 0n, 0, OUT)).toBe('EILSEQ');
    expect(guest.readFile('f', { oflags: OFLAG.TRUNC })).toBe('');
    expect(typeof guest.open('dir')).toBe('number');
    expect(typeof guest.open('dir/', { oflags: OFLAG.DIRECTORY })).toBe('number');
    expect(typeof guest.open('.')).toBe('number');
  });

  test('a FIFO in a volume neither opens nor hangs', () => {
    execFileSync('mkfifo', [join(root, 'fifo')]);
    expect(guest.open('fifo')).toBe('ENOTSUP');
    expect(guest.open('fifo', { rights: RIGHT.FD_WRITE })).toBe('ENXIO');
  });

  test('directories, links and names', () => {
    expect(guest.path('path_create_directory', 'a')).toBe('ok');
    expect(guest.path('path_create_directory', 'a/b/')).toBe('ok');
    expect(guest.path('path_create_directory', 'a')).toBe('EEXIST');
    expect(guest.path('path_create_directory', '.')).toBe('EEXIST');
    expect(guest.path('path_create_directory', 'x/y')).toBe('ENOENT');
    expect(guest.path('path_remove_directory', 'a')).toBe('ENOTEMPTY');
    expect(guest.path('path_remove_directory', '.')).toBe('EINVAL');
    guest.create('a/f', 'f');
    expect(guest.path('path_remove_directory', 'a/f')).toBe('ENOTDIR');
    expect(guest.path('path_unlink_file', 'a')).toBe('EISDIR');
    expect(guest.path('path_unlink_file', 'a/f/')).toBe('ENOTDIR');
    expect(guest.link('a/f', 'hard')).toBe('ok');
    expect(guest.link('a/f', 'hard')).toBe('EEXIST');
    expect(guest.link('a', 'harddir')).toBe('EPERM');
    expect(guest.link('a/f', 'new/')).toBe('ENOENT');
    expect(guest.symlink('f', 'a/l')).toBe('ok');
    expect(guest.symlink('f', 'a/l')).toBe('EEXIST');
    expect(guest.symlink('x', 'dangling/')).toBe('ENOENT');
    expect(guest.symlink('', 'l')).toBe('ENOENT');
    expect(guest.readFile('a/l')).toBe('f');
    expect(guest.open('a/l', { nofollow: true })).toBe('ELOOP');
    expect(guest.stat('a/l', false)).toMatchObject({ type: 7 });
    expect(guest.stat('a/l')).toMatchObject({ type: 4, size: 1 });
    expect(guest.call('path_readlink', 3, ...guest.put('a/l'), BUFFER, 100, OUT)).toBe('ok');
    expect(guest.text(guest.u32())).toBe('f');
    expect(guest.call('path_readlink', 3, ...guest.put('a/f'), BUFFER, 100, OUT)).toBe('EINVAL');
    expect(guest.rename('a/', 'c/')).toBe('ok');
    expect(guest.rename('hard', 'c/b')).toBe('EISDIR');
    expect(guest.rename('hard/', 'x')).toBe('ENOTDIR');
    expect(guest.rename('c', 'c/b/sub')).toBe('EINVAL');
    expect(guest.rename('none', 'x')).toBe('ENOENT');
    expect(guest.list('c')).toEqual(['.', '..', 'b', 'f', 'l']);
  });

  test('a long directory is read through a small buffer, whole and once', () => {
    const names = Array.from({ length: 300 }, (_, index) => `file-${index}`);
    for (const name of names) writeFileSync(join(root, name), '');
    expect(guest.list('.', 64)).toEqual(['.', '..', ...names].sort());
  });

  test('readdir tells the inode and type that stat tells', () => {
    guest.create('f');
    const fd = guest.mustOpen('.', { oflags: OFLAG.DIRECTORY });
    expect(guest.call('fd_readdir', fd, BUFFER, 1000, 2n, OUT)).toBe('ok');
    expect(guest.u32()).toBe(25);
    const [ino, type] = [guest.u64(BUFFER + 8), guest.bytes[BUFFER + 20]];
    expect(ino).toBe(statSync(join(root, 'f'), { bigint: true }).ino);
    expect(guest.stat('f')).toMatchObject({ type, ino });
  });

  test("readdir knows an inode of '..', for which wasi-libc's scandir would ask in vain", () => {
    const fd = guest.mustOpen('.', { oflags: OFLAG.DIRECTORY });
    expect(guest.call('fd_readdir', fd, BUFFER, 1000, 1n, OUT)).toBe('ok');
    expect([guest.u64(BUFFER + 8), guest.u32(BUFFER + 16)]).toEqual([statSync(root, { bigint: true }).ino, 2]);
  });
});

describe('mounts', () => {
  test('are seen at any depth, also where the root lacks the way there', () => {
    const volume = sandbox.folder('volume');
    const nested = sandbox.folder('nested');
    writeFileSync(join(volume, 'v'), 'v');
    writeFileSync(join(nested, 'n'), 'n');
    writeFileSync(join(sandbox.path, 'single'), 's');
    using other = new TestGuest({
      root,
      mounts: [
        { guestPath: '/a/b/vol/nested', hostPath: nested, readonly: false },
        { guestPath: '/a/b/vol', hostPath: volume, readonly: true },
        { guestPath: '/etc/single', hostPath: join(sandbox.path, 'single'), readonly: false },
      ],
    });
    expect(other.list('.')).toEqual(['.', '..', 'a', 'etc']);
    expect(other.list('a/b')).toEqual(['.', '..', 'vol']);
    expect(other.list('a/b/vol')).toEqual(['.', '..', 'nested', 'v']);
    expect(other.readFile('a/b/vol/v')).toBe('v');
    expect(other.readFile('a/b/vol/nested/../v')).toBe('v');
    expect(other.create('a/b/vol/nested/new', 'x')).toBe('ok');
    expect(readFileSync(join(nested, 'new'), 'utf8')).toBe('x');
    expect(other.create('a/new', 'x')).toBe('EROFS');
    expect(other.create('etc/single', 'changed')).toBe('ok');
    expect(readFileSync(join(sandbox.path, 'single'), 'utf8')).toBe('changed');
    expect(other.stat('a')).toMatchObject({ type: 3 });
    expect(other.stat('etc/single')).toMatchObject({ type: 4, size: 7 });
  });

  test('lie where links of the image lead, as with /var/run', () => {
    mkdirSync(join(root, 'run'));
    mkdirSync(join(root, 'var'));
    execFileSync('ln', ['-s', '/run', join(root, 'var/run')]);
    const token = sandbox.folder('token');
    writeFileSync(join(token, 'token'), 'T');
    using other = new TestGuest({
      root,
      mounts: [{ guestPath: '/var/run/secrets/kubernetes.io', hostPath: token, readonly: true }],
    });
    expect(other.readFile('var/run/secrets/kubernetes.io/token')).toBe('T');
    expect(other.readFile('run/secrets/kubernetes.io/token')).toBe('T');
  });

  test('a mount at / stands in for the root folder', () => {
    writeFileSync(join(root, 'f'), 'f');
    const mounts = [{ guestPath: '/', hostPath: root, readonly: true }];
    using other = new TestGuest({ root: sandbox.folder('empty'), mounts });
    expect(other.readFile('f')).toBe('f');
    expect(other.create('g')).toBe('EROFS');
  });

  test('one that is not there fails at once, naming it', () => {
    const mounts = [{ guestPath: '/m', hostPath: join(root, 'none'), readonly: false }];
    expect(() => new TestGuest({ root, mounts })).toThrow(/mount \/m: .*none cannot be opened/);
  });
});

describe('poll_oneoff', () => {
  const IN = 4096;
  const EVENTS = 12_288;
  const clock = (index: number, id: number, timeout: bigint, flags = 0) => {
    const at = IN + index * 48;
    guest.bytes.fill(0, at, at + 48);
    guest.memory.setBigUint64(at, BigInt(100 + index), true);
    guest.memory.setUint32(at + 16, id, true);
    guest.memory.setBigUint64(at + 24, timeout, true);
    guest.memory.setUint16(at + 40, flags, true);
  };
  const descriptor = (index: number, type: number, fd: number) => {
    const at = IN + index * 48;
    guest.bytes.fill(0, at, at + 48);
    guest.memory.setBigUint64(at, BigInt(100 + index), true);
    guest.memory.setUint8(at + 8, type);
    guest.memory.setUint32(at + 16, fd, true);
  };
  const poll = async (count: number) => {
    expect(await guest.wait('poll_oneoff', IN, EVENTS, count, OUT)).toBe('ok');
    return Array.from({ length: guest.u32() }, (_, index) => {
      const at = EVENTS + index * 32;
      return {
        user: Number(guest.u64(at)),
        error: guest.memory.getUint16(at + 8, true),
        type: guest.bytes[at + 10],
        bytes: guest.u64(at + 16),
      };
    });
  };

  test('sleeps as long as asked, never less, also after the guest has held the event loop', async () => {
    const busyUntil = performance.now() + 30;
    while (performance.now() < busyUntil);
    clock(0, 1, 20_000_000n);
    const start = process.hrtime.bigint();
    expect(await poll(1)).toEqual([{ user: 100, error: 0, type: 0, bytes: 0n }]);
    expect(process.hrtime.bigint() - start).toBeGreaterThanOrEqual(20_000_000n);
  });

  test('knows absolute times on both clocks, and the earliest wins', async () => {
    clock(0, 0, BigInt(Date.now()) * 1_000_000n + 15_000_000n, 1);
    clock(1, 1, process.hrtime.bigint() + 3_600_000_000_000n, 1);
    expect(await poll(2)).toMatchObject([{ user: 100 }]);
    clock(0, 0, 1n, 1);
    expect(await poll(1)).toMatchObject([{ user: 100 }]);
  });

  test('the longest time does not overflow a timer', async () => {
    clock(0, 1, 0xffff_ffff_ffff_ffffn);
    clock(1, 1, 1_000_000n);
    expect(await poll(2)).toMatchObject([{ user: 101 }]);
  });

  test('files and output are ready, what is wrong with a subscription is told in its event', async () => {
    guest.create('f', '12345');
    const fd = guest.mustOpen('f', ALL);
    descriptor(0, 1, fd);
    descriptor(1, 2, 1);
    descriptor(2, 1, 99);
    clock(3, 2, 0n);
    clock(4, 9, 0n);
    clock(5, 1, 1_000_000_000_000n);
    expect(await poll(6)).toEqual([
      { user: 100, error: 0, type: 1, bytes: 5n },
      { user: 101, error: 0, type: 2, bytes: 0n },
      { user: 102, error: 8, type: 1, bytes: 0n },
      { user: 103, error: 58, type: 0, bytes: 0n },
      { user: 104, error: 28, type: 0, bytes: 0n },
    ]);
  });

  test('input wakes it before the clock does', async () => {
    const input = Promise.withResolvers<Uint8Array>();
    guest[Symbol.dispose]();
    guest = new TestGuest({ root, stdin: { read: () => input.promise } });
    descriptor(0, 1, 0);
    clock(1, 1, 3_600_000_000_000n);
    const polled = poll(2);
    setImmediate(() => input.resolve(Buffer.from('abc')));
    expect(await polled).toEqual([{ user: 100, error: 0, type: 1, bytes: 3n }]);
    expect(guest.read(0)).toBe('abc');
  });

  test('none and far too many subscriptions are EINVAL', async () => {
    expect(await guest.wait('poll_oneoff', IN, EVENTS, 0, OUT)).toBe('EINVAL');
    expect(await guest.wait('poll_oneoff', IN, EVENTS, -1, OUT)).toBe('EINVAL');
    descriptor(0, 7, 1);
    expect(await guest.wait('poll_oneoff', IN, EVENTS, 1, OUT)).toBe('EINVAL');
  });

  test('a guest that polls without end lets the event loop turn', async () => {
    const turn = { came: false };
    const timer = sleep(1).then(() => (turn.came = true));
    const giveUp = performance.now() + 10_000;
    for (; !turn.came && performance.now() < giveUp;) {
      descriptor(0, 2, 1);
      await guest.wait('poll_oneoff', IN, EVENTS, 1, OUT);
    }
    expect(turn.came).toBe(true);
    await timer;
  });

  test('so does one that yields without end', async () => {
    const turn = { came: false };
    const timer = sleep(1).then(() => (turn.came = true));
    const giveUp = performance.now() + 10_000;
    for (; !turn.came && performance.now() < giveUp;) await guest.wait('sched_yield');
    expect(turn.came).toBe(true);
    await timer;
  });

  test('what waits ends when the guest is disposed of', async () => {
    clock(0, 1, 0xffff_ffff_ffff_ffffn);
    const waiting = guest.wait('poll_oneoff', IN, EVENTS, 1, OUT);
    guest[Symbol.dispose]();
    await expect(waiting).rejects.toThrow(/abort/i);
    guest = new TestGuest({ root });
  });
});

describe('the process', () => {
  test.each([
    [0, 0],
    [7, 7],
    [256, 0],
    [-1, 255],
  ])('proc_exit(%i) ends with %i', (code, exitCode) => {
    expect(() => guest.raw('proc_exit', code)).toThrow(expect.objectContaining({ exitCode }) as Error);
    expect(() => guest.raw('proc_exit', code)).toThrow(WasiExit);
  });

  test('proc_raise ends with 128 and Linux’ number, ignores what is ignored by default', () => {
    expect(() => guest.raw('proc_raise', 6)).toThrow(expect.objectContaining({ exitCode: 134 }) as Error);
    expect(() => guest.raw('proc_raise', 30)).toThrow(expect.objectContaining({ exitCode: 159 }) as Error);
    expect(guest.call('proc_raise', 16)).toBe('ok');
    expect(guest.call('proc_raise', 18)).toBe('ENOTSUP');
    expect(guest.call('proc_raise', 31)).toBe('EINVAL');
  });

  test('random bytes differ and fill all that was asked for', () => {
    guest.bytes.fill(0);
    expect(guest.call('random_get', 0, 65_536)).toBe('ok');
    const zeros = guest.bytes.filter((byte) => byte === 0).length;
    expect(zeros).toBeLessThan(1000);
    expect(guest.bytes.subarray(0, 64)).not.toEqual(guest.bytes.subarray(64, 128));
  });

  test('there are no sockets', () => {
    for (const name of ['sock_accept', 'sock_recv', 'sock_send', 'sock_shutdown']) {
      expect(guest.call(name, 1, 0, 0, 0, 0, 0)).toBe('ENOTSOCK');
      expect(guest.call(name, 50, 0, 0, 0, 0, 0)).toBe('EBADF');
    }
  });
});
