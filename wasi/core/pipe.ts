import { Changes } from './changes.ts';
import { PosixError } from './posix-error.ts';
import type { Input, Output } from './stdio.ts';

/** Linux: what a pipe holds. */
export const PIPE_CAPACITY = 65_536;
/** Linux: PIPE_BUF. Writes up to here go in whole or not at all. */
const PIPE_BUF = 4096;
const SMALLEST_BUFFER = 4096;

/** What both ends share: a ring of bytes, which grows up to the capacity. */
class Ring {
  length = 0;
  #bytes = new Uint8Array(0);
  #start = 0;

  push(view: Uint8Array): void {
    if (this.length + view.length > this.#bytes.length) this.#grow(this.length + view.length);
    const at = (this.#start + this.length) % this.#bytes.length;
    const first = view.subarray(0, this.#bytes.length - at);
    this.#bytes.set(first, at);
    this.#bytes.set(view.subarray(first.length), 0);
    this.length += view.length;
  }

  /** Moves bytes out. Returns how many. */
  shift(view: Uint8Array): number {
    const count = Math.min(view.length, this.length);
    const first = this.#bytes.subarray(this.#start, this.#start + count);
    view.set(first);
    view.set(this.#bytes.subarray(0, count - first.length), first.length);
    this.length -= count;
    this.#start = this.length === 0 ? 0 : (this.#start + count) % this.#bytes.length;
    return count;
  }

  #grow(needed: number): void {
    const { length } = this;
    const grown = new Uint8Array(Math.min(PIPE_CAPACITY, Math.max(SMALLEST_BUFFER, needed * 2)));
    this.shift(grown);
    this.#bytes = grown;
    this.#start = 0;
    this.length = length;
  }
}

/** The state of one pipe. An end is open as long as any descriptor of it is. */
class Pipe {
  readonly ring = new Ring();
  readerOpen = true;
  writerOpen = true;
  /** Of anything about it. */
  readonly changes = new Changes();
}

class PipeReader implements Input {
  readonly kind = 'input';
  readonly medium = 'pipe';
  readonly tty = false;
  nonblocking = false;
  readonly #pipe: Pipe;

  constructor(pipe: Pipe) {
    this.#pipe = pipe;
  }

  available(): number | undefined {
    const { length } = this.#pipe.ring;
    return length > 0 || !this.#pipe.writerOpen ? length : undefined;
  }

  readAhead(): Promise<void> | undefined {
    return this.available() === undefined ? this.#pipe.changes.next() : undefined;
  }

  take(views: readonly Uint8Array[]): number {
    let taken = 0;
    for (const view of views) taken += this.#pipe.ring.shift(view);
    this.#pipe.changes.tell();
    return taken;
  }

  close(): void {
    this.#pipe.readerOpen = false;
    this.#pipe.changes.tell();
  }
}

class PipeWriter implements Output {
  readonly kind = 'output';
  readonly medium = 'pipe';
  readonly tty = false;
  readonly #pipe: Pipe;

  constructor(pipe: Pipe) {
    this.#pipe = pipe;
  }

  /** A write takes something, or fails at once. */
  wouldTake(): boolean {
    return !this.#pipe.readerOpen || PIPE_CAPACITY - this.#pipe.ring.length >= PIPE_BUF;
  }

  roomMade(): Promise<void> {
    return this.#pipe.changes.next();
  }

  write(views: readonly Uint8Array[]): number {
    if (!this.#pipe.readerOpen) throw new PosixError('EPIPE');
    const total = views.reduce((sum, view) => sum + view.length, 0);
    let room = PIPE_CAPACITY - this.#pipe.ring.length;
    if (total > 0 && (room === 0 || (total <= PIPE_BUF && total > room))) throw new PosixError('EAGAIN');
    let written = 0;
    for (const view of views) {
      const part = view.subarray(0, room);
      if (part.length > 0) this.#pipe.ring.push(part);
      room -= part.length;
      written += part.length;
    }
    this.#pipe.changes.tell();
    return written;
  }

  writeOne(view: Uint8Array): number {
    return this.write([view]);
  }

  close(): void {
    this.#pipe.writerOpen = false;
    this.#pipe.changes.tell();
  }
}

/**
 * A pipe within one guest, with the semantics of pipe(7), but that a write never waits: the guest that would have to
 * make room is the one that would wait.
 */
export function createPipe(): { readonly reader: Input; readonly writer: Output } {
  const pipe = new Pipe();
  return { reader: new PipeReader(pipe), writer: new PipeWriter(pipe) };
}
