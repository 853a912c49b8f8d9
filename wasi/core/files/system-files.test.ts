import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { FILETYPE, INHERITED_RIGHTS, OFLAG, RIGHT } from '../../preview1/abi.ts';
import { Sandbox, TestGuest } from '../../preview1/test-guest.ts';

const WRITE = { rights: INHERITED_RIGHTS };
const WRITE_ONLY = { rights: RIGHT.FD_WRITE };

let sandbox: Sandbox;
let root: string;
let guest: TestGuest;

beforeEach(() => {
  sandbox = new Sandbox();
  root = sandbox.folder('root');
  writeFileSync(join(sandbox.path, 'log'), '');
  guest = new TestGuest({
    root,
    systemFiles: true,
    args: ['/bin/a-program-with-a-name', 'two words'],
    env: ['A=1', 'B=2'],
    hostname: 'web-0',
    identity: { uid: 1000, gid: 3000, groups: [3000, 4000] },
    mounts: [
      { guestPath: '/dev/termination-log', hostPath: join(sandbox.path, 'log'), readonly: false },
      { guestPath: '/data dir', hostPath: sandbox.folder('volume'), readonly: true },
    ],
  });
});

afterEach(() => {
  guest[Symbol.dispose]();
  sandbox[Symbol.dispose]();
});

describe('/dev', () => {
  test('lists the devices of every container, and what is mounted there', () => {
    expect(guest.list('dev')).toEqual(
      [
        '.',
        '..',
        'full',
        'null',
        'random',
        'signal',
        'stderr',
        'stdin',
        'stdout',
        'termination-log',
        'urandom',
        'zero',
      ].sort(),
    );
    expect(guest.stat('dev')).toMatchObject({ type: FILETYPE.directory });
    expect(guest.stat('dev/null')).toMatchObject({ type: FILETYPE.character, size: 0 });
    expect(guest.stat('dev/termination-log')).toMatchObject({ type: FILETYPE.file });
  });

  test('null takes everything and gives nothing, also opened as a shell does it', () => {
    const fd = guest.mustOpen('dev/null', { ...WRITE, oflags: OFLAG.CREAT | OFLAG.TRUNC });
    expect(guest.write(fd, 'gone')).toBe('ok');
    expect(guest.u32()).toBe(4);
    expect(guest.read(fd)).toBe('');
  });

  test('zero gives zeros, also at a position', () => {
    const fd = guest.mustOpen('dev/zero');
    expect(guest.read(fd, 4)).toBe('\0\0\0\0');
    expect(guest.call('fd_pread', fd, ...guest.iovec(16_384, 3), 1_000_000n, 512)).toBe('ok');
    expect(guest.u32()).toBe(3);
  });

  test('full has no space', () => {
    const fd = guest.mustOpen('dev/full', WRITE);
    expect(guest.write(fd, 'x')).toBe('ENOSPC');
    expect(guest.write(fd, '')).toBe('ok');
    expect(guest.read(fd, 2)).toBe('\0\0');
  });

  test.each(['random', 'urandom'])('%s gives other bytes each time', (name) => {
    const fd = guest.mustOpen(`dev/${name}`);
    const first = guest.read(fd, 32);
    expect(guest.u32()).toBe(32);
    expect(guest.read(fd, 32)).not.toBe(first);
  });

  test('stdout and stderr are descriptors 1 and 2 once more, which closing leaves open', () => {
    const fd = guest.mustOpen('dev/stdout', WRITE_ONLY);
    expect(guest.write(fd, 'to the log\n')).toBe('ok');
    expect(guest.call('fd_close', fd)).toBe('ok');
    expect(guest.write(1, 'still\n')).toBe('ok');
    expect(guest.written).toEqual(['to the log\n', 'still\n']);
  });

  test('stdin that the guest has closed is not there', () => {
    guest.call('fd_close', 0);
    expect(guest.open('dev/stdin')).toBe('ENOENT');
  });

  test('a link of the image leads there, as those of nginx do', () => {
    mkdirSync(join(root, 'var/log'), { recursive: true });
    symlinkSync('/dev/stderr', join(root, 'var/log/error.log'));
    const fd = guest.mustOpen('var/log/error.log', WRITE_ONLY);
    expect(guest.write(fd, 'oh')).toBe('ok');
    expect(guest.written).toEqual(['oh']);
  });

  test('cannot be changed', () => {
    expect(guest.path('path_unlink_file', 'dev/null')).toBe('EBUSY');
    expect(guest.rename('dev/null', 'dev/other')).toBe('EBUSY');
    expect(guest.link('dev/null', 'mine')).toBe('EXDEV');
    expect(guest.create('dev/new')).toBe('EROFS');
    expect(guest.call('path_filestat_set_times', 3, 0, ...guest.put('dev/null'), 1n, 1n, 5)).toBe('EROFS');
    expect(guest.readFile('dev/null/x')).toBe('ENOTDIR');
    expect(guest.open('dev/null', { oflags: OFLAG.DIRECTORY })).toBe('ENOTDIR');
    expect(guest.open('dev/null', { ...WRITE, oflags: OFLAG.CREAT | OFLAG.EXCL })).toBe('EEXIST');
    const fd = guest.mustOpen('dev/null', WRITE);
    expect(guest.call('fd_filestat_set_size', fd, 1n)).toBe('EINVAL');
    expect(guest.call('fd_chmod', fd, 0)).toBe('EROFS');
    expect(guest.call('path_chmod', 3, 0, ...guest.put('dev/null'), 0)).toBe('EROFS');
  });

  test('is told of by the posix extension as what it is', () => {
    expect(guest.call('path_stat', 3, 0, ...guest.put('dev/null'), 512)).toBe('ok');
    expect(guest.u32(512 + 72)).toBe(0o020666);
    expect(guest.call('path_access', 3, 0, ...guest.put('dev/null'), 2)).toBe('ok');
    expect(guest.call('path_access', 3, 0, ...guest.put('proc/self/status'), 2)).toBe('EROFS');
  });
});

describe('/proc', () => {
  test('tells the guest of itself', () => {
    expect(guest.readFile('proc/self/cmdline')).toBe('/bin/a-program-with-a-name\0two words\0');
    expect(guest.readFile('proc/self/environ')).toBe('A=1\0B=2\0');
    expect(guest.readFile('proc/1/comm')).toBe('a-program-with-\n');
    expect(guest.readFile('proc/self/status')).toMatch(/^Pid:\t1$[^]*^Uid:\t1000\t1000\t1000\t1000$/m);
    expect(guest.readFile('proc/self/cgroup')).toBe('0::/\n');
    expect(guest.readFile('proc/sys/kernel/hostname')).toBe('web-0\n');
    expect(guest.readFile('proc/uptime')).toMatch(/^\d+\.\d\d 0\.00\n$/);
  });

  test('tells its mounts, with what would split a line escaped', () => {
    expect(guest.readFile('proc/mounts')).toContain('wasmlet /data\\040dir wasmlet ro 0 0\n');
    expect(guest.readFile('proc/self/mountinfo')).toMatch(/^1 0 0:1 \/ \/ rw - wasmlet wasmlet rw\n2 1 /);
  });

  test('makes a file anew each time it is opened', () => {
    expect(guest.readFile('proc/sys/kernel/random/uuid')).not.toBe(guest.readFile('proc/sys/kernel/random/uuid'));
  });

  test('is read from any position, and not written', () => {
    const fd = guest.mustOpen('proc/self/environ');
    expect(guest.call('fd_seek', fd, 4n, 0, 512)).toBe('ok');
    expect(guest.read(fd)).toBe('B=2\0');
    expect(guest.call('fd_seek', fd, 0n, 2, 512)).toBe('ok');
    expect(guest.read(fd)).toBe('');
    expect(guest.open('proc/self/environ', WRITE)).toBe('EACCES');
    expect(guest.path('path_create_directory', 'proc/new')).toBe('EROFS');
  });

  test('shows nothing of the machine', () => {
    for (const path of ['self/root', 'self/fd/0', 'self/exe', 'self/maps', '2/status', 'meminfo', 'kcore']) {
      expect(guest.open(`proc/${path}`)).toBe('ENOENT');
    }
  });

  test('is not there for a guest that is not a container’s', () => {
    using bare = new TestGuest({ root });
    expect(bare.list('.')).toEqual(['.', '..']);
  });
});
