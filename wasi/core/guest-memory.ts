import { WasmletError } from '../../base/errors.ts';
import { PosixError } from './posix-error.ts';

/** A guest's linear memory, as engines give it: `buffer` is another object after the memory has grown. */
export interface LinearMemory {
  readonly buffer: ArrayBufferLike;
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/**
 * Reads and writes a guest's memory. Every pointer and length is checked: one that leaves the memory is the guest's
 * EFAULT and never an exception of the host. Pointers come in as Wasm's i32, signed.
 */
export class GuestMemory {
  /** Bytes that one call of the guest moves at the most; longer reads and writes are done in part. */
  readonly maxTransfer: number;
  #memory: LinearMemory | undefined;
  #buffer: ArrayBufferLike = new ArrayBuffer(0);
  #bytes = new Uint8Array(this.#buffer);
  #data = new DataView(this.#buffer);

  constructor(maxTransfer = Infinity) {
    this.maxTransfer = maxTransfer;
  }

  /** Gives the memory, once the instance that exports it exists. */
  attach(memory: LinearMemory): void {
    this.#memory = memory;
  }

  /**
   * @throws PosixError EFAULT unless all of the range is inside the memory
   * @throws WasmletError FailedPrecondition before the memory is attached
   */
  check(pointer: number, length: number): void {
    this.#refresh();
    if ((pointer >>> 0) + (length >>> 0) > this.#buffer.byteLength) throw new PosixError('EFAULT');
  }

  /** A view of the memory itself, valid until the guest runs again. */
  view(pointer: number, length: number): Uint8Array {
    this.check(pointer, length);
    const start = pointer >>> 0;
    return this.#bytes.subarray(start, start + (length >>> 0));
  }

  u8(pointer: number): number {
    this.check(pointer, 1);
    return this.#data.getUint8(pointer >>> 0);
  }

  u16(pointer: number): number {
    this.check(pointer, 2);
    return this.#data.getUint16(pointer >>> 0, true);
  }

  u32(pointer: number): number {
    this.check(pointer, 4);
    return this.#data.getUint32(pointer >>> 0, true);
  }

  u64(pointer: number): bigint {
    this.check(pointer, 8);
    return this.#data.getBigUint64(pointer >>> 0, true);
  }

  setU8(pointer: number, value: number): void {
    this.check(pointer, 1);
    this.#data.setUint8(pointer >>> 0, value);
  }

  setU16(pointer: number, value: number): void {
    this.check(pointer, 2);
    this.#data.setUint16(pointer >>> 0, value, true);
  }

  setU32(pointer: number, value: number): void {
    this.check(pointer, 4);
    this.#data.setUint32(pointer >>> 0, value, true);
  }

  setU64(pointer: number, value: bigint): void {
    this.check(pointer, 8);
    this.#data.setBigUint64(pointer >>> 0, value, true);
  }

  setBytes(pointer: number, bytes: Uint8Array): void {
    this.check(pointer, bytes.length);
    this.#bytes.set(bytes, pointer >>> 0);
  }

  /** @throws PosixError EILSEQ when the bytes are not UTF-8, EFAULT */
  string(pointer: number, length: number): string {
    const bytes = this.view(pointer, length);
    try {
      // A copy, because a decoder takes no shared memory.
      return utf8.decode(bytes.slice());
    } catch {
      throw new PosixError('EILSEQ');
    }
  }

  #refresh(): void {
    if (this.#memory === undefined) throw calledTooEarly();
    const { buffer } = this.#memory;
    if (buffer === this.#buffer) return;
    this.#buffer = buffer;
    this.#bytes = new Uint8Array(buffer);
    this.#data = new DataView(buffer);
  }
}

/** An engine runs nothing of a guest before it has told of its memory. */
const calledTooEarly = (): WasmletError =>
  new WasmletError('FailedPrecondition', 'the guest called WASI before its memory was known');
