import { type BigIntStats, type Dirent } from 'node:fs';

export type FileType = 'directory' | 'file' | 'symlink' | 'character' | 'block' | 'socket' | 'unknown';

/** What is known of a file. Times are nanoseconds since 1970. */
export interface FileStat {
  readonly dev: bigint;
  readonly ino: bigint;
  readonly type: FileType;
  readonly nlink: bigint;
  readonly size: bigint;
  readonly atimeNs: bigint;
  readonly mtimeNs: bigint;
  readonly ctimeNs: bigint;
}

/** A time to set: nanoseconds since 1970, the present, or left as it is. */
export type NewTime = bigint | 'now' | 'keep';

export interface NewTimes {
  readonly atime: NewTime;
  readonly mtime: NewTime;
}

export function typeOf(entry: BigIntStats | Dirent): FileType {
  if (entry.isFile()) return 'file';
  if (entry.isDirectory()) return 'directory';
  if (entry.isSymbolicLink()) return 'symlink';
  if (entry.isCharacterDevice()) return 'character';
  if (entry.isBlockDevice()) return 'block';
  if (entry.isSocket()) return 'socket';
  return 'unknown';
}

export function statFrom(stats: BigIntStats): FileStat {
  const { dev, ino, nlink, size, atimeNs, mtimeNs, ctimeNs } = stats;
  return { dev, ino, type: typeOf(stats), nlink, size, atimeNs, mtimeNs, ctimeNs };
}

/**
 * A time as Node's utimes functions take it, such that libuv makes of it UTIME_NOW (infinity) or UTIME_OMIT (not a
 * number) where asked: so the other time is not rounded, and there is no moment between reading and writing it. libuv
 * keeps microseconds; what is finer is cut off.
 */
export function utimeOf(time: NewTime): Date | number | string {
  if (time === 'now') return 'Infinity';
  if (time === 'keep') return new Date(NaN);
  return Number(time / 1000n) / 1e6;
}
