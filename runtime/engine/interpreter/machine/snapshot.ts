import { crc32 } from 'node:zlib';
import { WasmletError } from '../../../../base/errors.ts';
import type { Instance } from './instance.ts';
import type { Machine } from './machine.ts';
import { PAGE } from './native.ts';

/**
 * A guest's whole state as bytes: `WLSNAP`, version, checksum, then a description (JSON) and the pages of its memories
 * that are not all zeroes. It fits the module, the core and the lowering that it was made with, and says which.
 */
const MAGIC = 0x574c_534e_4150n;
export const SNAPSHOT_VERSION = 1;
const HEAD_BYTES = 24;
/** Memory is kept by pieces of this size. */
const PIECE = 4096;

interface Description {
  /** Of the core and all instructions: their numbers are in the code. */
  readonly core: string;
  /** Of the module: its length and checksum. */
  readonly module: string;
  readonly machine: {
    readonly pc: number;
    readonly fp: number;
    readonly gas: number;
    readonly free: number;
    readonly granted: number;
  };
  readonly heapEnd: number;
  /** Functions that have been lowered: their index, and where their code is. */
  readonly code: readonly (readonly [index: number, start: number])[];
  readonly dropped: { readonly data: readonly number[]; readonly elements: readonly number[] };
  readonly exceptions: readonly (readonly [tag: number, payload: string] | null)[];
  /** Pages of each guest memory. */
  readonly memories: readonly number[];
  /** What the user of the machine wants back. */
  readonly user: unknown;
}

const refused = (why: string): WasmletError =>
  new WasmletError('FailedPrecondition', `the saved guest cannot be resumed: ${why}`);

/**
 * Saves a machine with one instance that stands still.
 * @param user goes along and comes back; must be JSON
 * @throws WasmletError FailedPrecondition for a state that has parts outside of the guest
 */
export function saveMachine(machine: Machine, instance: Instance, user: unknown): Uint8Array<ArrayBuffer> {
  const { store } = machine;
  if (machine.host.waits) throw new WasmletError('FailedPrecondition', 'a guest that waits for the host is not saved');
  if (machine.breakpoints.size > 0) {
    throw new WasmletError('FailedPrecondition', 'a guest with breakpoints is not saved: remove them before');
  }
  if (store.references.size > 0) {
    throw new WasmletError('FailedPrecondition', 'a guest that holds references to the host is not saved');
  }
  const { pc, fp, gas, free, fuel } = machine;
  const description: Description = {
    core: instance.coreIdentity,
    module: moduleIdentity(instance.module.bytes),
    machine: { pc, fp, gas, free, granted: fuel.granted },
    heapEnd: store.state.heapEnd,
    code: store.code.codes.map(({ index, start }) => [index, start]),
    dropped: instance.dropped,
    exceptions: store.exceptions.all.map((one) =>
      one === undefined ? null : [one.tag, Buffer.from(one.payload).toString('base64')],
    ),
    memories: instance.memories.map(({ buffer }) => buffer.byteLength / PAGE),
    user,
  };
  const text = Buffer.from(JSON.stringify(description));
  const parts = [
    pieces(store.state.bytes.subarray(0, store.state.heapEnd)),
    ...instance.memories.map(({ buffer }) => pieces(new Uint8Array(buffer))),
  ];
  const body = Buffer.concat([u32(text.length), text, ...parts]);
  const head = Buffer.alloc(HEAD_BYTES);
  head.writeBigUInt64LE(MAGIC, 0);
  head.writeUInt32LE(SNAPSHOT_VERSION, 8);
  head.writeUInt32LE(crc32(body), 12);
  head.writeBigUInt64LE(BigInt(body.length), 16);
  return new Uint8Array(Buffer.concat([head, body]));
}

/**
 * Puts a saved state into a machine whose one instance is as it was made, of the same module and with the same imports.
 * @returns what `user` was
 * @throws WasmletError FailedPrecondition, and the machine must not be used, when the bytes are damaged or do not fit
 */
export function restoreMachine(machine: Machine, instance: Instance, bytes: Uint8Array): unknown {
  const reader = new PartReader(checkedBody(bytes));
  const description = reader.description();
  if (description.core !== instance.coreIdentity) throw refused('it was saved by another release of the interpreter');
  if (description.module !== moduleIdentity(instance.module.bytes)) throw refused('it is of another module');
  const { store } = machine;
  store.state.restoreHeapEnd(description.heapEnd);
  reader.pieces(store.state.bytes, description.heapEnd);
  for (const [index, pages] of description.memories.entries()) {
    const memory = instance.memories[index];
    if (memory === undefined) throw refused('it has more memories');
    growTo(memory, pages, instance.module.memories[index]?.type.is64 === true);
    reader.pieces(new Uint8Array(memory.buffer), memory.buffer.byteLength);
  }
  for (const [index, start] of description.code) {
    if (!store.code.restore(instance, index, start)) throw refused('its code is not what this release makes of it');
  }
  for (const segment of description.dropped.data) instance.dropData(segment);
  for (const segment of description.dropped.elements) instance.dropElements(segment);
  store.exceptions.restore(
    description.exceptions.map((one) =>
      one === null ? undefined : { tag: one[0], payload: new Uint8Array(Buffer.from(one[1], 'base64')) },
    ),
  );
  const { granted, ...registers } = description.machine;
  Object.assign(machine, registers);
  machine.fuel.granted = granted;
  machine.instance = instance;
  return description.user;
}

const moduleIdentity = (bytes: Uint8Array): string => `${bytes.length}-${crc32(bytes)}`;

const u32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
};

/** Those pieces of a memory that are not all zeroes, each behind its number; and the count before them. */
function pieces(memory: Uint8Array): Buffer {
  const kept: Buffer[] = [];
  let count = 0;
  for (let at = 0; at < memory.length; at += PIECE) {
    const piece = Buffer.from(memory.buffer, memory.byteOffset + at, Math.min(PIECE, memory.length - at));
    if (isZero(piece)) continue;
    kept.push(u32(at / PIECE), piece);
    count++;
  }
  return Buffer.concat([u32(count), ...kept]);
}

const ZEROES = Buffer.alloc(PIECE);
const isZero = (piece: Buffer): boolean => piece.equals(ZEROES.subarray(0, piece.length));

function checkedBody(bytes: Uint8Array): Buffer {
  const all = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  if (all.length < HEAD_BYTES || all.readBigUInt64LE(0) !== MAGIC) throw refused('the bytes are no saved guest');
  const version = all.readUInt32LE(8);
  if (version !== SNAPSHOT_VERSION) throw refused(`its format has version ${version}, not ${SNAPSHOT_VERSION}`);
  const body = all.subarray(HEAD_BYTES);
  if (all.readBigUInt64LE(16) !== BigInt(body.length)) throw refused('it is cut off');
  if (all.readUInt32LE(12) !== crc32(body)) throw refused('it is damaged');
  return body;
}

class PartReader {
  readonly #body: Buffer;
  #at = 0;

  constructor(body: Buffer) {
    this.#body = body;
  }

  description(): Description {
    const length = this.#u32();
    const text = this.#body.toString('utf8', this.#at, this.#at + length);
    this.#at += length;
    return JSON.parse(text) as Description;
  }

  /** Makes the first `length` bytes of a memory what was saved. */
  pieces(memory: Uint8Array, length: number): void {
    memory.fill(0, 0, length);
    for (let count = this.#u32(); count > 0; count--) {
      const at = this.#u32() * PIECE;
      const size = Math.min(PIECE, length - at);
      if (size <= 0) throw refused('it has memory beyond its end');
      memory.set(this.#body.subarray(this.#at, this.#at + size), at);
      this.#at += size;
    }
  }

  #u32(): number {
    const value = this.#body.readUInt32LE(this.#at);
    this.#at += 4;
    return value;
  }
}

function growTo(memory: Instance['memories'][number], pages: number, is64: boolean): void {
  const missing = pages - memory.buffer.byteLength / PAGE;
  if (missing < 0) throw refused('its memory is smaller than the module begins with');
  if (missing > 0) memory.grow(is64 ? BigInt(missing) : missing);
}
