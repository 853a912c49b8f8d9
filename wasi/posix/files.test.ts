import { chmodSync, lstatSync, mkdirSync, statfsSync, statSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { once } from 'node:events';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { INHERITED_RIGHTS, LOOKUP_FOLLOW, OFLAG, RIGHT } from '../preview1/abi.ts';
import { Sandbox, TestGuest } from '../preview1/test-guest.ts';

const OUT = 512;
const KEEP = -1;
const isRoot = process.getuid?.() === 0;

let sandbox: Sandbox;
let root: string;
let outside: string;
let guest: TestGuest;

/** The tree: /file (0640), /dir, the writable mount /vol, the read-only one /ro, the mounted file /etc/conf. */
beforeEach(() => {
  sandbox = new Sandbox();
  root = sandbox.folder('root');
  outside = sandbox.folder('outside');
  writeFileSync(join(outside, 'secret'), 'secret', { mode: 0o600 });
  writeFileSync(join(root, 'file'), 'content');
  chmodSync(join(root, 'file'), 0o640);
  mkdirSync(join(root, 'dir'));
  writeFileSync(join(sandbox.folder('ro'), 'file'), '');
  writeFileSync(join(sandbox.path, 'conf'), '');
  guest = new TestGuest({
    root,
    mounts: [
      { guestPath: '/vol', hostPath: sandbox.folder('vol'), readonly: false },
      { guestPath: '/ro', hostPath: join(sandbox.path, 'ro'), readonly: true },
      { guestPath: '/deep/er/conf', hostPath: join(sandbox.path, 'conf'), readonly: true },
    ],
  });
});

afterEach(() => {
  expect(statSync(join(outside, 'secret')).mode & 0o7777).toBe(0o600);
  guest[Symbol.dispose]();
  sandbox[Symbol.dispose]();
});

interface Stat {
  dev: bigint;
  ino: bigint;
  nlink: bigint;
  rdev: bigint;
  size: bigint;
  blocks: bigint;
  atim: bigint;
  mtim: bigint;
  ctim: bigint;
  mode: number;
  uid: number;
  gid: number;
  blksize: number;
}

function statAtOut(): Stat {
  const wide = (index: number): bigint => guest.u64(OUT + index * 8);
  const narrow = (index: number): number => guest.u32(OUT + 72 + index * 4);
  const [dev, ino, nlink, rdev, size, blocks, atim, mtim, ctim] = [0, 1, 2, 3, 4, 5, 6, 7, 8].map(wide) as bigint[] & {
    length: 9;
  };
  return {
    ...({ dev, ino, nlink, rdev, size, blocks, atim, mtim, ctim } as Omit<Stat, 'mode' | 'uid' | 'gid' | 'blksize'>),
    mode: narrow(0),
    uid: narrow(1),
    gid: narrow(2),
    blksize: narrow(3),
  };
}

function stat(path: string, follow = true): Stat | string {
  const result = guest.call('path_stat', 3, follow ? LOOKUP_FOLLOW : 0, ...guest.put(path), OUT);
  return result === 'ok' ? statAtOut() : result;
}

const modeOf = (path: string, follow = true): number | string => {
  const found = stat(path, follow);
  return typeof found === 'string' ? found : found.mode;
};

const chmod = (path: string, mode: number, lookup = LOOKUP_FOLLOW): string =>
  guest.call('path_chmod', 3, lookup, ...guest.put(path), mode);
const chown = (path: string, uid: number, gid: number, lookup = LOOKUP_FOLLOW): string =>
  guest.call('path_chown', 3, lookup, ...guest.put(path), uid, gid);
const access = (path: string, mode: number): string =>
  guest.call('path_access', 3, LOOKUP_FOLLOW, ...guest.put(path), mode);

describe('stat', () => {
  test('tells all that the host knows of a file', () => {
    utimesSync(join(root, 'file'), 1.5, 2.25);
    const real = statSync(join(root, 'file'), { bigint: true });
    expect(stat('file')).toEqual({
      dev: real.dev,
      ino: real.ino,
      nlink: 1n,
      rdev: 0n,
      size: 7n,
      blocks: real.blocks,
      atim: 1_500_000_000n,
      mtim: 2_250_000_000n,
      ctim: real.ctimeNs,
      mode: 0o100640,
      uid: Number(real.uid),
      gid: Number(real.gid),
      blksize: Number(real.blksize),
    });
    const fd = guest.mustOpen('file');
    expect(guest.call('fd_stat', fd, OUT)).toBe('ok');
    expect(statAtOut()).toMatchObject({ ino: real.ino, mode: 0o100640 });
  });

  test('tells a link from what it leads to', () => {
    symlinkSync('file', join(root, 'link'));
    expect(modeOf('link')).toBe(0o100640);
    expect(modeOf('link', false)).toBe(0o120777);
  });

  test('knows directories, mounts and what lies above a mount', () => {
    expect(modeOf('.')).toBe(statSync(root).mode);
    expect(modeOf('dir/')).toBe(0o040755);
    expect(modeOf('vol')).toBe(statSync(join(sandbox.path, 'vol')).mode);
    expect(modeOf('deep/er/conf')).toBe(statSync(join(sandbox.path, 'conf')).mode);
    expect(modeOf('deep/er')).toBe(0o040755);
  });

  test('knows standard streams and terminals', () => {
    expect(guest.call('fd_stat', 1, OUT)).toBe('ok');
    expect(statAtOut()).toMatchObject({ mode: 0o010600, uid: 0 });
    using terminal = new TestGuest({ root, tty: true });
    expect(terminal.call('fd_stat', 0, OUT)).toBe('ok');
    expect(terminal.u32(OUT + 72)).toBe(0o020620);
  });

  test.each([
    ['missing', 'ENOENT'],
    ['file/', 'ENOTDIR'],
    ['file/x', 'ENOTDIR'],
    ['deep/er/conf/', 'ENOTDIR'],
    ['deep/other', 'ENOENT'],
    ['../outside/secret', 'ENOENT'],
    ['/file', 'EPERM'],
    ['', 'ENOENT'],
  ])('of %j is %s', (path, errno) => expect(stat(path)).toBe(errno));

  test('needs a right and memory', () => {
    const fd = guest.mustOpen('dir', { oflags: OFLAG.DIRECTORY, rights: RIGHT.FD_READDIR });
    expect(guest.call('path_stat', fd, 0, ...guest.put('x'), OUT)).toBe('ENOTCAPABLE');
    expect(guest.call('path_stat', 3, 0, ...guest.put('file'), 65_536 - 80)).toBe('EFAULT');
    expect(guest.call('fd_stat', 99, OUT)).toBe('EBADF');
  });
});

describe('what is outside', () => {
  test('cannot be reached through links or .., and a link itself can be looked at', () => {
    symlinkSync(join(outside, 'secret'), join(root, 'absolute'));
    symlinkSync('../outside/secret', join(root, 'relative'));
    symlinkSync('../outside', join(root, 'dir', 'up'));
    for (const path of ['absolute', 'relative', 'dir/up/secret', '../outside/secret', 'dir/../../outside/secret']) {
      expect(stat(path)).toBe('ENOENT');
      expect(chmod(path, 0o777)).toBe('ENOENT');
      expect(chown(path, KEEP, KEEP)).toBe('ENOENT');
      expect(access(path, 0)).toBe('ENOENT');
      expect(guest.call('path_statfs', 3, LOOKUP_FOLLOW, ...guest.put(path), OUT)).toBe('ENOENT');
    }
    expect(modeOf('absolute', false)).toBe(0o120777);
    expect(chmod('absolute', 0o600, 0)).toBe('ENOTSUP');
  });

  test('cannot be reached from a directory below the root either', () => {
    const fd = guest.mustOpen('dir', { oflags: OFLAG.DIRECTORY });
    for (const path of ['../file', '../../outside/secret']) {
      expect(guest.call('path_stat', fd, 0, ...guest.put(path), OUT)).toBe('EPERM');
      expect(guest.call('path_chmod', fd, 0, ...guest.put(path), 0o777)).toBe('EPERM');
    }
  });
});

describe('chmod', () => {
  test('sets permissions of files and directories, by path and by descriptor', () => {
    expect(chmod('file', 0o604)).toBe('ok');
    expect(modeOf('file')).toBe(0o100604);
    expect(chmod('dir', 0o1700)).toBe('ok');
    expect(modeOf('dir')).toBe(0o041700);
    const fd = guest.mustOpen('file', { rights: INHERITED_RIGHTS });
    expect(guest.call('fd_chmod', fd, 0o444)).toBe('ok');
    expect(statSync(join(root, 'file')).mode & 0o7777).toBe(0o444);
    const directory = guest.mustOpen('dir', { oflags: OFLAG.DIRECTORY, rights: RIGHT.FD_READDIR });
    expect(guest.call('fd_chmod', directory, 0o711)).toBe('ENOTCAPABLE');
    expect(guest.call('fd_chmod', 3, 0o711)).toBe('ok');
    expect(statSync(root).mode & 0o7777).toBe(0o711);
    expect(guest.call('fd_chmod', 1, 0o600)).toBe('ENOTSUP');
  });

  test('gives no file the right to run as its owner or group, and lets directories hand on their group', () => {
    expect(chmod('file', 0o4755)).toBe('EPERM');
    expect(chmod('file', 0o2755)).toBe('EPERM');
    expect(chmod('dir', 0o4755)).toBe('EPERM');
    expect(chmod('dir', 0o2775)).toBe('ok');
    expect(modeOf('dir')).toBe(0o042775);
    expect(statSync(join(root, 'file')).mode & 0o7777).toBe(0o640);
  });

  test('is refused where the mount is read-only', () => {
    expect(chmod('ro/file', 0o777)).toBe('EROFS');
    expect(chmod('ro', 0o777)).toBe('EROFS');
    expect(chmod('deep/er/conf', 0o777)).toBe('EROFS');
    expect(chmod('deep/er', 0o777)).toBe('EROFS');
    expect(
      guest.call('fd_chmod', guest.mustOpen('ro/file', { rights: RIGHT.FD_READ | RIGHT.FD_FILESTAT_SET_TIMES }), 0o777),
    ).toBe('EROFS');
    using fixed = new TestGuest({ root, readonlyRoot: true });
    expect(fixed.call('path_chmod', 3, 0, ...fixed.put('file'), 0o777)).toBe('EROFS');
    expect(fixed.create('new')).toBe('EROFS');
  });

  test("does not touch the host's sockets and devices in a volume", async () => {
    const server = createServer().listen(join(sandbox.path, 'vol', 'socket'));
    await once(server, 'listening');
    expect(modeOf('vol/socket')).toBe(statSync(join(sandbox.path, 'vol', 'socket')).mode);
    expect(chmod('vol/socket', 0o777)).toBe('EPERM');
    expect(chown('vol/socket', KEEP, KEEP)).toBe('EPERM');
    server.close();
  });
});

describe.runIf(isRoot)('chown', () => {
  test('sets owner and group of files, directories and links, by path and by descriptor', () => {
    symlinkSync('file', join(root, 'link'));
    expect(chown('link', 1000, 2000)).toBe('ok');
    expect(stat('file')).toMatchObject({ uid: 1000, gid: 2000 });
    expect(stat('link', false)).toMatchObject({ uid: 0, gid: 0 });
    expect(chown('link', 5, 6, 0)).toBe('ok');
    expect(lstatSync(join(root, 'link'))).toMatchObject({ uid: 5, gid: 6 });
    expect(stat('file')).toMatchObject({ uid: 1000, gid: 2000 });
    expect(chown('file', KEEP, 7)).toBe('ok');
    expect(stat('file')).toMatchObject({ uid: 1000, gid: 7 });
    expect(guest.call('fd_chown', 3, 8, KEEP)).toBe('ok');
    expect(statSync(root)).toMatchObject({ uid: 8, gid: 0 });
    expect(chown('dir', 0x7fff_fffe, KEEP)).toBe('ok');
  });

  test('is refused where the mount is read-only', () => {
    expect(chown('ro/file', 1, 1)).toBe('EROFS');
    expect(statSync(join(sandbox.path, 'ro/file')).uid).toBe(0);
  });
});

describe('access', () => {
  test('asks for what the identity may do', () => {
    expect(access('file', 0)).toBe('ok');
    expect(access('file', 6)).toBe('ok');
    expect(access('file', 1)).toBe('EACCES');
    expect(access('dir', 7)).toBe('ok');
    expect(access('missing', 0)).toBe('ENOENT');
    expect(access('ro/file', 4)).toBe('ok');
    expect(access('ro/file', 2)).toBe('EROFS');
    expect(access('file', 8)).toBe('EINVAL');
  });
});

describe('umask', () => {
  const umask = (mask: number): number => {
    expect(guest.call('umask', mask, OUT)).toBe('ok');
    return guest.u32();
  };

  test('is that of a container, and cuts the modes of what is created', () => {
    expect(umask(KEEP)).toBe(0o022);
    guest.create('a');
    expect(modeOf('a')).toBe(0o100644);
    expect(umask(0o7077)).toBe(0o022);
    expect(umask(KEEP)).toBe(0o077);
    guest.create('b');
    expect(modeOf('b')).toBe(0o100600);
    expect(guest.path('path_create_directory', 'd')).toBe('ok');
    expect(modeOf('d')).toBe(0o040700);
  });
});

describe('statfs', () => {
  test('tells of the file system and whether the mount is read-only', () => {
    const real = statfsSync(root, { bigint: true });
    expect(guest.call('path_statfs', 3, 0, ...guest.put('file'), OUT)).toBe('ok');
    expect(guest.u64(OUT)).toBe(real.type);
    expect(guest.u64(OUT + 8)).toBe(real.bsize);
    expect(guest.u64(OUT + 16)).toBe(real.blocks);
    expect(guest.u64(OUT + 40)).toBe(real.files);
    expect(guest.u64(OUT + 56)).toBe(0n);
    expect(guest.call('path_statfs', 3, 0, ...guest.put('ro'), OUT)).toBe('ok');
    expect(guest.u64(OUT + 56)).toBe(1n);
    expect(guest.call('path_statfs', 3, 0, ...guest.put('deep/er'), OUT)).toBe('ok');
    expect(guest.call('fd_statfs', 3, OUT)).toBe('ok');
    expect(guest.u64(OUT)).toBe(real.type);
    expect(guest.call('fd_statfs', 1, OUT)).toBe('ENOTSUP');
  });
});
