import type { FileStat, NewTimes } from './stat.ts';

/** What an open file can be told to do on each write. */
export interface WriteMode {
  readonly append: boolean;
  /** Data reach the disk before a write returns. */
  readonly dsync: boolean;
  /** Data and attributes do. */
  readonly sync: boolean;
}

/**
 * What a guest has open that has bytes and a position: a file of the host (OpenFile), or one that the runtime makes up
 * (VirtualFile). Methods throw PosixError or a system error of Node.
 */
export interface RegularFile {
  readonly kind: 'file';
  /** Whether the mount takes no changes. */
  readonly readonly: boolean;
  /** A path of the host to this very file, for as long as it is open; undefined where the host has none. */
  readonly hostPath: string | undefined;
  /** Reads at the position and moves it. Returns the number of bytes, 0 at the end of the file. */
  read(views: readonly Uint8Array[]): number;
  pread(views: readonly Uint8Array[], offset: bigint): number;
  /** Writes at the position, or at the end in append mode, and moves the position behind it. */
  write(views: readonly Uint8Array[]): number;
  pwrite(views: readonly Uint8Array[], offset: bigint): number;
  /** @throws PosixError EINVAL where the new position would be negative or too large */
  seek(offset: bigint, from: 'start' | 'current' | 'end'): bigint;
  tell(): bigint;
  stat(): FileStat;
  setSize(size: bigint): void;
  /** Makes the file at least `end` bytes long. */
  extend(end: bigint): void;
  setTimes(times: NewTimes): void;
  sync(): void;
  dataSync(): void;
  /** As fcntl's F_SETFL. */
  setMode(mode: WriteMode): void;
  close(): void;
}
