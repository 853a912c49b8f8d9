import { open, type FileHandle } from 'node:fs/promises';
import { createGunzip } from 'node:zlib';
import { findTail } from './tail.ts';

/** Bytes that tell one log from another: the time of the first entry. */
const HEAD_BYTES = 30;
const COMPRESSED = '.gz';

/** A log file that is held open, so that it can be read to its end whatever becomes of its name. */
export interface OpenLog extends AsyncDisposable {
  readonly dev: number;
  readonly ino: number;
  /** Reads the next bytes into buffer[offset, offset + length). @returns 0 at the end, for now */
  read(buffer: Uint8Array, offset: number, length: number): Promise<number>;
  /** Gives the bytes read last back, to be read again: a log that grows may have taken them back itself. */
  unread(bytes: Uint8Array): void;
  /** Moves to where the last entries begin. */
  seekTail(entries: number): Promise<void>;
  /** The first bytes of the log, fewer while it is shorter. */
  head(): Promise<Uint8Array>;
}

/**
 * Opens a log; one whose name ends in .gz is decompressed on the way.
 * @throws the system's error, ENOENT for one
 */
export async function openLog(path: string): Promise<OpenLog> {
  const file = await open(path, 'r');
  try {
    const { dev, ino } = await file.stat();
    return path.endsWith(COMPRESSED) ? new CompressedLog(file, dev, ino) : new PlainLog(file, dev, ino);
  } catch (error) {
    await file.close();
    throw error;
  }
}

class PlainLog implements OpenLog {
  readonly dev: number;
  readonly ino: number;
  readonly #file: FileHandle;
  #position = 0;

  constructor(file: FileHandle, dev: number, ino: number) {
    this.#file = file;
    this.dev = dev;
    this.ino = ino;
  }

  async read(buffer: Uint8Array, offset: number, length: number): Promise<number> {
    const { bytesRead } = await this.#file.read(buffer, offset, length, this.#position);
    this.#position += bytesRead;
    return bytesRead;
  }

  unread(bytes: Uint8Array): void {
    this.#position -= bytes.length;
  }

  async seekTail(entries: number): Promise<void> {
    const { size } = await this.#file.stat();
    this.#position = await findTail(this.#file, size, entries);
  }

  async head(): Promise<Uint8Array> {
    const head = Buffer.alloc(HEAD_BYTES);
    const { bytesRead } = await this.#file.read(head, 0, HEAD_BYTES, 0);
    return head.subarray(0, bytesRead);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#file.close();
  }
}

class CompressedLog implements OpenLog {
  readonly dev: number;
  readonly ino: number;
  readonly #file: FileHandle;
  readonly #text: AsyncIterator<Buffer, undefined>;
  readonly #end: () => void;
  #rest: Uint8Array = new Uint8Array();
  #head: Uint8Array | undefined;

  constructor(file: FileHandle, dev: number, ino: number) {
    this.#file = file;
    this.dev = dev;
    this.ino = ino;
    const packed = file.createReadStream({ autoClose: false, start: 0 });
    const text = createGunzip();
    packed.once('error', (error) => text.destroy(error)).pipe(text);
    this.#text = text.iterator() as AsyncIterator<Buffer, undefined>;
    this.#end = () => {
      packed.destroy();
      text.destroy();
    };
  }

  async read(buffer: Uint8Array, offset: number, length: number): Promise<number> {
    if (this.#rest.length === 0) {
      const { done, value } = await this.#text.next();
      if (done === true) return 0;
      this.#rest = value;
    }
    const part = this.#rest.subarray(0, length);
    this.#head ??= part.slice(0, HEAD_BYTES);
    buffer.set(part, offset);
    this.#rest = this.#rest.subarray(part.length);
    return part.length;
  }

  unread(bytes: Uint8Array): void {
    this.#rest = Buffer.concat([bytes, this.#rest]);
  }

  seekTail(): Promise<void> {
    throw new Error('the tail of a compressed log is not asked for');
  }

  async head(): Promise<Uint8Array> {
    if (this.#head) return this.#head;
    const { done, value } = await this.#text.next();
    if (done !== true) this.#rest = value;
    this.#head = this.#rest.slice(0, HEAD_BYTES);
    return this.#head;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#end();
    await this.#file.close();
  }
}
