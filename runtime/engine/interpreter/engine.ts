import { WasmletError } from '../../../base/errors.ts';
import { describeInvalidModule } from '../../wasm/header.ts';
import type { Module } from '../../wasm/module.ts';
import { loadModule } from '../../wasm/validate.ts';
import type { CompiledModule, Engine, GuestMemory, HostFunction, HostImports } from '../engine.ts';
import { missingImports } from '../v8/imports.ts';
import { InterpretedGuest } from './guest.ts';
import { linkedInstance } from './link.ts';
import type { Instance } from './machine/instance.ts';
import { Machine } from './machine/machine.ts';
import { instantiateThreaded, sharedMemoryOf, threadSource } from './threads/instance.ts';

const NO_MEMORY: GuestMemory = { buffer: new ArrayBuffer(0) };

export { runThreads } from './threads/thread-main.ts';
export { threadSource };

/** The embedded interpreter: a guest's fuel is counted, and it can be stopped, looked into, saved and moved. */
export const interpreterEngine: Engine = {
  name: 'interpreter',
  compile: (bytes) => Promise.try(() => compile(bytes)),
};

function compile(bytes: Uint8Array<ArrayBuffer>): CompiledModule {
  const fault = describeInvalidModule(bytes);
  if (fault !== undefined) throw new WasmletError('InvalidArgument', fault);
  const module = loadModule(bytes);
  const memory = sharedMemoryOf(module);
  const compiled: CompiledModule = {
    imports: module.imports.map(({ module: from, name, kind }) => ({ module: from, name, kind })),
    exports: module.exports.map(({ name, kind }) => ({ name, kind })),
    usesThreads: memory !== undefined,
    instantiate: (imports) =>
      Promise.try(() =>
        memory === undefined
          ? instantiate(module, compiled, imports)
          : instantiateThreaded({ module, compiled, memory }, imports),
      ),
  };
  return compiled;
}

/** The host's functions that a module imports. @throws WasmletError InvalidArgument */
function link(module: Module, imports: HostImports): HostFunction[] {
  const missing: Module['imports'][number][] = [];
  const found: HostFunction[] = [];
  for (const wanted of module.imports) {
    const { module: from, name, kind } = wanted;
    const offered = Object.hasOwn(imports, from) ? imports[from] : undefined;
    const host = offered !== undefined && Object.hasOwn(offered, name) ? offered[name] : undefined;
    if (kind !== 'function' || host === undefined) missing.push(wanted);
    else found.push(host);
  }
  if (missing.length > 0) throw missingImports(missing);
  return found;
}

function instantiate(module: Module, compiled: CompiledModule, imports: HostImports): InterpretedGuest {
  const hosts = link(module, imports);
  const instance = linkedInstance(module, hosts, []);
  const machine = new Machine(instance.store);
  return new InterpretedGuest(compiled, instance, machine, memoryOf(compiled, instance));
}

function memoryOf(compiled: CompiledModule, { module, memories }: Instance): GuestMemory {
  const exported = module.exports.find(({ name, kind }) => name === 'memory' && kind === 'memory');
  const memory = exported === undefined ? undefined : memories[exported.index];
  if (memory !== undefined) return memory;
  if (compiled.imports.some(({ module: from }) => from.startsWith('wasi'))) {
    throw new WasmletError('InvalidArgument', "the module uses WASI but exports no memory of the name 'memory'");
  }
  return NO_MEMORY;
}
