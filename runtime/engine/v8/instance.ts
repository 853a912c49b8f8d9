import { messageOf, WasmletError } from '../../../base/errors.ts';
import type { CompiledModule, Guest, GuestMemory, HostFunction, HostImports } from '../engine.ts';
import { START_EXPORT } from '../../wasm/start-section.ts';
import { missingImports, noSuchExport } from './imports.ts';
import type { LocateLines } from './source-lines.ts';
import { trapFrom, withDeepStacks } from './trap.ts';
import { released, uncatchable } from './uncatchable.ts';

const NO_MEMORY: GuestMemory = { buffer: new ArrayBuffer(0) };

/** Links a module and gives it a memory of its own. */
export async function instantiate(
  module: WebAssembly.Module,
  compiled: CompiledModule,
  imports: HostImports,
  locate: LocateLines,
): Promise<Guest> {
  const linked = link(compiled, imports);
  let instance: WebAssembly.Instance;
  try {
    instance = await WebAssembly.instantiate(module, linked);
  } catch (error) {
    throw instantiationFailure(released(error), locate);
  }
  const memory = memoryOf(compiled, instance);
  const { exports } = instance;
  return { memory, exports, run: (exportName) => run({ compiled, instance, locate }, exportName) };
}

/** The import object. Only what the module asks for is wrapped. @throws WasmletError InvalidArgument */
function link(compiled: CompiledModule, imports: HostImports): Record<string, Record<string, unknown>> {
  const linked: Record<string, Record<string, unknown>> = {};
  const missing: CompiledModule['imports'][number][] = [];
  for (const wanted of compiled.imports) {
    const { module, name, kind } = wanted;
    const offered = Object.hasOwn(imports, module) ? imports[module] : undefined;
    const found = offered !== undefined && Object.hasOwn(offered, name) ? offered[name] : undefined;
    if (kind !== 'function' || found === undefined) {
      missing.push(wanted);
      continue;
    }
    (linked[module] ??= {})[name] = importable(found);
  }
  if (missing.length > 0) throw missingImports(missing);
  return linked;
}

function importable({ suspends, call }: HostFunction): unknown {
  const guarded = uncatchable(call, suspends);
  return suspends ? new WebAssembly.Suspending(guarded) : guarded;
}

/** What instantiation threw: from a segment that does not fit, or because of memory. */
function instantiationFailure(error: unknown, locate: LocateLines): unknown {
  if (error instanceof WebAssembly.LinkError || (error instanceof RangeError && !isWasmStack(error))) {
    return new WasmletError('InvalidArgument', `the module cannot be instantiated: ${messageOf(error)}`, {
      cause: error,
    });
  }
  return trapFrom(error, locate);
}

const isWasmStack = (error: Error): boolean => error.stack?.includes('wasm-function[') === true;

function memoryOf(compiled: CompiledModule, instance: WebAssembly.Instance): GuestMemory {
  const { memory } = instance.exports;
  if (memory instanceof WebAssembly.Memory) return memory;
  if (compiled.imports.some(({ module }) => module.startsWith('wasi'))) {
    throw new WasmletError('InvalidArgument', "the module uses WASI but exports no memory of the name 'memory'");
  }
  return NO_MEMORY;
}

/** Whose start function has been called. */
const started = new WeakSet<WebAssembly.Instance>();

interface Linked {
  readonly compiled: CompiledModule;
  readonly instance: WebAssembly.Instance;
  readonly locate: LocateLines;
}

async function run({ compiled, instance, locate }: Linked, exportName: string): Promise<void> {
  const exported = compiled.exports.find(({ name, kind }) => name === exportName && kind === 'function');
  if (exported === undefined) throw noSuchExport(compiled, exportName);
  const start = instance.exports[START_EXPORT];
  using _stacks = withDeepStacks();
  try {
    if (start !== undefined && !started.has(instance)) {
      started.add(instance);
      await WebAssembly.promising(start)();
    }
    await WebAssembly.promising(instance.exports[exportName])();
  } catch (error) {
    throw trapFrom(released(error), locate);
  }
}
