import type { OutputSink } from '../../wasi/wasi.ts';
import { formatEntry, FULL, HEADER_BYTES, makeHeader, MAX_LINE_BYTES, PARTIAL, TAG_INDEX } from './log-format.ts';
import type { LogStream } from './log-format.ts';
import { LogFile } from './log-file.ts';
import type { LogLimits } from './log-file.ts';
import { PartialFile } from './partial.ts';
import { TimestampWriter, WallClock } from './timestamp.ts';

const LINE_FEED = 0x0a;

/** Bytes gathered for one write(2). */
const BUFFER_BYTES = 128 * 1024;
const ENTRY_BYTES = HEADER_BYTES + MAX_LINE_BYTES + 1;

/** Up to here a loop in JavaScript copies faster than a call of TypedArray.set. */
const SHORT_COPY_BYTES = 128;

/** One stream's unfinished line. */
interface StreamState {
  readonly slot: 0 | 1;
  readonly header: Uint8Array;
  /** Made when a line is first begun and not finished. */
  line: Uint8Array;
  lineLength: number;
}

/** Where entries are gathered, all that one call writes; writers that share a process share it. */
let buffer: Buffer | undefined;
const NOTHING = new Uint8Array(0);

function copy(source: Uint8Array, start: number, end: number, target: Uint8Array, at: number): void {
  if (end - start > SHORT_COPY_BYTES) {
    target.set(source.subarray(start, end), at);
    return;
  }
  for (let from = start, to = at; from < end; from++, to++) target[to] = source[from] as number;
}

/**
 * A container's log: what its guest writes to stdout and stderr, in CRI log format, straight to the file and
 * synchronously. When a write returns, its full lines are in the log and the rest of it is in the partial file.
 */
export class LogWriter implements Disposable {
  readonly stdout: OutputSink;
  readonly stderr: OutputSink;
  readonly #file: LogFile;
  readonly #partial: PartialFile;
  readonly #clock = new WallClock();
  readonly #timestamp = new TimestampWriter();
  readonly #streams: readonly [StreamState, StreamState];
  /** A file no larger than its limit takes no larger writes. */
  readonly #flushAt: number;
  #used = 0;

  /**
   * Opens the log, appending to what is there.
   * @param path absolute path of the current log file; its folder exists
   * @param directory the container's folder, where the partial file stands
   */
  constructor(path: string, limits: LogLimits, directory: string) {
    this.#file = new LogFile(path, limits);
    this.#partial = new PartialFile(directory);
    this.#flushAt = limits.maxSize > 0 ? Math.min(BUFFER_BYTES, limits.maxSize) : BUFFER_BYTES;
    const state = (slot: 0 | 1, stream: LogStream): StreamState => ({
      slot,
      header: makeHeader(stream),
      line: NOTHING,
      lineLength: 0,
    });
    const [stdout, stderr] = [state(0, 'stdout'), state(1, 'stderr')];
    this.#streams = [stdout, stderr];
    this.stdout = { write: (chunk) => this.#write(stdout, chunk) };
    this.stderr = { write: (chunk) => this.#write(stderr, chunk) };
  }

  #write(stream: StreamState, chunk: Uint8Array): void {
    if (chunk.length === 0) return;
    this.#timestamp.write(stream.header, this.#clock.now());
    let start = 0;
    for (let end = chunk.indexOf(LINE_FEED); end !== -1; end = chunk.indexOf(LINE_FEED, start)) {
      start = this.#splitLong(stream, chunk, start, end);
      this.#entry(stream, FULL, chunk, start, end);
      start = end + 1;
    }
    start = this.#splitLong(stream, chunk, start, chunk.length);
    this.#flush();
    this.#keep(stream, chunk, start);
    if (this.#file.dropped > 0) this.#tellOfLoss();
  }

  /** Writes the parts of a line that are longer than an entry may be. @returns where the rest of the line starts */
  #splitLong(stream: StreamState, chunk: Uint8Array, start: number, end: number): number {
    let from = start;
    while (stream.lineLength + end - from > MAX_LINE_BYTES) {
      const part = from + MAX_LINE_BYTES - stream.lineLength;
      this.#entry(stream, PARTIAL, chunk, from, part);
      from = part;
    }
    return from;
  }

  /** Puts one entry into the buffer: the kept part of the line and `chunk` from `start` to `end`. */
  #entry(stream: StreamState, tag: number, chunk: Uint8Array, start: number, end: number): void {
    const kept = stream.lineLength;
    const size = HEADER_BYTES + kept + end - start + 1;
    if (this.#used > 0 && this.#used + size > this.#flushAt) this.#flush();
    buffer ??= Buffer.allocUnsafeSlow(BUFFER_BYTES);
    let at = this.#used;
    stream.header[TAG_INDEX] = tag;
    copy(stream.header, 0, HEADER_BYTES, buffer, at);
    at += HEADER_BYTES;
    if (kept > 0) {
      copy(stream.line, 0, kept, buffer, at);
      at += kept;
      stream.lineLength = 0;
    }
    copy(chunk, start, end, buffer, at);
    buffer[at + end - start] = LINE_FEED;
    this.#used += size;
    if (BUFFER_BYTES - this.#used < ENTRY_BYTES) this.#flush();
  }

  #flush(): void {
    if (this.#used === 0 || buffer === undefined) return;
    this.#file.append(buffer, this.#used);
    this.#used = 0;
    // What was kept of a line is in the log now, unless the line goes on: then #keep saves it anew.
    for (const stream of this.#streams) if (stream.lineLength === 0) this.#partial.clear(stream.slot);
  }

  /** Keeps the rest of a chunk that ends within a line. */
  #keep(stream: StreamState, chunk: Uint8Array, start: number): void {
    if (start === chunk.length) return;
    if (stream.line === NOTHING) stream.line = Buffer.allocUnsafeSlow(MAX_LINE_BYTES);
    copy(chunk, start, chunk.length, stream.line, stream.lineLength);
    stream.lineLength += chunk.length - start;
    this.#partial.save(stream.slot, stream.line, stream.lineLength);
  }

  /** Once the disk has room again, the log says that something is missing. */
  #tellOfLoss(): void {
    const note = `wasmlet: ${this.#file.dropped} bytes of this log were lost: no space left on device`;
    this.#file.appendLossNote(formatEntry('stderr', 'F', Buffer.from(note), this.#clock.now()));
  }

  /** Writes the unfinished lines, tagged as parts, and closes the files. */
  [Symbol.dispose](): void {
    for (const stream of this.#streams) {
      if (stream.lineLength === 0) continue;
      this.#timestamp.write(stream.header, this.#clock.now());
      this.#entry(stream, PARTIAL, stream.line, 0, 0);
    }
    this.#flush();
    this.#file.close();
    this.#partial.close();
  }
}
