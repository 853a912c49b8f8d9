import { WasmletError } from '../../../../base/errors.ts';
import type { Module } from '../../../wasm/module.ts';
import { demangle } from '../../../wasm/demangle.ts';
import { readNames, type Names } from '../../../wasm/names.ts';
import { type CompiledCore, coreFor } from '../core/core.ts';
import { GLOBAL_SIZE, RECORD, SLOT } from '../core/layout.ts';
import { memoriesOf } from '../core/operations.ts';
import type { Addresses } from '../lower/function.ts';
import { type Constant, headerSlot } from '../lower/values.ts';
import { type ConstantScope, evaluate } from './constants.ts';
import { type Core, type NativeMemory, newCore, newMemory, PAGE } from './native.ts';
import type { Store } from './store.ts';
import { MAX_TABLE_ELEMENTS, Table } from './table.ts';
import { GuestTrap } from '../../engine.ts';
import { lineLocatorOf, type LocateLines } from '../../v8/source-lines.ts';
import { inStore } from './types.ts';
import { readBits, writeBits } from './values.ts';
import type { ValueType } from '../../../wasm/types.ts';
import type { DataSegment, ElementSegment, Expression } from '../../../wasm/module.ts';

/** A module's imports, each resolved: by kind, in the order of their index spaces. */
export interface ResolvedImports {
  /** Records. */
  readonly functions: readonly number[];
  readonly tables: readonly Table[];
  readonly memories: readonly NativeMemory[];
  /** Cells. */
  readonly globals: readonly number[];
  /** Numbers of tags. */
  readonly tags: readonly number[];
}

export const NO_IMPORTS: ResolvedImports = { functions: [], tables: [], memories: [], globals: [], tags: [] };

/** Messages of traps, in V8's words. */
export const MEMORY_TRAP = 'memory access out of bounds';
export const TABLE_TRAP = 'table index is out of bounds';

/** V8's limit of a memory with addresses of 64 bits: 16 GiB. */
const MAX_PAGES_64 = 262_144n;
const MAX_PAGES_32 = 65_536n;

/** A module with state: memories, tables, globals, and the code of those functions that were called. */
export class Instance implements Addresses, ConstantScope {
  readonly module: Module;
  readonly store: Store;
  /** Its number in the store. */
  readonly id: number;
  readonly memories: readonly NativeMemory[];
  readonly tables: readonly Table[];
  readonly tags: readonly number[];
  readonly core: Core;
  readonly #compiled: CompiledCore;
  readonly #typeIds: readonly number[];
  readonly #imports: ResolvedImports;
  readonly #firstRecord: number;
  readonly #firstGlobal: number;
  readonly #droppedData = new Set<number>();
  /** By index: what is left of an element segment, as handles. */
  readonly #elements = new Map<number, readonly number[]>();
  #names: Names | undefined;
  readonly #locate: LocateLines;

  /**
   * Allocates everything, and fills globals; `initialize` fills tables and memories.
   * @throws WasmletError InvalidArgument when there is no room for a memory or table
   */
  constructor(store: Store, module: Module, imports: ResolvedImports) {
    this.store = store;
    this.module = module;
    this.#imports = imports;
    this.#locate = lineLocatorOf(module.bytes);
    this.id = store.instances.push(this) - 1;
    this.#typeIds = store.types.register(module.types, module.typeGroups);
    this.#firstRecord = this.#allocateFunctions();
    this.tags = [...imports.tags, ...module.tags.slice(imports.tags.length).map(({ type }) => this.#newTag(type))];
    this.memories = [...imports.memories, ...module.memories.slice(imports.memories.length).map(allocateMemory)];
    const shape = module.memories.map(({ type: { is64, shared } }) => ({ is64, shared }));
    this.#compiled = coreFor(shape);
    this.core = newCore(this.#compiled.module, store.state.memory, this.#coreMemories(shape.length));
    this.#firstGlobal = this.#allocateGlobals();
    this.tables = [...imports.tables, ...this.#newTables()];
    for (const table of this.tables) store.tables.set(table.address, table);
  }

  get instructions(): CompiledCore['instructions'] {
    return this.#compiled.instructions;
  }

  /** Of the core that its code is for. */
  get coreIdentity(): string {
    return this.#compiled.identity;
  }

  get names(): Names {
    return (this.#names ??= readNames(this.module));
  }

  /** A function's name for people: from the name section, else as V8 shows one without. */
  functionName(index: number): string {
    const name = this.names.functions.get(index);
    return name === undefined ? `wasm-function[${index}]` : demangle(name);
  }

  /** The lines of the source that instructions come from, by their offsets in the module. */
  linesOf(offsets: readonly number[]): ReadonlyMap<number, string> {
    return this.#locate(offsets);
  }

  function(index: number): number {
    const imported = this.#imports.functions[index];
    if (imported !== undefined) return this.store.callable(this.id, imported);
    return this.#firstRecord + (index - this.#imports.functions.length) * RECORD.size;
  }

  /** The record of a function as others know it: an imported one is its own. */
  reference(index: number): number {
    return this.#imports.functions[index] ?? this.function(index);
  }

  global(index: number): number {
    const imported = this.#imports.globals[index];
    return imported ?? this.#firstGlobal + (index - this.#imports.globals.length) * GLOBAL_SIZE;
  }

  globalValue(index: number): Constant {
    return readBits(this.store.state, this.global(index), this.module.globals[index]?.type.type ?? 0);
  }

  table(index: number): number {
    return this.tables[index]?.address ?? 0;
  }

  tag(index: number): number {
    return this.tags[index] ?? -1;
  }

  typeId(type: number): number {
    return this.#typeIds[type] ?? 0;
  }

  /** A value type as all modules of the store know it. */
  inStore(type: ValueType): ValueType {
    return inStore(type, this.#typeIds);
  }

  typeInstance(type: number): bigint {
    return BigInt(this.typeId(type)) | (BigInt(this.id) << 32n);
  }

  /**
   * Fills tables and memories by the active segments, in their order.
   * @throws GuestTrap when one does not fit; those before it stay
   */
  initialize(): void {
    for (const [index, segment] of this.module.elements.entries()) this.#placeElements(index, segment);
    for (const [index, { placement }] of this.module.data.entries()) {
      if (placement === undefined) continue;
      const at = this.#address(placement.offset);
      const { start, end } = this.#dataOf(index);
      this.initMemory({ memory: placement.target, segment: index, to: at, from: 0, count: end - start });
      this.dropData(index);
    }
  }

  /** @throws GuestTrap when either range does not exist */
  initMemory(copy: {
    readonly memory: number;
    readonly segment: number;
    readonly to: number;
    readonly from: number;
    readonly count: number;
  }): void {
    const { start, end } = this.#dataOf(copy.segment);
    const buffer = this.memories[copy.memory]?.buffer ?? new ArrayBuffer(0);
    if (copy.from + copy.count > end - start || copy.to + copy.count > buffer.byteLength) {
      throw new GuestTrap(MEMORY_TRAP, []);
    }
    const from = start + copy.from;
    new Uint8Array(buffer).set(this.module.bytes.subarray(from, from + copy.count), copy.to);
  }

  /** @throws GuestTrap when either range does not exist */
  initTable(table: Table, segment: number, to: number, from: number, count: number): void {
    const elements = this.#elementsOf(segment);
    if (from + count > elements.length || to + count > table.length) throw new GuestTrap(TABLE_TRAP, []);
    for (let n = 0; n < count; n++) table.set(to + n, elements[from + n] ?? 0);
  }

  dropData(segment: number): void {
    this.#droppedData.add(segment);
  }

  dropElements(segment: number): void {
    this.#elements.set(segment, []);
  }

  /** Segments that are gone: with the module, all there is to know of them. */
  get dropped(): { readonly data: readonly number[]; readonly elements: readonly number[] } {
    const elements = [...this.#elements].filter(([, { length }]) => length === 0).map(([index]) => index);
    return { data: [...this.#droppedData], elements };
  }

  #dataOf(segment: number): { readonly start: number; readonly end: number } {
    const content = (this.module.data[segment] as DataSegment).content;
    return this.#droppedData.has(segment) ? { start: 0, end: 0 } : content;
  }

  #elementsOf(segment: number): readonly number[] {
    let elements = this.#elements.get(segment);
    if (elements === undefined) {
      const { items, mode } = this.module.elements[segment] as ElementSegment;
      elements =
        mode === 'passive'
          ? items.map((item) => (typeof item === 'number' ? this.reference(item) : this.#element(item)))
          : [];
      this.#elements.set(segment, elements);
    }
    return elements;
  }

  #element(expression: Expression): number {
    return Number(evaluate(expression, this.#referenceScope));
  }

  /** As constant expressions see it: functions by their own records, wherever they are from. */
  get #referenceScope(): ConstantScope {
    return {
      module: this.module,
      globalValue: (index) => this.globalValue(index),
      function: (index) => this.reference(index),
    };
  }

  #placeElements(index: number, { placement, items }: ElementSegment): void {
    if (placement === undefined) return;
    const table = this.tables[placement.target] as Table;
    const at = this.#address(placement.offset);
    if (at + items.length > table.length) throw new GuestTrap(TABLE_TRAP, []);
    for (const [n, item] of items.entries()) {
      table.set(at + n, typeof item === 'number' ? this.reference(item) : this.#element(item));
    }
    this.dropElements(index);
  }

  #address(expression: Expression): number {
    const bits = evaluate(expression, this.#referenceScope);
    return typeof bits === 'bigint' ? Number(BigInt.asUintN(64, bits)) : Number(bits) >>> 0;
  }

  #allocateFunctions(): number {
    const { module, store } = this;
    const imported = this.#imports.functions.length;
    const own = module.functions.slice(imported);
    const first = store.state.allocate(own.length * RECORD.size);
    for (const [n, { type }] of own.entries()) {
      const { parameters, results } = module.types[type] ?? { parameters: [], results: [] };
      const header = headerSlot(parameters, results) * SLOT;
      const record = first + n * RECORD.size;
      store.writeRecord(record, { type: this.typeId(type), instance: this.id, header, index: imported + n });
    }
    store.writeLowerStubs(first, own.length);
    return first;
  }

  #allocateGlobals(): number {
    const { state } = this.store;
    const own = this.module.globals.slice(this.#imports.globals.length);
    // Vectors are read and written as a whole: no cell may begin between.
    const first = state.allocate(own.length * GLOBAL_SIZE, GLOBAL_SIZE);
    // Initial values may refer to globals before.
    const scope: ConstantScope = {
      module: this.module,
      globalValue: (index) => {
        const cell = this.#imports.globals[index] ?? first + (index - this.#imports.globals.length) * GLOBAL_SIZE;
        return readBits(state, cell, this.module.globals[index]?.type.type ?? 0);
      },
      function: (index) => this.reference(index),
    };
    for (const [n, { init }] of own.entries()) {
      if (init !== undefined) writeBits(state, first + n * GLOBAL_SIZE, evaluate(init, scope));
    }
    return first;
  }

  #newTables(): Table[] {
    return this.module.tables.slice(this.#imports.tables.length).map(({ type, init }) => {
      if (type.min > BigInt(MAX_TABLE_ELEMENTS)) {
        throw new WasmletError('InvalidArgument', `the module cannot be instantiated: a table of ${type.min} elements`);
      }
      const shared = { ...type, element: this.inStore(type.element) };
      return new Table(this.store.state, shared, init === undefined ? 0 : this.#element(init));
    });
  }

  #newTag(type: number): number {
    const { parameters, results } = this.module.types[type] ?? { parameters: [], results: [] };
    return this.store.tags.push({ type: { parameters, results }, typeId: this.typeId(type) }) - 1;
  }

  /** The core wants at least one. */
  #coreMemories(count: number): readonly NativeMemory[] {
    return count === 0 ? memoriesOf([]).map(() => newMemory({ initial: 0, maximum: 0 })) : this.memories;
  }
}

function allocateMemory({ type: { min, max, is64, shared } }: Module['memories'][number]): NativeMemory {
  const limit = is64 ? MAX_PAGES_64 : MAX_PAGES_32;
  const maximum = max === undefined ? undefined : max < limit ? max : limit;
  try {
    if (min > limit) throw new RangeError(`${min} pages of ${PAGE} bytes`);
    return newMemory({
      ...(is64 ? { address: 'i64' as const, initial: min } : { initial: Number(min) }),
      ...(maximum === undefined ? {} : { maximum: is64 ? maximum : Number(maximum) }),
      ...(shared ? { shared } : {}),
    });
  } catch (cause) {
    throw new WasmletError('InvalidArgument', `the module cannot be instantiated: ${(cause as Error).message}`, {
      cause,
    });
  }
}
