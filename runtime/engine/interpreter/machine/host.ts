import { HEADER, RECORD, SLOT } from '../core/layout.ts';
import { slotsOf } from '../lower/values.ts';
import type { FunctionType, ValueType } from '../../../wasm/types.ts';
import { isRef } from '../../../wasm/types.ts';
import type { Machine, Pause } from './machine.ts';
import { isExceptionReference } from './exceptions.ts';
import { isFunctionReference, readNumber, writeNumber } from './values.ts';

/** A call of a function of the host that is under way. */
interface PendingCall {
  readonly type: FunctionType;
  readonly fp: number;
}

/** Takes arguments out of frames to functions of the host, and their results back. */
export class HostTransfer {
  readonly #machine: Machine;
  #pending: PendingCall | undefined;
  /** How references to functions become values of JavaScript, and back: as the user of the machine has them. */
  functions: {
    readonly toValue: (record: number) => unknown;
    readonly toRecord: (value: unknown) => number;
  } = {
    toValue: (record) => record,
    toRecord: Number,
  };

  constructor(machine: Machine) {
    this.#machine = machine;
  }

  /** Whether a function of the host is awaited. */
  get waits(): boolean {
    return this.#pending !== undefined;
  }

  /**
   * Calls the function whose stub is at pc, and goes on behind it.
   * @returns a pause when it gave a promise and may
   */
  call(record: number, size: number): Pause | undefined {
    const machine = this.#machine;
    const { store } = machine;
    const type = store.typeOf(record);
    const host = store.hostFunctions[store.state.u32(record + RECORD.index)];
    if (host === undefined) throw new RangeError('there is no such function of the host');
    const { fp, pc, free, instance } = machine;
    // It may call the guest in turn.
    machine.free = fp + store.state.u32(record + RECORD.header) + HEADER.size;
    const result = host.call(...(this.readAll(type.parameters, fp) as never[]));
    machine.free = free;
    machine.instance = instance;
    machine.pc = pc + size;
    const pending = { type, fp };
    if (host.suspends && result instanceof Promise) {
      this.#pending = pending;
      return { kind: 'host', promise: result };
    }
    this.#finish(pending, result);
    return undefined;
  }

  /** The awaited function has returned. */
  finish(result: unknown): void {
    const pending = this.#pending;
    if (pending === undefined) throw new RangeError('no function of the host is awaited');
    this.#pending = undefined;
    this.#finish(pending, result);
  }

  #finish({ type, fp }: PendingCall, result: unknown): void {
    const { results } = type;
    const values = results.length > 1 ? [...(result as Iterable<unknown>)] : [result];
    let at = fp;
    for (const [index, result] of results.entries()) {
      this.write(result, at, values[index]);
      at += slotsOf(result) * SLOT;
    }
  }

  /** Values that follow one another in slots. */
  readAll(types: readonly ValueType[], address: number): unknown[] {
    let at = address;
    return types.map((type) => {
      const value = this.read(type, at);
      at += slotsOf(type) * SLOT;
      return value;
    });
  }

  read(type: ValueType, address: number): unknown {
    const { state, references } = this.#machine.store;
    if (!isRef(type)) return readNumber(state, address, type);
    const handle = state.u32(address);
    if (isExceptionReference(type)) return handle;
    if (isFunctionReference(type)) return handle === 0 ? null : this.functions.toValue(handle);
    return references.value(handle);
  }

  write(type: ValueType, address: number, value: unknown): void {
    const { state, references } = this.#machine.store;
    if (!isRef(type)) writeNumber(state, address, type, value);
    else if (isExceptionReference(type)) state.setU32(address, Number(value));
    else if (isFunctionReference(type)) state.setU32(address, value === null ? 0 : this.functions.toRecord(value));
    else state.setU32(address, references.handle(value));
  }
}
