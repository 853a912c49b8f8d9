import type { Export, ExternalKind, Import, Module } from '../../../wasm/module.ts';
import {
  FUNC,
  type GlobalType,
  heapOf,
  isNullable,
  isRef,
  type MemoryType,
  type TableType,
  typeIndexOf,
  type ValueType,
} from '../../../wasm/types.ts';
import type { Instance } from './instance.ts';
import { type ResolvedImports } from './instance.ts';
import { type NativeMemory, PAGE } from './native.ts';
import type { Store } from './store.ts';
import type { Table } from './table.ts';
import { inStore } from './types.ts';

/** Something that a module imports or exports: in its store. */
export type External =
  | { readonly kind: 'function'; readonly record: number }
  | { readonly kind: 'table'; readonly table: Table }
  | { readonly kind: 'memory'; readonly memory: NativeMemory; readonly type: MemoryType }
  /** Types of values as the store has them (types.ts). */
  | { readonly kind: 'global'; readonly cell: number; readonly type: GlobalType }
  | { readonly kind: 'tag'; readonly tag: number };

/** An import that nobody offers, or that is not of its type. The message is the specification's. */
export class ImportError extends Error {
  constructor(rule: 'unknown import' | 'incompatible import type', { module, name }: Import) {
    super(`${rule}: ${module}.${name}`);
    this.name = 'ImportError';
  }
}

/** What an instance exports under a name. */
export function exported(instance: Instance, { kind, index }: Export): External {
  const { module } = instance;
  switch (kind) {
    case 'function':
      return { kind, record: instance.reference(index) };
    case 'table':
      return { kind, table: required(instance.tables[index]) };
    case 'memory':
      return { kind, memory: required(instance.memories[index]), type: required(module.memories[index]).type };
    case 'global':
      return {
        kind,
        cell: instance.global(index),
        type: globalInStore(instance, required(module.globals[index]).type),
      };
    case 'tag':
      return { kind, tag: instance.tag(index) };
  }
}

const globalInStore = (instance: Instance, { type, mutable }: GlobalType): GlobalType => ({
  type: instance.inStore(type),
  mutable,
});

/**
 * Finds all that a module imports (core specification, "Instantiation": external types must match).
 * @throws ImportError
 */
export function resolveImports(
  store: Store,
  module: Module,
  find: (module: string, name: string) => External | undefined,
): ResolvedImports {
  const typeIds = store.types.register(module.types, module.typeGroups);
  const found = {
    functions: [] as number[],
    tables: [] as Table[],
    memories: [] as NativeMemory[],
    globals: [] as number[],
    tags: [] as number[],
  };
  const next: Record<ExternalKind, number> = { function: 0, table: 0, memory: 0, global: 0, tag: 0 };
  for (const wanted of module.imports) {
    const external = find(wanted.module, wanted.name);
    if (external === undefined) throw new ImportError('unknown import', wanted);
    const index = next[wanted.kind]++;
    if (external.kind !== wanted.kind || !matches(store, module, typeIds, index, external)) {
      throw new ImportError('incompatible import type', wanted);
    }
    if (external.kind === 'function') found.functions.push(external.record);
    else if (external.kind === 'table') found.tables.push(external.table);
    else if (external.kind === 'memory') found.memories.push(external.memory);
    else if (external.kind === 'global') found.globals.push(external.cell);
    else found.tags.push(external.tag);
  }
  return found;
}

function matches(store: Store, module: Module, typeIds: readonly number[], index: number, external: External): boolean {
  switch (external.kind) {
    case 'function':
      return typeIds[required(module.functions[index]).type] === store.typeIdOf(external.record);
    case 'tag':
      return typeIds[required(module.tags[index]).type] === store.tags[external.tag]?.typeId;
    case 'table': {
      const { element, ...limits } = required(module.tables[index]).type;
      return tableMatches(external.table, { ...limits, element: inStore(element, typeIds) });
    }
    case 'memory':
      return memoryMatches(external, required(module.memories[index]).type);
    case 'global': {
      const { type: wanted, mutable } = required(module.globals[index]).type;
      const type = inStore(wanted, typeIds);
      if (mutable !== external.type.mutable) return false;
      return type === external.type.type || (!mutable && isSubtype(external.type.type, type));
    }
  }
}

/** Of references, with their types as the store has them. */
function isSubtype(type: ValueType, wanted: ValueType): boolean {
  if (!isRef(type) || !isRef(wanted) || (isNullable(type) && !isNullable(wanted))) return false;
  if (heapOf(type) === heapOf(wanted)) return true;
  return heapOf(wanted) === FUNC && typeIndexOf(heapOf(type)) !== undefined;
}

function tableMatches(table: Table, { min, max, is64, element }: TableType): boolean {
  const { type } = table;
  if (type.is64 !== is64 || type.element !== element || BigInt(table.length) < min) return false;
  return max === undefined || (type.max !== undefined && type.max <= max);
}

function memoryMatches(
  { memory, type }: { readonly memory: NativeMemory; readonly type: MemoryType },
  { min, max, is64, shared }: MemoryType,
): boolean {
  if (type.is64 !== is64 || type.shared !== shared || BigInt(memory.buffer.byteLength / PAGE) < min) return false;
  return max === undefined || (type.max !== undefined && type.max <= max);
}

function required<Thing>(thing: Thing | undefined): Thing {
  if (thing === undefined) throw new RangeError('an index is out of its space: the module was not validated');
  return thing;
}
