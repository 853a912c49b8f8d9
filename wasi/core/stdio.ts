import type { InputSource, OutputSink } from '../wasi.ts';
import { PosixError } from './posix-error.ts';

/** What a guest reads from that is no file: reads may wait. */
export interface Input {
  readonly kind: 'input';
  readonly medium: 'stream' | 'pipe' | 'signals';
  readonly tty: boolean;
  nonblocking: boolean;
  /** Bytes that a read would give at once; undefined when it would wait. 0: the end of input, or a failure. */
  available(): number | undefined;
  /** Undefined when a read would no longer wait, else a promise for the moment when that may be so. */
  readAhead(): Promise<void> | undefined;
  /** Moves what there is into the buffers. Returns the number of bytes, 0 at the end of input. */
  take(views: readonly Uint8Array[]): number;
  /** Called when no descriptor of it is left. */
  close?(): void;
}

/** What a guest writes to that is no file. */
export interface Output {
  readonly kind: 'output';
  readonly medium: 'stream' | 'pipe';
  readonly tty: boolean;
  /** Returns the number of bytes written. */
  write(views: readonly Uint8Array[]): number;
  writeOne(view: Uint8Array): number;
  /** Whether a write would not be EAGAIN; without it, never. */
  wouldTake?(): boolean;
  /** Resolves when wouldTake may have become true. */
  roomMade?(): Promise<void>;
  /** Called when no descriptor of it is left. */
  close?(): void;
}

/** Bytes asked of the source at once, whatever the guest's buffer holds: bounds what a read allocates. */
const MAX_READ = 64 * 1024;
/** Writes of several buffers up to so many bytes reach the sink as one, as a pipe does not tear them either. */
const MAX_GATHER = 64 * 1024;

/** Standard output or error. */
export class OutputStream implements Output {
  readonly kind = 'output';
  readonly medium = 'stream';
  readonly tty: boolean;
  readonly #sink: OutputSink;
  #scratch: Uint8Array | undefined;

  constructor(sink: OutputSink, tty: boolean) {
    this.#sink = sink;
    this.tty = tty;
  }

  /** @returns the number of bytes written: all of them */
  write(views: readonly Uint8Array[]): number {
    const filled = views.filter((view) => view.length > 0);
    const length = filled.reduce((sum, view) => sum + view.length, 0);
    if (filled.length > 1 && length <= MAX_GATHER) {
      this.#sink.write(this.#gather(filled).subarray(0, length));
    } else {
      for (const view of filled) this.#sink.write(view);
    }
    return length;
  }

  /** The common case without an array: one buffer. */
  writeOne(view: Uint8Array): number {
    if (view.length > 0) this.#sink.write(view);
    return view.length;
  }

  #gather(views: readonly Uint8Array[]): Uint8Array {
    this.#scratch ??= new Uint8Array(MAX_GATHER);
    let at = 0;
    for (const view of views) {
      this.#scratch.set(view, at);
      at += view.length;
    }
    return this.#scratch;
  }
}

/** Standard input: reads may wait, and a poll reads ahead to know whether they would. */
export class InputStream implements Input {
  readonly kind = 'input';
  readonly medium = 'stream';
  readonly tty: boolean;
  nonblocking = false;
  readonly #source: InputSource;
  #ahead: Uint8Array = new Uint8Array(0);
  #ended = false;
  #failure: unknown;
  #pending: Promise<void> | undefined;

  constructor(source: InputSource, tty: boolean) {
    this.#source = source;
    this.tty = tty;
  }

  available(): number | undefined {
    if (this.#ahead.length > 0) return this.#ahead.length;
    return this.#ended || this.#failure !== undefined ? 0 : undefined;
  }

  readAhead(): Promise<void> | undefined {
    if (this.available() !== undefined) return undefined;
    return (this.#pending ??= this.#fetch());
  }

  #fetch(): Promise<void> | undefined {
    const got = this.#source.read(MAX_READ);
    if (!(got instanceof Promise)) {
      this.#accept(got);
      return undefined;
    }
    return got
      .then(
        (bytes) => this.#accept(bytes),
        (error: unknown) => (this.#failure = error),
      )
      .then(() => {
        this.#pending = undefined;
      });
  }

  #accept(bytes: Uint8Array): void {
    if (bytes.length === 0) this.#ended = true;
    else this.#ahead = bytes;
  }

  take(views: readonly Uint8Array[]): number {
    if (this.#failure !== undefined) {
      const failure = this.#failure;
      this.#failure = undefined;
      throw failure instanceof Error ? failure : new PosixError('EINVAL');
    }
    let taken = 0;
    for (const view of views) {
      const part = this.#ahead.subarray(0, view.length);
      view.set(part);
      this.#ahead = this.#ahead.subarray(part.length);
      taken += part.length;
    }
    return taken;
  }
}
