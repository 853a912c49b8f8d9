import type { TableType } from '../../../wasm/types.ts';
import { TABLE } from '../core/layout.ts';
import type { State } from './state.ts';

/** V8's limit of a table's size, and ours. */
export const MAX_TABLE_ELEMENTS = 10_000_000;

/** A table of a store. Its elements are in the state memory: records, or handles of references. */
export class Table {
  readonly type: TableType;
  readonly address: number;
  readonly #state: State;

  constructor(state: State, type: TableType, initial: number) {
    this.type = type;
    this.#state = state;
    this.address = state.allocate(TABLE.size);
    this.grow(Number(type.min), initial);
  }

  get length(): number {
    return this.#state.u32(this.address + TABLE.length);
  }

  get(index: number): number {
    return this.#state.u32(this.#at(index));
  }

  set(index: number, element: number): void {
    this.#state.setU32(this.#at(index), element);
  }

  /** @returns whether both tables' ranges exist, and the elements are copied */
  copyFrom(source: Table, to: number, from: number, count: number): boolean {
    if (from + count > source.length || to + count > this.length) return false;
    const { bytes } = this.#state;
    const start = source.#at(from);
    bytes.copyWithin(this.#at(to), start, start + count * 4);
    return true;
  }

  /** @returns whether the range exists, and is filled */
  fill(index: number, count: number, element: number): boolean {
    if (index + count > this.length) return false;
    for (let n = 0; n < count; n++) this.set(index + n, element);
    return true;
  }

  /** @returns how long it was, or undefined when there is no room */
  grow(count: number, element: number): number | undefined {
    const { length } = this;
    const grown = length + count;
    const max = Number(this.type.max ?? MAX_TABLE_ELEMENTS);
    if (grown > Math.min(max, MAX_TABLE_ELEMENTS)) return undefined;
    if (grown > this.#state.u32(this.address + TABLE.capacity)) this.#move(Math.max(grown, length * 2));
    this.#state.setU32(this.address + TABLE.length, grown);
    if (element !== 0) this.fill(length, count, element);
    return length;
  }

  #move(capacity: number): void {
    const elements = this.#state.allocate(capacity * 4);
    const old = this.#at(0);
    this.#state.bytes.copyWithin(elements, old, old + this.length * 4);
    this.#state.setU32(this.address + TABLE.elements, elements);
    this.#state.setU32(this.address + TABLE.capacity, capacity);
  }

  #at(index: number): number {
    return this.#state.u32(this.address + TABLE.elements) + index * 4;
  }
}
