import { invalid } from '../module-error.ts';
import { TypeNumbers } from '../type-numbers.ts';
import {
  EXN,
  EXTERN,
  FUNC,
  type FunctionType,
  heapOf,
  type HeapType,
  isNullable,
  isRef,
  NOEXN,
  NOEXTERN,
  NOFUNC,
  typeIndexOf,
  type ValueType,
} from '../types.ts';

/** The type of an operand that may be anything, in code that is never reached. No value type has this number. */
export const UNKNOWN: ValueType = 0;

/**
 * The types that a module defines, and which of all types matches which (core specification, "Matching"). Two defined
 * types are the same when their structure is, whatever their indices.
 */
export class TypeSpace {
  readonly types: readonly FunctionType[];
  /** By index: the first index of the same structure. */
  readonly #canonical: readonly number[];

  /** @param groups of each type, the index of the first of its recursive group */
  constructor(types: readonly FunctionType[], groups: readonly number[]) {
    this.types = types;
    this.#canonical = new TypeNumbers((_, index) => index).number(types, groups);
  }

  /** The index that stands for all types of the same structure. */
  canonical(index: number): number {
    return this.#canonical[index] ?? index;
  }

  /** @throws ModuleError 'unknown type' */
  at(index: number, offset: number): FunctionType {
    return this.types[index] ?? invalid('unknown type', offset, String(index));
  }

  /** Whether a value of the one type can stand where the other is asked for. */
  matches(type: ValueType, expected: ValueType): boolean {
    if (type === expected || type === UNKNOWN || expected === UNKNOWN) return true;
    if (!isRef(type) || !isRef(expected)) return false;
    if (isNullable(type) && !isNullable(expected)) return false;
    return this.#heapMatches(heapOf(type), heapOf(expected));
  }

  #heapMatches(heap: HeapType, expected: HeapType): boolean {
    if (heap === expected) return true;
    const index = typeIndexOf(heap);
    const expectedIndex = typeIndexOf(expected);
    if (index !== undefined) {
      if (expectedIndex === undefined) return expected === FUNC;
      return this.canonical(index) === this.canonical(expectedIndex);
    }
    if (heap === NOFUNC) return expected === FUNC || expectedIndex !== undefined;
    return (heap === NOEXTERN && expected === EXTERN) || (heap === NOEXN && expected === EXN);
  }
}
