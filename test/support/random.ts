import { randomInt } from 'node:crypto';

/** Numbers that look random and are the same for the same seed, so that a run that failed can be had again. */
export class SeededRandom {
  readonly seed: number;
  #state: number;

  /** @param seed default: another one each time */
  constructor(seed: number = randomInt(2 ** 31)) {
    this.seed = seed;
    this.#state = seed;
  }

  /** From 0 to 1, without 1 (mulberry32). */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }

  /** A whole number, both ends included. */
  between(least: number, most: number): number {
    return least + Math.floor(this.next() * (most - least + 1));
  }

  /** @throws RangeError when there is nothing to pick from */
  pick<T>(from: readonly T[]): T {
    const [picked] = from.slice(this.between(0, from.length - 1));
    if (picked === undefined) throw new RangeError('nothing to pick from');
    return picked;
  }
}
