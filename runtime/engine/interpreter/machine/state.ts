import { HEAP_START } from '../core/layout.ts';
import { type NativeMemory, newMemory, PAGE } from './native.ts';

/** The heap grows by this many bytes at a time. */
const STEP = 16 * PAGE;

/**
 * The state memory with its heap. Nothing in it is given back but tables that have moved: functions, globals and code
 * live as long as the store.
 */
export class State {
  readonly memory: NativeMemory;
  view: DataView;
  bytes: Uint8Array;
  #next: number;

  constructor() {
    this.memory = newMemory({ initial: HEAP_START / PAGE });
    this.bytes = new Uint8Array(this.memory.buffer);
    this.view = new DataView(this.memory.buffer);
    this.#next = HEAP_START;
  }

  /** Where the next allocation is made; all below is in use. */
  get heapEnd(): number {
    return this.#next;
  }

  /** @returns the address of so many zero bytes */
  allocate(size: number, alignment = 8): number {
    const address = Math.ceil(this.#next / alignment) * alignment;
    this.reserve(address + size);
    this.#next = address + size;
    return address;
  }

  /** Makes the memory this large, as when a saved state is put back. */
  reserve(end: number): void {
    const missing = end - this.bytes.length;
    if (missing <= 0) return;
    this.memory.grow(Math.ceil(Math.max(missing, STEP) / PAGE));
    this.bytes = new Uint8Array(this.memory.buffer);
    this.view = new DataView(this.memory.buffer);
  }

  /** A saved state's heap ends here. */
  restoreHeapEnd(end: number): void {
    this.reserve(end);
    this.#next = end;
  }

  u16(address: number): number {
    return this.view.getUint16(address, true);
  }

  u32(address: number): number {
    return this.view.getUint32(address, true);
  }

  setU32(address: number, value: number): void {
    this.view.setUint32(address, value, true);
  }

  i64(address: number): bigint {
    return this.view.getBigInt64(address, true);
  }
}
