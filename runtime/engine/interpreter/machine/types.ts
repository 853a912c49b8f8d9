import { type FunctionType, isNullable, heapOf, isRef, typeIndexOf, type ValueType } from '../../../wasm/types.ts';

/** Function types of all modules of a store: the same type has the same number, so that a call compares numbers. */
export class TypeIds {
  readonly #ids = new Map<string, number>();
  /** By number; 0 is none. */
  readonly #types: (FunctionType | undefined)[] = [undefined];

  /** The numbers of a module's types, by index. */
  register(types: readonly FunctionType[]): number[] {
    const ids: number[] = [];
    for (const [index, type] of types.entries()) ids.push(this.#register(type, index, ids));
    return ids;
  }

  get(id: number): FunctionType {
    const type = this.#types[id];
    if (type === undefined) throw new RangeError(`there is no function type ${id}`);
    return type;
  }

  #register({ parameters, results }: FunctionType, own: number, earlier: readonly number[]): number {
    const name = (type: ValueType): string => {
      const index = isRef(type) ? typeIndexOf(heapOf(type)) : undefined;
      if (index === undefined) return type.toString(16);
      return `${isNullable(type) ? 'null' : 'ref'}${index === own ? 'self' : (earlier[index] ?? '?')}`;
    };
    const key = `${parameters.map(name).join(' ')} -> ${results.map(name).join(' ')}`;
    const known = this.#ids.get(key);
    if (known !== undefined) return known;
    this.#types.push({ parameters, results });
    this.#ids.set(key, this.#types.length - 1);
    return this.#types.length - 1;
  }
}
