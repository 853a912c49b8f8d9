import { decodeModule } from '../../runtime/wasm/decode.ts';
import type { Module } from '../../runtime/wasm/module.ts';
import { ModuleError } from '../../runtime/wasm/module-error.ts';
import type { FunctionType } from '../../runtime/wasm/types.ts';
import type { Exports, SpecEngine } from './engine.ts';
import { exactCall } from './exact-call.ts';
import { spectest } from './spectest.ts';
import type { Action, Command, SuiteFile } from './suite.ts';
import { argument, type Bits, matches } from './values.ts';

/** An instance, and what is known of the types of what it exports. */
interface Instance {
  readonly exports: Exports;
  readonly module: Module;
}

/** The bytes that a directive speaks of; undefined where it speaks of a text, which is for assemblers to refuse. */
export function bytesOf({ modules }: SuiteFile, command: Command): Uint8Array<ArrayBuffer> | undefined {
  const name = command.module_type === 'text' ? command.binary_filename : command.filename;
  const hex = name === undefined ? undefined : modules[name];
  return hex === undefined ? undefined : Uint8Array.from(Buffer.from(hex, 'hex'));
}

/** Carries out the directives of one test file on an engine, one after the other. */
export class SuiteRunner {
  readonly #engine: SpecEngine;
  readonly #file: SuiteFile;
  readonly #registered: Record<string, Exports>;
  readonly #instances = new Map<string, Instance>();
  readonly #definitions = new Map<string, Uint8Array<ArrayBuffer>>();
  readonly #calls = new WeakMap<object, (args: readonly Bits[]) => Bits[]>();
  #last: Instance | undefined;

  constructor(engine: SpecEngine, file: SuiteFile) {
    this.#engine = engine;
    this.#file = file;
    this.#registered = { spectest: spectest(engine) };
  }

  /**
   * @returns what is wrong; undefined when the directive holds
   * @throws what the guest throws where nothing is expected to be thrown
   */
  run(command: Command): string | undefined {
    switch (command.type) {
      case 'module':
        this.#keep(command.name, this.#instantiate(this.#bytes(command)));
        return undefined;
      case 'module_definition':
        this.#definitions.set(command.name ?? '', this.#bytes(command));
        return undefined;
      case 'module_instance':
        this.#keep(command.instance, this.#instantiate(this.#definitions.get(command.module ?? '')));
        return undefined;
      case 'register':
        this.#registered[command.as ?? ''] = this.#instance(command.name).exports;
        return undefined;
      case 'action':
        this.#act(command);
        return undefined;
      case 'assert_return':
        return this.#assertReturn(command);
      default:
        return this.#assertFailure(command);
    }
  }

  #assertFailure(command: Command): string | undefined {
    const { CompileError, LinkError, RuntimeError, Exception } = this.#engine;
    switch (command.type) {
      case 'assert_malformed':
      case 'assert_invalid':
        return expectThrown(() => new this.#engine.Module(this.#bytes(command)), [CompileError]);
      case 'assert_unlinkable':
        // The JS API looks imports up before it links: what is not there at all is a TypeError.
        return expectThrown(() => this.#instantiate(this.#bytes(command)), [LinkError, TypeError]);
      case 'assert_uninstantiable':
        return expectThrown(() => this.#instantiate(this.#bytes(command)), [RuntimeError]);
      case 'assert_trap':
        return expectThrown(() => this.#act(command), [RuntimeError]);
      case 'assert_exhaustion':
        return expectThrown(() => this.#act(command), [RuntimeError, RangeError]);
      case 'assert_exception':
        return expectThrown(() => this.#act(command), [Exception]);
      default:
        return `unknown directive ${command.type}`;
    }
  }

  #bytes(command: Command): Uint8Array<ArrayBuffer> {
    const bytes = bytesOf(this.#file, command);
    if (bytes === undefined) throw new Error(`no module for ${command.type} in line ${command.line}`);
    return bytes;
  }

  #instantiate(bytes: Uint8Array<ArrayBuffer> | undefined): Instance {
    if (bytes === undefined) throw new Error('an instance of a module that is not defined');
    const compiled = new this.#engine.Module(bytes);
    const { exports } = new this.#engine.Instance(compiled, this.#registered);
    return { exports, module: decodeModule(bytes) };
  }

  #keep(name: string | undefined, instance: Instance): void {
    this.#last = instance;
    if (name !== undefined) this.#instances.set(name, instance);
  }

  #instance(name: string | undefined): Instance {
    const found = name === undefined ? this.#last : this.#instances.get(name);
    if (found === undefined) throw new Error(`no instance ${name ?? ''}`);
    return found;
  }

  #act({ action }: Command): Bits[] {
    if (action === undefined) throw new Error('a directive without an action');
    const instance = this.#instance(action.module);
    if (action.type === 'get') return [globalValue(instance.exports[action.field])];
    return this.#call(instance, action);
  }

  #call({ exports, module }: Instance, { field, args = [] }: Action): Bits[] {
    const callee = exports[field];
    if (typeof callee !== 'function') throw new Error(`no function ${field}`);
    let call = this.#calls.get(callee);
    if (call === undefined) {
      call = exactCall(this.#engine, callee as (...args: unknown[]) => unknown, typeOfExport(module, field));
      this.#calls.set(callee, call);
    }
    return call(args.map(argument));
  }

  #assertReturn(command: Command): string | undefined {
    const results = this.#act(command);
    const expected = command.expected ?? [];
    const same = results.length === expected.length && expected.every((one, index) => matches(results[index], one));
    return same ? undefined : `got ${results.map(String).join(', ')}, expected ${JSON.stringify(expected)}`;
  }
}

function typeOfExport(module: Module, field: string): FunctionType {
  const found = module.exports.find(({ name, kind }) => name === field && kind === 'function');
  const type = module.types[module.functions[found?.index ?? -1]?.type ?? -1];
  if (type === undefined) throw new Error(`no function ${field}`);
  return type;
}

const view = new DataView(new ArrayBuffer(8));

/** Numbers by their bits; that of a NaN may have changed on its way through JavaScript. */
function globalValue(exported: unknown): Bits {
  const { value } = exported as { readonly value: unknown };
  if (typeof value === 'bigint') return BigInt.asUintN(64, value);
  if (typeof value !== 'number') return value as Bits;
  if (Number.isInteger(value)) return BigInt.asUintN(32, BigInt(value));
  view.setFloat64(0, value);
  return view.getBigUint64(0);
}

function expectThrown(
  act: () => unknown,
  classes: readonly (abstract new (...args: never[]) => object)[],
): string | undefined {
  try {
    act();
  } catch (error) {
    if (classes.some((one) => error instanceof one)) return undefined;
    if (error instanceof ModuleError) return `no ${classes.map(({ name }) => name).join(' or ')}: ${error.message}`;
    return `no ${classes.map(({ name }) => name).join(' or ')}, but ${String(error)}`;
  }
  return `no ${classes.map(({ name }) => name).join(' or ')}`;
}
