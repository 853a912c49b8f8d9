import { PosixError } from './posix-error.ts';

/** Descriptors of one guest at most, so that it cannot use up those of the host: RLIMIT_NOFILE of a container. */
export const MAX_DESCRIPTORS = 4096;

/** Small numbers to open things, as POSIX gives them out: always the lowest that is free. */
export class DescriptorTable<T> {
  readonly #entries: (T | undefined)[] = [];
  readonly #most: number;
  #lowestMaybeFree = 0;

  /** @param most how many may be open */
  constructor(most = MAX_DESCRIPTORS) {
    this.#most = most;
  }

  /** @throws PosixError EMFILE when the guest has too many open */
  insert(entry: T): number {
    let fd = this.#lowestMaybeFree;
    while (this.#entries[fd] !== undefined) fd++;
    if (fd >= this.#most) throw new PosixError('EMFILE');
    this.#entries[fd] = entry;
    this.#lowestMaybeFree = fd + 1;
    return fd;
  }

  /** Whether `insert` has room. */
  get hasRoom(): boolean {
    let fd = this.#lowestMaybeFree;
    while (this.#entries[fd] !== undefined) fd++;
    this.#lowestMaybeFree = fd;
    return fd < this.#most;
  }

  has(fd: number): boolean {
    return this.#entries[fd >>> 0] !== undefined;
  }

  /** @throws PosixError EBADF */
  get(fd: number): T {
    const entry = this.#entries[fd >>> 0];
    if (entry === undefined) throw new PosixError('EBADF');
    return entry;
  }

  /**
   * Puts an entry at a number, and returns what was there for the caller to close.
   * @throws PosixError EBADF for a number that is too high
   */
  place(fd: number, entry: T): T | undefined {
    if (fd >>> 0 >= this.#most) throw new PosixError('EBADF');
    const replaced = this.#entries[fd >>> 0];
    this.#entries[fd >>> 0] = entry;
    return replaced;
  }

  /** Takes the entry out; the caller closes it. */
  remove(fd: number): T {
    const entry = this.get(fd);
    this.#entries[fd >>> 0] = undefined;
    this.#lowestMaybeFree = Math.min(this.#lowestMaybeFree, fd >>> 0);
    return entry;
  }

  /** Moves `from` to the number of `to`, which must be open, and returns what was there for the caller to close. */
  renumber(from: number, to: number): T | undefined {
    const moved = this.get(from);
    const replaced = this.get(to);
    if (from === to) return undefined;
    this.remove(from);
    this.#entries[to >>> 0] = moved;
    return replaced;
  }

  *[Symbol.iterator](): Generator<T> {
    for (const entry of this.#entries) if (entry !== undefined) yield entry;
  }
}
