import { closeSync, fstatSync, ftruncateSync, openSync, statSync, writeSync } from 'node:fs';
import { asHost } from './guest-identity.ts';
import { isDiskFull } from './partial.ts';
import { rotate } from './rotation.ts';

export interface LogLimits {
  /** Bytes; 0: others rotate it. */
  readonly maxSize: number;
  readonly maxFiles: number;
}

const LINE_FEED = 0x0a;

/**
 * The log file that is written now. It rotates itself before a write that would make it too large, so that no one has
 * to look at its size, and a guest that computes without end is rotated like any other.
 *
 * Where others rotate it (maxSize 0: a kubelet, over CRI), it goes on in the file that stands at its path as soon as
 * there is another one than that which it writes. Until then it writes to the one that was moved away: no entry is lost
 * between the move and ReopenContainerLog, and nobody has to reach a host whose guest computes.
 */
export class LogFile {
  readonly #path: string;
  readonly #limits: LogLimits;
  #fd: number;
  #size: number;
  #inode: number;
  #lookedAt = 0;
  /** Set ahead of maxSize after a rotation failed, so as not to try at every write. */
  #rotateAt: number;
  #dropped = 0;

  constructor(path: string, limits: LogLimits) {
    this.#path = path;
    this.#limits = limits;
    this.#fd = openSync(path, 'a', 0o640);
    ({ size: this.#size, ino: this.#inode } = fstatSync(this.#fd));
    this.#rotateAt = limits.maxSize > 0 ? limits.maxSize : Infinity;
  }

  /** Bytes lost to a full disk that the log does not tell of yet. */
  get dropped(): number {
    return this.#dropped;
  }

  /** Appends the entry that tells of the loss, if there is room for it by now. */
  appendLossNote(entry: Uint8Array): void {
    const told = this.#dropped;
    if (this.append(entry, entry.length)) this.#dropped -= told;
    else this.#dropped = told;
  }

  /**
   * Appends whole entries.
   * @returns false when the disk is full: what did not fit is dropped, at the border of an entry
   */
  append(bytes: Uint8Array, length: number): boolean {
    if (this.#limits.maxSize === 0) this.#followPath();
    else if (this.#size > 0 && this.#size + length > this.#rotateAt) this.#rotate();
    let written = 0;
    try {
      while (written < length) written += writeSync(this.#fd, bytes, written, length - written);
    } catch (error) {
      if (!isDiskFull(error)) throw error;
      this.#dropFrom(bytes, written, length);
      return false;
    }
    this.#size += length;
    return true;
  }

  #dropFrom(bytes: Uint8Array, written: number, length: number): void {
    const whole = written === 0 ? 0 : bytes.lastIndexOf(LINE_FEED, written - 1) + 1;
    this.#size += whole;
    if (whole !== written) ftruncateSync(this.#fd, this.#size);
    this.#dropped += length - whole;
  }

  /** Looked at once in a millisecond: at each of a flood of writes it would double their cost. */
  #followPath(): void {
    const now = Date.now();
    if (now === this.#lookedAt) return;
    this.#lookedAt = now;
    try {
      const there = asHost(() => statSync(this.#path, { throwIfNoEntry: false }));
      if (there !== undefined && there.ino !== this.#inode) this.#reopen();
    } catch {
      // Taken away again in this moment, or no descriptors: the next write looks again.
    }
  }

  #reopen(): void {
    const fd = asHost(() => openSync(this.#path, 'a', 0o640));
    closeSync(this.#fd);
    this.#fd = fd;
    ({ size: this.#size, ino: this.#inode } = fstatSync(fd));
  }

  #rotate(): void {
    try {
      asHost(() => rotate(this.#path, this.#limits.maxFiles, new Date()));
      this.#reopen();
      this.#rotateAt = this.#limits.maxSize;
    } catch {
      // A log that cannot be rotated (its folder was taken away, no more inodes) is still better written than lost.
      this.#rotateAt = this.#size + this.#limits.maxSize;
    }
  }

  close(): void {
    closeSync(this.#fd);
  }
}
