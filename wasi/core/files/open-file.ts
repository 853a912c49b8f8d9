import {
  closeSync,
  constants,
  fdatasyncSync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  futimesSync,
  openSync,
  readSync,
  readvSync,
  writeSync,
  writevSync,
} from 'node:fs';
import { PosixError } from '../posix-error.ts';
import type { RegularFile, WriteMode } from './regular-file.ts';
import { statFrom, utimeOf, type FileStat, type NewTimes } from './stat.ts';

export const flagsOf = (mode: WriteMode): number =>
  (mode.append ? constants.O_APPEND : 0) | (mode.dsync ? constants.O_DSYNC : 0) | (mode.sync ? constants.O_SYNC : 0);

/** Linux moves at most so much in one call; Node refuses more. */
const MAX_TRANSFER = 0x7fff_f000;
const MAX_OFFSET = BigInt(Number.MAX_SAFE_INTEGER);

/**
 * A regular file, open. The position is kept here, as Node has no lseek; all positions are exact up to 2^53, far above
 * what Linux' file systems hold.
 */
export class OpenFile implements RegularFile {
  readonly kind = 'file';
  readonly readonly: boolean;
  #fd: number;
  #mode: WriteMode;
  #position = 0;
  readonly #access: number;

  /** @param access O_RDONLY, O_WRONLY or O_RDWR, as `fd` was opened; readonly: the mount takes no changes */
  constructor(fd: number, access: number, mode: WriteMode, readonly: boolean) {
    this.#fd = fd;
    this.#access = access;
    this.#mode = mode;
    this.readonly = readonly;
  }

  get mode(): WriteMode {
    return this.#mode;
  }

  /** Reads at the position and moves it. Returns the number of bytes, 0 at the end of the file. */
  read(views: readonly Uint8Array[]): number {
    const count = this.#readAt(views, this.#position);
    this.#position += count;
    return count;
  }

  pread(views: readonly Uint8Array[], offset: bigint): number {
    return this.#readAt(views, exact(offset));
  }

  /** Writes at the position, or at the end in append mode, and moves the position behind it. */
  write(views: readonly Uint8Array[]): number {
    if (!this.#mode.append) {
      const count = this.#writeAt(views, this.#position);
      this.#position += count;
      return count;
    }
    const count = this.#writeAt(views, null);
    this.#position = fstatSync(this.#fd).size;
    return count;
  }

  pwrite(views: readonly Uint8Array[], offset: bigint): number {
    return this.#writeAt(views, exact(offset));
  }

  /** @throws PosixError EINVAL where the new position would be negative or too large */
  seek(offset: bigint, from: 'start' | 'current' | 'end'): bigint {
    const base = { start: () => 0, current: () => this.#position, end: () => fstatSync(this.#fd).size }[from]();
    const position = BigInt(base) + offset;
    if (position < 0n) throw new PosixError('EINVAL');
    this.#position = exact(position);
    return position;
  }

  tell(): bigint {
    return BigInt(this.#position);
  }

  stat(): FileStat {
    return statFrom(fstatSync(this.#fd, { bigint: true }));
  }

  setSize(size: bigint): void {
    this.#mustBeWritable();
    ftruncateSync(this.#fd, exact(size));
  }

  /** Makes the file at least `end` bytes long. Space is not reserved: Node has no fallocate. */
  extend(end: bigint): void {
    this.#mustBeWritable();
    if (BigInt(fstatSync(this.#fd).size) < end) ftruncateSync(this.#fd, exact(end));
  }

  setTimes(times: NewTimes): void {
    if (this.readonly) throw new PosixError('EROFS');
    futimesSync(this.#fd, utimeOf(times.atime), utimeOf(times.mtime));
  }

  sync(): void {
    fsyncSync(this.#fd);
  }

  dataSync(): void {
    fdatasyncSync(this.#fd);
  }

  /** A path of the host to this very file, for as long as it is open. */
  get hostPath(): string {
    return `/proc/self/fd/${this.#fd}`;
  }

  /** As fcntl's F_SETFL, by opening the same file anew. */
  setMode(mode: WriteMode): void {
    const fd = openSync(`/proc/self/fd/${this.#fd}`, this.#access | flagsOf(mode));
    closeSync(this.#fd);
    this.#fd = fd;
    this.#mode = mode;
  }

  close(): void {
    closeSync(this.#fd);
  }

  #mustBeWritable(): void {
    if (this.#access === constants.O_RDONLY) throw new PosixError(this.readonly ? 'EROFS' : 'EINVAL');
  }

  #readAt(views: readonly Uint8Array[], position: number): number {
    const [first] = views;
    if (first === undefined) return 0;
    if (views.length > 1) return readvSync(this.#fd, views, position);
    return first.length === 0 ? 0 : readSync(this.#fd, first, 0, Math.min(first.length, MAX_TRANSFER), position);
  }

  #writeAt(views: readonly Uint8Array[], position: number | null): number {
    const [first] = views;
    if (first === undefined) return 0;
    if (views.length > 1) return writevSync(this.#fd, views, position ?? undefined);
    return first.length === 0 ? 0 : writeSync(this.#fd, first, 0, Math.min(first.length, MAX_TRANSFER), position);
  }
}

/** A 64-bit offset as a number. @throws PosixError EINVAL beyond 2^53 */
function exact(offset: bigint): number {
  if (offset < 0n || offset > MAX_OFFSET) throw new PosixError('EINVAL');
  return Number(offset);
}
