import { invalid } from '../module-error.ts';
import type { Module } from '../module.ts';
import {
  type FunctionType,
  type GlobalType,
  heapOf,
  type HeapType,
  I32,
  I64,
  isRef,
  type Limits,
  type MemoryType,
  type TableType,
  typeIndexOf,
  type ValueType,
} from '../types.ts';
import { TypeSpace } from './type-space.ts';

/**
 * What validation knows of a module: the context C of the specification. Each look-up throws ModuleError 'unknown …'
 * for an index that there is not; `offset` is where the index stands.
 */
export class ModuleContext {
  readonly module: Module;
  readonly types: TypeSpace;
  /** Functions that ref.func may name: those that occur outside of function bodies. */
  readonly declared: ReadonlySet<number>;
  /** Which of the two generations of exception handling the code uses. */
  #exceptions: 'legacy' | 'exnref' | undefined;

  constructor(module: Module, declared: ReadonlySet<number>) {
    this.module = module;
    this.types = new TypeSpace(module.types, module.typeGroups);
    this.declared = declared;
  }

  functionType(index: number, offset: number): FunctionType {
    const { type } = this.module.functions[index] ?? invalid('unknown function', offset, String(index));
    return this.types.at(type, offset);
  }

  /** The index of a function's type. */
  typeOfFunction(index: number, offset: number): number {
    return (this.module.functions[index] ?? invalid('unknown function', offset, String(index))).type;
  }

  table(index: number, offset: number): TableType {
    return (this.module.tables[index] ?? invalid('unknown table', offset, String(index))).type;
  }

  memory(index: number, offset: number): MemoryType {
    return (this.module.memories[index] ?? invalid('unknown memory', offset, String(index))).type;
  }

  global(index: number, offset: number): GlobalType {
    return (this.module.globals[index] ?? invalid('unknown global', offset, String(index))).type;
  }

  tag(index: number, offset: number): FunctionType {
    const { type } = this.module.tags[index] ?? invalid('unknown tag', offset, String(index));
    return this.types.at(type, offset);
  }

  elementType(index: number, offset: number): ValueType {
    return (this.module.elements[index] ?? invalid('unknown elem segment', offset, String(index))).type;
  }

  /** A module has one generation of exception handling or the other, as V8 requires. */
  useExceptions(generation: 'legacy' | 'exnref', offset: number): void {
    this.#exceptions ??= generation;
    if (this.#exceptions !== generation) invalid('mix of legacy and new exception handling instructions', offset);
  }

  /** That a defined type, where the heap type names one, is there. */
  checkHeapType(heap: HeapType, offset: number): void {
    const index = typeIndexOf(heap);
    if (index !== undefined) this.types.at(index, offset);
  }

  checkValueType(type: ValueType, offset: number): void {
    if (isRef(type)) this.checkHeapType(heapOf(type), offset);
  }
}

/** The type of addresses of a memory or table. */
export function addressOf({ is64 }: Limits): ValueType {
  return is64 ? I64 : I32;
}

/** The type of a length that goes with two addresses. */
export function narrower(one: ValueType, other: ValueType): ValueType {
  return one === I64 && other === I64 ? I64 : I32;
}
