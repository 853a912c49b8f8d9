import type { Operation } from '../core/handler.ts';
import type { State } from './state.ts';

/** The instruction at an address, read by JavaScript. */
export class Operands {
  readonly operation: Operation;
  readonly #state: State;
  readonly #pc: number;
  readonly #fp: number;

  constructor(state: State, operation: Operation, pc: number, fp: number) {
    this.operation = operation;
    this.#state = state;
    this.#pc = pc;
    this.#fp = fp;
  }

  get size(): number {
    return this.operation.format.size;
  }

  u16(name: string): number {
    return this.#state.u16(this.#pc + this.operation.format.at(name));
  }

  u32(name: string): number {
    return this.#state.u32(this.#pc + this.operation.format.at(name));
  }

  i64(name: string): bigint {
    return this.#state.i64(this.#pc + this.operation.format.at(name));
  }

  /** The address of the slot that an operand names. */
  slot(name: string): number {
    return this.#fp + this.u16(name);
  }

  /** The unsigned number in the slot that an operand names. */
  value(name: string): number {
    return this.#state.u32(this.slot(name));
  }

  value64(name: string): bigint {
    return BigInt.asUintN(64, this.#state.i64(this.slot(name)));
  }

  /** An address or a size, of 32 or 64 bits. Beyond 2^53 it is not exact, and out of every bounds as well. */
  address(name: string, is64: boolean | undefined): number {
    return is64 === true ? Number(this.value64(name)) : this.value(name);
  }

  set(name: string, value: number): void {
    this.#state.setU32(this.slot(name), value);
  }

  /** Stores an address or a size; -1 is all ones. */
  setAddress(name: string, value: number, is64: boolean | undefined): void {
    if (is64 === true) this.#state.view.setBigInt64(this.slot(name), BigInt(value), true);
    else this.set(name, value);
  }
}
