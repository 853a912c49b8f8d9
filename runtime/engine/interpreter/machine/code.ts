import { type LoweredFunction, lowerFunction } from '../lower/function.ts';
import type { Instance } from './instance.ts';
import type { State } from './state.ts';

/** A function's code, where it is. */
export interface Code {
  readonly instance: Instance;
  /** Of the function in its module. */
  readonly index: number;
  readonly start: number;
  readonly end: number;
  /** Whether anything in it can be caught. */
  readonly catches: boolean;
}

/** How many functions' maps are kept: they are made anew from the module when they are needed. */
const KEPT = 256;

/** All code of a store, in the order of its addresses. */
export class CodeSpace {
  readonly #state: State;
  readonly #codes: Code[] = [];
  readonly #lowered = new Map<Code, LoweredFunction>();

  constructor(state: State) {
    this.#state = state;
  }

  /** Every function that has been lowered, in that order. */
  get codes(): readonly Code[] {
    return this.#codes;
  }

  /** Puts a function's code into the state memory. */
  install(instance: Instance, index: number): { readonly code: Code; readonly positions: number } {
    const lowered = lowerFunction(instance, index);
    const start = this.#state.allocate(lowered.length, 2);
    this.#state.bytes.set(lowered.link(start), start);
    const code = { instance, index, start, end: start + lowered.length, catches: lowered.ranges.length > 0 };
    this.#codes.push(code);
    if (code.catches) this.#keep(code, lowered);
    return { code, positions: lowered.positions };
  }

  /**
   * Notes code that is in the state memory already, as it was saved.
   * @returns false when it is not what the function is lowered to
   */
  restore(instance: Instance, index: number, start: number): boolean {
    const lowered = lowerFunction(instance, index);
    const end = start + lowered.length;
    const saved = this.#state.bytes.subarray(start, end);
    const last = this.#codes.at(-1);
    if (Buffer.compare(lowered.link(start), saved) !== 0 || (last !== undefined && start < last.end)) return false;
    this.#codes.push({ instance, index, start, end, catches: lowered.ranges.length > 0 });
    return true;
  }

  /** The code that an address is in; undefined for a stub. */
  at(address: number): Code | undefined {
    let low = 0;
    let high = this.#codes.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#codes[middle]?.start ?? 0) <= address) low = middle + 1;
      else high = middle;
    }
    const code = this.#codes[low - 1];
    return code !== undefined && address < code.end ? code : undefined;
  }

  /** What is known of a function beyond its code. */
  describe(code: Code): LoweredFunction {
    const known = this.#lowered.get(code);
    const lowered = known ?? lowerFunction(code.instance, code.index);
    this.#lowered.delete(code);
    this.#keep(code, lowered);
    return lowered;
  }

  #keep(code: Code, lowered: LoweredFunction): void {
    this.#lowered.set(code, lowered);
    for (const [oldest] of this.#lowered) {
      if (this.#lowered.size <= KEPT) break;
      this.#lowered.delete(oldest);
    }
  }
}

/** The instruction that an address is in: its number in the function's map. */
export function instructionAt({ map: { offsets } }: LoweredFunction, offset: number): number {
  let low = 0;
  let high = offsets.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((offsets[middle] ?? 0) <= offset) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}
