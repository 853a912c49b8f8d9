import type { FunctionBody } from '../module.ts';
import { type FunctionType, isNullable, isRef, type ValueType } from '../types.ts';

/** Up to so many locals are kept one by one; of more, only where each type begins. */
const MOST_LISTED = 1_000;

/**
 * The locals of a function, parameters first. A few bytes declare 50,000 of them, and a module has many functions: so
 * neither their types nor which have a value is kept for each one.
 */
export class Locals {
  readonly count: number;
  readonly #listed: readonly ValueType[] | undefined;
  /** Where each run ends, and its type. */
  readonly #ends: readonly number[];
  readonly #types: readonly ValueType[];
  readonly #parameters: number;
  /** Those without a default that were given a value, in order. */
  readonly #given: number[] = [];
  readonly #hasValue = new Set<number>();

  constructor(parameters: readonly ValueType[], runs: FunctionBody['locals']) {
    const ends: number[] = [];
    const all = [...parameters.map((type) => ({ count: 1, type })), ...runs];
    this.count = all.reduce((end, { count }) => {
      ends.push(end + count);
      return end + count;
    }, 0);
    this.#ends = ends;
    this.#types = all.map(({ type }) => type);
    this.#parameters = parameters.length;
    if (this.count <= MOST_LISTED) {
      this.#listed = all.flatMap(({ count, type }) => Array.from({ length: count }, () => type));
    }
  }

  static of({ parameters }: FunctionType, { locals }: FunctionBody): Locals {
    return new Locals(parameters, locals);
  }

  /** The type of a local; undefined when there is none of that index. */
  typeOf(index: number): ValueType | undefined {
    if (this.#listed !== undefined) return this.#listed[index];
    let [low, high] = [0, this.#ends.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#ends[middle] ?? 0) <= index) low = middle + 1;
      else high = middle;
    }
    return this.#types[low];
  }

  /** Whether a local of the type can be read: those that begin with a default always, others once they are set. */
  hasValue(index: number, type: ValueType): boolean {
    return index < this.#parameters || !isRef(type) || isNullable(type) || this.#hasValue.has(index);
  }

  give(index: number, type: ValueType): void {
    if (this.hasValue(index, type)) return;
    this.#hasValue.add(index);
    this.#given.push(index);
  }

  /** How many have been given a value. */
  get given(): number {
    return this.#given.length;
  }

  /** At the end of a block: what was given a value within it has none behind it. */
  forget(given: number): void {
    while (this.#given.length > given) this.#hasValue.delete(this.#given.pop() ?? -1);
  }
}
