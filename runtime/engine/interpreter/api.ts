import type { Export, Module as DecodedModule } from '../../wasm/module.ts';
import { ModuleError } from '../../wasm/module-error.ts';
import { EXTERNREF, F32, F64, FUNCREF, I32, I64, isRef, type ValueType } from '../../wasm/types.ts';
import { loadModule } from '../../wasm/validate.ts';
import { GuestTrap } from '../engine.ts';
import { GLOBAL_SIZE } from './core/layout.ts';
import { UncaughtException } from './machine/exceptions.ts';
import { Instance as MachineInstance } from './machine/instance.ts';
import { invoke } from './machine/invoke.ts';
import { exported, type External, ImportError, resolveImports } from './machine/linker.ts';
import { Machine } from './machine/machine.ts';
import { type NativeMemory, newMemory } from './machine/native.ts';
import { Store } from './machine/store.ts';
import { Table as MachineTable } from './machine/table.ts';

/**
 * The interpreter in the shape of the WebAssembly JavaScript API, so that it can stand where V8's own does: in tests,
 * and in programs. What is made by one realm can be linked with what that realm has made, and with nothing else.
 */

export class CompileError extends Error {
  override readonly name = 'CompileError';
}
export class LinkError extends Error {
  override readonly name = 'LinkError';
}
export class RuntimeError extends Error {
  override readonly name = 'RuntimeError';
}

type HostCallable = (...args: unknown[]) => unknown;
type ImportObject = Readonly<Record<string, Readonly<Record<string, unknown>>>>;

const TYPES: Readonly<Record<string, ValueType>> = {
  i32: I32,
  i64: I64,
  f32: F32,
  f64: F64,
  anyfunc: FUNCREF,
  externref: EXTERNREF,
};

function typeNamed(name: string): ValueType {
  const type = Object.hasOwn(TYPES, name) ? TYPES[name] : undefined;
  if (type === undefined) throw new TypeError(`${name} is no type of values`);
  return type;
}

/** A module that was compiled. @throws CompileError */
export class Module {
  readonly decoded: DecodedModule;

  constructor(bytes: Uint8Array) {
    try {
      this.decoded = loadModule(bytes);
    } catch (error) {
      throw error instanceof ModuleError ? new CompileError(error.message, { cause: error }) : error;
    }
  }

  static imports({ decoded }: Module): { module: string; name: string; kind: string }[] {
    return decoded.imports.map(({ module, name, kind }) => ({ module, name, kind }));
  }

  static exports({ decoded }: Module): { name: string; kind: string }[] {
    return decoded.exports.map(({ name, kind }) => ({ name, kind }));
  }
}

/** What a guest threw and nobody caught. */
export class Exception extends Error {
  override readonly name = 'Exception';
}

/** Things of a store, as JavaScript has them; made and known by a realm. */
class StoreObject<Kind extends External['kind']> {
  readonly external: Extract<External, { readonly kind: Kind }>;

  constructor(external: Extract<External, { readonly kind: Kind }>) {
    this.external = external;
  }
}

export class Memory extends StoreObject<'memory'> {
  get buffer(): ArrayBufferLike {
    return this.external.memory.buffer;
  }

  grow(delta: number | bigint): number | bigint {
    return this.external.memory.grow(delta);
  }
}

export class Tag extends StoreObject<'tag'> {}

export class Table extends StoreObject<'table'> {
  get length(): number {
    return this.external.table.length;
  }
}

export class Global extends StoreObject<'global'> {
  readonly #machine: Machine;

  constructor(machine: Machine, external: Global['external']) {
    super(external);
    this.#machine = machine;
  }

  get value(): unknown {
    return this.#machine.host.read(this.external.type.type, this.external.cell);
  }

  set value(value: unknown) {
    if (!this.external.type.mutable) throw new TypeError('the global is immutable');
    this.#machine.host.write(this.external.type.type, this.external.cell, value);
  }
}

/** Everything that can be linked together: a store, and the objects that stand for what is in it. */
export class Realm {
  readonly #store = new Store();
  readonly #machine = new Machine(this.#store);
  /** Objects by what they stand for, so that the same thing is the same object. */
  readonly #objects = new Map<unknown, unknown>();
  readonly #records = new WeakMap<object, number>();

  constructor() {
    this.#machine.host.functions = {
      toValue: (record) => this.#function(record),
      toRecord: (value) => this.#record(value),
    };
  }

  /** Lets its guests compute so much more, or a little beyond; then what they are called for traps. */
  limitFuel(fuel: number): void {
    this.#machine.fuel.limit = this.#machine.fuelUsed + fuel;
    this.#machine.fuel.slice = fuel;
  }

  /**
   * Instantiates a module (JS API specification, "Instances").
   * @throws TypeError, LinkError, RuntimeError; and what a function of the host threw
   */
  instantiate(module: Module, imports: ImportObject = {}): Readonly<Record<string, unknown>> {
    const { decoded } = module;
    const values = decoded.imports.map(({ module: from, name }) => this.#look(imports, from, name));
    let next = 0;
    return this.#guarded(() => {
      const resolved = resolveImports(this.#store, decoded, () => {
        const index = next++;
        return this.#imported(decoded, index, values[index]);
      });
      const instance = new MachineInstance(this.#store, decoded, resolved);
      instance.initialize();
      if (decoded.start !== undefined) invoke(this.#machine, instance.function(decoded.start.function), []);
      return Object.freeze(this.#exports(instance));
    });
  }

  memory({ initial, maximum, shared = false }: { initial: number; maximum?: number; shared?: boolean }): Memory {
    const memory: NativeMemory = newMemory({ initial, ...(maximum === undefined ? {} : { maximum }), shared });
    const max = maximum === undefined ? undefined : BigInt(maximum);
    return this.#known(memory, () => {
      return new Memory({ kind: 'memory', memory, type: { min: BigInt(initial), max, is64: false, shared } });
    });
  }

  table({ element, initial, maximum }: { element: string; initial: number; maximum?: number }): Table {
    const type = typeNamed(element);
    const max = maximum === undefined ? undefined : BigInt(maximum);
    const limits = { min: BigInt(initial), max, is64: false, shared: false };
    const table = new MachineTable(this.#store.state, { ...limits, element: type }, 0);
    this.#store.tables.set(table.address, table);
    return this.#known(table, () => new Table({ kind: 'table', table }));
  }

  global({ value, mutable = false }: { value: string; mutable?: boolean }, initial: unknown): Global {
    const type = typeNamed(value);
    const cell = this.#store.state.allocate(GLOBAL_SIZE, GLOBAL_SIZE);
    this.#machine.host.write(type, cell, initial ?? (type === I64 ? 0n : isRef(type) ? null : 0));
    return this.#global(cell, type, mutable);
  }

  tag({ parameters }: { parameters: readonly string[] }): Tag {
    const type = { parameters: parameters.map(typeNamed), results: [] };
    const [typeId = 0] = this.#store.types.register([type]);
    const tag = this.#store.tags.push({ type, typeId }) - 1;
    return this.#known(`tag ${tag}`, () => new Tag({ kind: 'tag', tag }));
  }

  /** JS API specification, "Read the imports": what is no object is a TypeError. */
  #look(imports: ImportObject, module: string, name: string): unknown {
    const from: unknown = imports[module];
    if (typeof from !== 'object' || from === null) throw new TypeError(`import ${module} is not an object`);
    return (from as Record<string, unknown>)[name];
  }

  #imported(decoded: DecodedModule, index: number, value: unknown): External | undefined {
    const wanted = decoded.imports[index];
    if (wanted === undefined) return undefined;
    if (value instanceof StoreObject) return (value as StoreObject<External['kind']>).external;
    const before = decoded.imports.slice(0, index).filter(({ kind }) => kind === wanted.kind).length;
    if (wanted.kind === 'function' && typeof value === 'function') {
      return { kind: 'function', record: this.#importedFunction(decoded, before, value as HostCallable) };
    }
    const type = decoded.globals[before]?.type;
    if (wanted.kind !== 'global' || type === undefined || type.mutable) return undefined;
    const fits = type.type === I64 ? typeof value === 'bigint' : isRef(type.type) || typeof value === 'number';
    if (!fits) return undefined;
    const cell = this.#store.state.allocate(GLOBAL_SIZE, GLOBAL_SIZE);
    this.#machine.host.write(type.type, cell, value);
    return { kind: 'global', cell, type };
  }

  #importedFunction(decoded: DecodedModule, index: number, call: HostCallable): number {
    const own = this.#records.get(call);
    if (own !== undefined) return own;
    const ids = this.#store.types.register(decoded.types, decoded.typeGroups);
    const typeId = ids[decoded.functions[index]?.type ?? -1] ?? 0;
    return this.#store.hostFunction(this.#store.types.get(typeId), typeId, { suspends: false, call });
  }

  #exports(instance: MachineInstance): Record<string, unknown> {
    const exports = Object.create(null) as Record<string, unknown>;
    for (const one of instance.module.exports) exports[one.name] = this.#object(instance, one);
    return exports;
  }

  #object(instance: MachineInstance, one: Export): unknown {
    const external = exported(instance, one);
    switch (external.kind) {
      case 'function':
        return this.#function(external.record);
      case 'memory':
        return this.#known(external.memory, () => new Memory(external));
      case 'table':
        return this.#known(external.table, () => new Table(external));
      case 'global':
        return this.#global(external.cell, external.type.type, external.type.mutable);
      case 'tag':
        return this.#known(`tag ${external.tag}`, () => new Tag(external));
    }
  }

  #global(cell: number, type: ValueType, mutable: boolean): Global {
    return this.#known(
      `global ${cell}`,
      () => new Global(this.#machine, { kind: 'global', cell, type: { type, mutable } }),
    );
  }

  #known<Thing>(key: unknown, make: () => Thing): Thing {
    let known = this.#objects.get(key);
    if (known === undefined) this.#objects.set(key, (known = make()));
    return known as Thing;
  }

  /** A function of the store as one of JavaScript. */
  #function(record: number): HostCallable {
    return this.#known(record, () => {
      const call: HostCallable = (...args) =>
        this.#guarded(() => {
          const results = invoke(this.#machine, record, args);
          return results.length > 1 ? results : results[0];
        });
      this.#records.set(call, record);
      return call;
    });
  }

  #record(value: unknown): number {
    const record = typeof value === 'function' ? this.#records.get(value) : undefined;
    if (record === undefined) throw new TypeError('a reference to a function must be null or an exported function');
    return record;
  }

  #guarded<Result>(act: () => Result): Result {
    try {
      return act();
    } catch (error) {
      if (error instanceof UncaughtException) throw new Exception(error.message, { cause: error });
      if (error instanceof GuestTrap) throw new RuntimeError(error.message, { cause: error });
      if (error instanceof ImportError) throw new LinkError(error.message, { cause: error });
      throw error;
    }
  }
}

/** The API's classes, over a realm of their own. */
export function webAssembly() {
  const realm = new Realm();
  /** An instance of a module. */
  class Instance {
    readonly exports: Readonly<Record<string, unknown>>;

    constructor(module: object, imports: ImportObject = {}) {
      this.exports = realm.instantiate(module as Module, imports);
    }
  }
  return { Module, Instance, Memory, Table, Global, Tag, Exception, CompileError, LinkError, RuntimeError, realm };
}
