import { statfsSync, type BigIntStats } from 'node:fs';
import type { FileType } from '../core/files/stat.ts';
import type { GuestMemory } from '../core/guest-memory.ts';
import type { Descriptor } from '../preview1/descriptor.ts';
import type { HeldFile } from './held-file.ts';

const STAT_SIZE = 88;
const STATFS_SIZE = 64;
/** Linux: ST_RDONLY. */
const ST_RDONLY = 1n;

/** Linux: S_IFIFO and S_IFCHR with what pipes and terminals show. */
const PIPE_MODE = 0o010600;
const TERMINAL_MODE = 0o020620;
/** Linux: S_IFCHR of /dev/null and the like, S_IFREG of /proc/self/status and the like. */
const DEVICE_MODE = 0o020666n;
const TEXT_MODE = 0o100444n;
const BLOCK_SIZE = 4096;

type Stat = Pick<
  BigIntStats,
  | 'dev'
  | 'ino'
  | 'nlink'
  | 'rdev'
  | 'size'
  | 'blocks'
  | 'atimeNs'
  | 'mtimeNs'
  | 'ctimeNs'
  | 'mode'
  | 'uid'
  | 'gid'
  | 'blksize'
>;

const NOTHING = { dev: 0n, ino: 0n, nlink: 1n, rdev: 0n, size: 0n, blocks: 0n };
const NO_TIMES = { atimeNs: 0n, mtimeNs: 0n, ctimeNs: 0n };

/** A directory that only leads to a mount: root's, and nobody writes to it. */
const STAND_IN: Stat = {
  ...NOTHING,
  ...NO_TIMES,
  mode: 0o040755n,
  uid: 0n,
  gid: 0n,
  blksize: BigInt(BLOCK_SIZE),
};

/** What is told of what no file system holds. */
export function madeUpStat(type: FileType = 'directory'): Stat {
  if (type === 'directory') return STAND_IN;
  return { ...STAND_IN, mode: type === 'character' ? DEVICE_MODE : TEXT_MODE };
}

/** What fstat(2) tells of a standard stream or a pipe. */
export function streamStat(
  object: Extract<Descriptor['object'], { kind: 'input' | 'output' }>,
  owner: { readonly uid: number; readonly gid: number },
): Stat {
  const mode = object.tty ? TERMINAL_MODE : PIPE_MODE;
  return { ...STAND_IN, mode: BigInt(mode), uid: BigInt(owner.uid), gid: BigInt(owner.gid) };
}

/** Writes a `stat`. */
export function setStat(memory: GuestMemory, pointer: number, stat: Stat): void {
  memory.check(pointer, STAT_SIZE);
  const at = pointer >>> 0;
  const { dev, ino, nlink, rdev, size, blocks, atimeNs, mtimeNs, ctimeNs } = stat;
  for (const [index, value] of [dev, ino, nlink, rdev, size, blocks, atimeNs, mtimeNs, ctimeNs].entries()) {
    memory.setU64(at + index * 8, value);
  }
  const { mode, uid, gid, blksize } = stat;
  for (const [index, value] of [mode, uid, gid, blksize].entries()) memory.setU32(at + 72 + index * 4, Number(value));
}

/** Writes a `statfs` of the file system that the file is on. */
export function setStatfs(memory: GuestMemory, pointer: number, file: HeldFile): void {
  memory.check(pointer, STATFS_SIZE);
  const { type, bsize, blocks, bfree, bavail, files, ffree } = statfsSync(file.fileSystem, { bigint: true });
  const flags = file.readonly ? ST_RDONLY : 0n;
  for (const [index, value] of [type, bsize, blocks, bfree, bavail, files, ffree, flags].entries()) {
    memory.setU64((pointer >>> 0) + index * 8, value);
  }
}
