import type { FunctionType } from '../../../wasm/types.ts';
import type { HostFunction } from '../../engine.ts';
import { coreFor } from '../core/core.ts';
import { NULL_RECORD, RECORD, SLOT } from '../core/layout.ts';
import { headerSlot } from '../lower/values.ts';
import { CodeSpace } from './code.ts';
import { ExceptionTable } from './exception-table.ts';
import type { Instance } from './instance.ts';
import { References } from './references.ts';
import { State } from './state.ts';
import type { Table } from './table.ts';
import { TypeIds } from './types.ts';

/** A tag: exceptions are told apart by its number. */
export interface Tag {
  readonly type: FunctionType;
  readonly typeId: number;
}

/** All instances that can reach one another, and their whole state. */
export class Store {
  readonly state = new State();
  readonly types = new TypeIds();
  readonly code = new CodeSpace(this.state);
  readonly references = new References();
  /** By number; no instance has number 0. */
  readonly instances: (Instance | undefined)[] = [undefined];
  readonly hostFunctions: HostFunction[] = [];
  /** By the address of their descriptor. */
  readonly tables = new Map<number, Table>();
  readonly tags: Tag[] = [];
  readonly exceptions = new ExceptionTable(this);
  /** Where a call from JavaScript returns to. */
  readonly halt: number;
  /** By instance and function: how it is called from there (see `crossing`). */
  readonly #crossings = new Map<string, number>();
  /** Of each stub with a frame, by each of its addresses that is a multiple of 8. */
  readonly #stubHeaders = new Map<number, number>();
  readonly #stubs = coreFor([]).instructions;

  constructor() {
    this.halt = this.#writeStub([['halt']]);
  }

  /** The address of a new function of the host. */
  hostFunction(type: FunctionType, typeId: number, host: HostFunction): number {
    const record = this.state.allocate(RECORD.size);
    const header = headerSlot(type.parameters, type.results) * SLOT;
    const index = this.hostFunctions.push(host) - 1;
    this.writeRecord(record, { type: typeId, instance: 0, header, index });
    this.state.setU32(record + RECORD.code, this.#writeStub([['host', record]], header));
    return record;
  }

  /** A record but for its code. */
  writeRecord(
    record: number,
    { type, instance, header, index }: { type: number; instance: number; header: number; index: number },
  ): void {
    const { state } = this;
    state.setU32(record + RECORD.type, type);
    state.setU32(record + RECORD.instance, instance);
    state.setU32(record + RECORD.header, header);
    state.setU32(record + RECORD.index, index);
  }

  /** The type of the function of a record. */
  typeOf(record: number): FunctionType {
    return this.types.get(this.state.u32(record + RECORD.type));
  }

  /** The number of that type. */
  typeIdOf(record: number): number {
    return this.state.u32(record + RECORD.type);
  }

  /** The instance that a function is of; undefined for one of the host. */
  instanceOf(record: number): Instance | undefined {
    return this.instances[this.state.u32(record + RECORD.instance)];
  }

  /**
   * How an instance calls a function that may be another's: a core only knows its own guest's memories, so between
   * instances a call goes through JavaScript.
   */
  callable(from: number, record: number): number {
    const instance = this.state.u32(record + RECORD.instance);
    return instance === from || instance === 0 || record === NULL_RECORD ? record : this.#crossing(from, record);
  }

  #crossing(from: number, record: number): number {
    const key = `${from} ${record}`;
    let crossing = this.#crossings.get(key);
    if (crossing === undefined) {
      const { state } = this;
      crossing = state.allocate(RECORD.size);
      const header = state.u32(record + RECORD.header);
      this.writeRecord(crossing, { type: state.u32(record + RECORD.type), instance: from, header, index: record });
      state.setU32(
        crossing + RECORD.code,
        this.#writeStub(
          [
            ['cross', record],
            ['crossBack', crossing],
          ],
          header,
        ),
      );
      this.#crossings.set(key, crossing);
    }
    return crossing;
  }

  /** Gives functions that follow one another a stub each, for as long as they are not lowered. */
  writeLowerStubs(first: number, count: number): void {
    const { state } = this;
    const size = this.#sizeOf('lower');
    const start = state.allocate(count * size, 2);
    const code = this.#stubs.code('lower');
    for (let n = 0; n < count; n++) {
      const at = start + n * size;
      const record = first + n * RECORD.size;
      state.view.setUint16(at, code, true);
      state.setU32(at + 2, record);
      state.setU32(record + RECORD.code, at);
    }
  }

  /**
   * The byte offset of a frame's header while it is in a stub.
   * @param pc an address in the stub
   * @returns undefined outside stubs
   */
  stubHeader(pc: number): number | undefined {
    return this.#stubHeaders.get(pc - (pc % 8));
  }

  #sizeOf(name: string): number {
    return this.#stubs.operations[this.#stubs.code(name)]?.format.size ?? 0;
  }

  /** Writes instructions for JavaScript, and a return where a function's header is given. */
  #writeStub(stub: readonly (readonly [name: string, record?: number])[], header?: number): number {
    const { state } = this;
    const instructions = header === undefined ? stub : [...stub, ['return'] as const];
    const size = instructions.reduce((sum, [name]) => sum + this.#sizeOf(name), 0);
    // The four bytes before an instruction that is returned to say how much fuel is left behind it: none.
    const start = state.allocate(4 + size) + 4;
    for (let at = start - 4; header !== undefined && at < start + size; at += 8) this.#stubHeaders.set(at, header);
    let at = start;
    for (const [name, record] of instructions) {
      state.view.setUint16(at, this.#stubs.code(name), true);
      if (name === 'return') state.view.setUint16(at + 2, header ?? 0, true);
      else if (record !== undefined) state.setU32(at + 2, record);
      at += this.#sizeOf(name);
    }
    return start;
  }
}
