import { TypeNumbers } from '../../../wasm/type-numbers.ts';
import {
  type FunctionType,
  heapOf,
  isNullable,
  isRef,
  refType,
  typeIndexOf,
  type ValueType,
} from '../../../wasm/types.ts';

/** Function types of all modules of a store: the same type has the same number, so that a call compares numbers. */
export class TypeIds {
  /** By number; 0 is none. */
  readonly #types: (FunctionType | undefined)[] = [undefined];
  readonly #numbers = new TypeNumbers((type) => this.#types.push(type) - 1);

  /**
   * The numbers of a module's types, by index.
   * @param groups of each type, the index of the first of its recursive group
   */
  register(types: readonly FunctionType[], groups: readonly number[] = [...types.keys()]): number[] {
    return this.#numbers.number(types, groups);
  }

  get(id: number): FunctionType {
    const type = this.#types[id];
    if (type === undefined) throw new RangeError(`there is no function type ${id}`);
    return type;
  }
}

/** A value type of a module as all modules of a store know it: defined types by their numbers. */
export function inStore(type: ValueType, ids: readonly number[]): ValueType {
  const index = isRef(type) ? typeIndexOf(heapOf(type)) : undefined;
  return index === undefined ? type : refType(isNullable(type), ids[index] ?? index);
}
