import type { FileStat, NewTime, NewTimes } from '../core/files/stat.ts';
import type { GuestMemory } from '../core/guest-memory.ts';
import { PosixError } from '../core/posix-error.ts';
import { FILETYPE, FSTFLAG } from './abi.ts';

const FILESTAT_SIZE = 64;

/** Writes a `filestat`. */
export function setFilestat(memory: GuestMemory, pointer: number, stat: FileStat): void {
  memory.check(pointer, FILESTAT_SIZE);
  const at = pointer >>> 0;
  memory.setU64(at, stat.dev);
  memory.setU64(at + 8, stat.ino);
  memory.setU64(at + 16, BigInt(FILETYPE[stat.type]));
  memory.setU64(at + 24, stat.nlink);
  memory.setU64(at + 32, stat.size);
  memory.setU64(at + 40, stat.atimeNs);
  memory.setU64(at + 48, stat.mtimeNs);
  memory.setU64(at + 56, stat.ctimeNs);
}

/** @throws PosixError EINVAL when a time is both given and to be the present */
export function newTimes(atime: bigint, mtime: bigint, flags: number): NewTimes {
  const pick = (time: bigint, given: number, now: number): NewTime => {
    if ((flags & given) !== 0 && (flags & now) !== 0) throw new PosixError('EINVAL');
    if ((flags & now) !== 0) return 'now';
    return (flags & given) !== 0 ? BigInt.asUintN(64, time) : 'keep';
  };
  return {
    atime: pick(atime, FSTFLAG.ATIM, FSTFLAG.ATIM_NOW),
    mtime: pick(mtime, FSTFLAG.MTIM, FSTFLAG.MTIM_NOW),
  };
}
