import { realpath } from 'node:fs/promises';
import { hasCode, messageOf, WasmletError } from '../../../base/errors.ts';
import type { Logger } from '../../../base/log.ts';
import { LogFilter, MAX_GROWTH, type LogStreamName } from './filter.ts';
import { FolderWatch } from './folder-watch.ts';
import { openLog, type OpenLog } from './open-log.ts';
import { openSuccessor } from './rotation.ts';
import type { Instant } from './timestamp.ts';

/** What is read of a log: v1.PodLogOptions after decoding. */
export interface LogOptions {
  readonly follow: boolean;
  readonly timestamps: boolean;
  readonly stream: LogStreamName;
  readonly since?: Instant;
  /** Entries from the end of the current log file. */
  readonly tailLines?: number;
  readonly limitBytes?: number;
}

/** The log of one container: one attempt to run it. */
export interface ContainerLog {
  /** Absolute path of the file that is written now, '<pod logs>/<container>/<attempt>.log'. */
  readonly path: string;
  /**
   * Whether the container may still write; a follow that waits asks each second, and ends when not. A runtime that
   * cannot be reached (WasmletError Unavailable, DeadlineExceeded) says nothing: its containers run on.
   */
  readonly running: () => Promise<boolean>;
  /** Aborted when the container has ended, where that is known at once. */
  readonly ended?: AbortSignal;
}

const SMALL_BUFFER = 16 * 1024;
/** A read of this size takes some 50 µs, the lines in it 0.5 ms: the agent's loop is never held long. */
const LARGE_BUFFER = 256 * 1024;
/** Entries have 16 KiB; whoever writes longer ones than this does not write a CRI log. */
const MAX_ENTRY = 4 * 1024 ** 2;

export interface ReadContext {
  readonly signal: AbortSignal;
  readonly logger: Logger;
}

/** A log that is open for reading. */
export interface OpenLogReader extends AsyncDisposable {
  /**
   * Chunks of the log's text, each valid until the next is asked for: whoever writes them waits until they are written,
   * and so a slow reader holds the reading back.
   */
  chunks(): AsyncGenerator<Uint8Array, void, undefined>;
}

/**
 * Opens a container's log to be read as the kubelet does (k8s.io/cri-client/pkg/logs): the current file, and with
 * `follow` all that is added until the container ends, through every rotation.
 * @param context `signal` ends the reading
 * @throws WasmletError NotFound with the kubelet's words when the log cannot be opened
 */
export async function openLogReader(
  log: ContainerLog,
  options: LogOptions,
  context: ReadContext,
): Promise<OpenLogReader> {
  return await LogReader.open(await resolve(log.path), log, options, context);
}

async function resolve(path: string): Promise<string> {
  try {
    return await realpath(path);
  } catch (cause) {
    const message = `failed to try resolving symlinks in path ${JSON.stringify(path)}: ${messageOf(cause)}`;
    throw new WasmletError('NotFound', message, { cause });
  }
}

class LogReader implements OpenLogReader {
  readonly #path: string;
  readonly #log: ContainerLog;
  readonly #options: LogOptions;
  readonly #signal: AbortSignal;
  readonly #logger: Logger;
  readonly #filter: LogFilter;
  #file: OpenLog;
  #successor: OpenLog | undefined;
  #watch: FolderWatch | undefined;
  /** The container has ended: what can be read now is all. */
  #finishing = false;
  #input = Buffer.allocUnsafeSlow(SMALL_BUFFER);
  #output = Buffer.allocUnsafeSlow(SMALL_BUFFER + MAX_GROWTH);
  /** Bytes at the start of #input that were read and not yet used. */
  #pending = 0;
  /** Whether the last read brought all that was asked for, and so more is likely to be there. */
  #filled = false;
  /** A file that was the successor of another may have been rotated itself, before there was a watch. */
  #isUnchecked = true;

  private constructor(path: string, file: OpenLog, log: ContainerLog, options: LogOptions, context: ReadContext) {
    this.#path = path;
    this.#file = file;
    this.#log = log;
    this.#options = options;
    this.#signal = context.signal;
    this.#logger = context.logger;
    const { since, timestamps, limitBytes, stream, tailLines, follow } = options;
    this.#filter = new LogFilter({
      timestamps,
      stream,
      ...(since ? { since } : {}),
      ...(limitBytes === undefined ? {} : { limitBytes }),
      // What is added while the tail is read does not belong to it.
      ...(tailLines === undefined || follow ? {} : { maxEntries: tailLines }),
    });
  }

  static async open(path: string, log: ContainerLog, options: LogOptions, context: ReadContext): Promise<LogReader> {
    let file: OpenLog;
    try {
      file = await openLog(path);
    } catch (cause) {
      const message = `failed to open log file ${JSON.stringify(path)}: ${messageOf(cause)}`;
      throw new WasmletError('NotFound', message, { cause });
    }
    const reader = new LogReader(path, file, log, options, context);
    if (options.tailLines !== undefined) await file.seekTail(options.tailLines);
    return reader;
  }

  async *chunks(): AsyncGenerator<Uint8Array, void, undefined> {
    while (!this.#filter.done && !this.#signal.aborted) {
      this.#makeRoom();
      const room = this.#input.length - this.#pending;
      const bytes = await this.#file.read(this.#input, this.#pending, room);
      this.#filled = bytes === room;
      this.#pending += bytes;
      if (bytes > 0) {
        yield* this.#entries(false);
      } else if (await this.#isComplete()) {
        yield* this.#entries(true);
        if (!(await this.#nextFile())) return;
      } else {
        await this.#waitForMore();
      }
    }
  }

  /** What the entries read so far come to. */
  *#entries(final: boolean): Generator<Uint8Array, void, undefined> {
    let start = 0;
    for (;;) {
      this.#filter.run(this.#input, start, this.#pending, this.#output, final);
      start += this.#filter.consumed;
      if (this.#filter.produced > 0) yield this.#output.subarray(0, this.#filter.produced);
      if (this.#filter.consumed === 0 || this.#filter.done) break;
    }
    this.#input.copyWithin(0, start, this.#pending);
    this.#pending -= start;
  }

  /** Grows the buffers where entries are long or there is much to read. */
  #makeRoom(): void {
    const size = this.#input.length;
    if (this.#pending < size && (!this.#filled || size >= LARGE_BUFFER)) return;
    if (size * 2 > MAX_ENTRY) {
      throw new WasmletError('InvalidRecord', `${this.#path}: an entry is longer than ${MAX_ENTRY} bytes`);
    }
    this.#resize(size * 2);
  }

  #resize(size: number): void {
    const input = Buffer.allocUnsafeSlow(size);
    this.#input.copy(input, 0, 0, this.#pending);
    this.#input = input;
    this.#output = Buffer.allocUnsafeSlow(size + MAX_GROWTH);
  }

  /**
   * At the end of the file: whether no more will be written to it. A successor means so only from the moment that it
   * exists, hence one more read after it was found; the same with the container's end.
   */
  async #isComplete(): Promise<boolean> {
    if (!this.#options.follow || this.#successor) return true;
    this.#watch ??= new FolderWatch(this.#path);
    if (this.#watch.takeRenamed() || this.#isUnchecked || this.#finishing) {
      this.#isUnchecked = false;
      this.#successor = await openSuccessor(this.#path, this.#file).catch(() => undefined);
      if (this.#successor) return false;
    }
    return this.#finishing;
  }

  /** Goes on with the next file, if there is one. */
  async #nextFile(): Promise<boolean> {
    if (!this.#successor) return false;
    await this.#file[Symbol.asyncDispose]();
    this.#file = this.#successor;
    this.#successor = undefined;
    this.#isUnchecked = true;
    this.#pending = 0;
    return true;
  }

  async #waitForMore(): Promise<void> {
    if (this.#successor || this.#finishing) return;
    this.#shrink();
    const { ended } = this.#log;
    const woken = await this.#watch?.wait(this.#signal, ...(ended ? [ended] : []));
    if (ended?.aborted === true) this.#finishing = true;
    else if (woken === 'timeout' && !this.#signal.aborted) this.#finishing = !(await this.#isRunning());
  }

  /** cri-client, isContainerRunning */
  async #isRunning(): Promise<boolean> {
    try {
      return await this.#log.running();
    } catch (error) {
      if (hasCode(error, 'Unavailable', 'DeadlineExceeded')) return true;
      throw error;
    }
  }

  /** A follow that waits holds little, and reads an entry that was half written again: it may be taken back. */
  #shrink(): void {
    if (this.#pending > 0) this.#file.unread(this.#input.subarray(0, this.#pending));
    this.#pending = 0;
    if (this.#input.length > SMALL_BUFFER) this.#resize(SMALL_BUFFER);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const entries = this.#filter.malformed;
    if (entries > 0)
      this.#logger.warn('entries of a container log are not in CRI format', { path: this.#path, entries });
    this.#watch?.[Symbol.dispose]();
    await this.#successor?.[Symbol.asyncDispose]();
    await this.#file[Symbol.asyncDispose]();
  }
}
