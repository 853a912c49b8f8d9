import { type FunctionType, heapOf, isNullable, isRef, typeIndexOf, type ValueType } from './types.ts';

/**
 * Numbers types, so that those which are the same have the same number, also of several modules. Types are the same when
 * their recursive groups are, and they have the same place in them (core specification, "Types", Recursive Types: types
 * are equal up to rolling); a group is the same as another when it is written alike, whatever the indices.
 */
export class TypeNumbers {
  /** The numbers of each group's types, by how it is written. */
  readonly #groups = new Map<string, readonly number[]>();
  readonly #add: (type: FunctionType, index: number) => number;

  /** @param add gives a type that is new its number */
  constructor(add: (type: FunctionType, index: number) => number) {
    this.#add = add;
  }

  /** @param groups of each type, the index of the first of its group. @returns the number of each */
  number(types: readonly FunctionType[], groups: readonly number[]): number[] {
    const numbers: number[] = [];
    while (numbers.length < types.length) {
      const first = numbers.length;
      const end = endOfGroup(groups, first);
      const members = types.slice(first, end);
      const key = members.map((type) => written(type, first, end, numbers)).join(';');
      let known = this.#groups.get(key);
      if (known === undefined) {
        known = members.map((type, index) => this.#add(type, first + index));
        this.#groups.set(key, known);
      }
      for (const number of known) numbers.push(number);
    }
    return numbers;
  }
}

/** The index behind the last type of the group that a type is in. */
export function endOfGroup(groups: readonly number[], index: number): number {
  let end = index + 1;
  while (end < groups.length && groups[end] === groups[index]) end++;
  return end;
}

/** A text that is the same for types of the same structure; types of the own group are told by their place in it. */
function written(
  { parameters, results }: FunctionType,
  first: number,
  end: number,
  numbers: readonly number[],
): string {
  const one = (type: ValueType): string => {
    const index = isRef(type) ? typeIndexOf(heapOf(type)) : undefined;
    if (index === undefined) return String(type);
    const named = index >= first && index < end ? `own ${index - first}` : (numbers[index] ?? '?');
    return `${isNullable(type) ? 'null' : 'ref'} ${named}`;
  };
  return `${parameters.map(one).join()}>${results.map(one).join()}`;
}
