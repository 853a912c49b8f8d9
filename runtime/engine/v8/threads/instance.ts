import { messageOf, WasmletError } from '../../../../base/errors.ts';
import type { ImportedMemory } from '../../../wasm/imported-memory.ts';
import { START_EXPORT } from '../../../wasm/start-section.ts';
import type { CompiledModule, Guest, HostFunction, HostImports } from '../../engine.ts';
import { missingImports, noSuchExport } from '../imports.ts';
import type { LocateLines } from '../source-lines.ts';
import { MAX_FRAMES } from '../trap.ts';
import { ThreadGroup } from './thread-group.ts';
import { guestThread, type ThreadData } from './thread-main.ts';

/** Where wasi-threads has its one function. */
const SPAWN = { module: 'wasi', name: 'thread-spawn' } as const;

export interface ThreadedModule {
  readonly module: WebAssembly.Module;
  readonly compiled: CompiledModule;
  readonly memory: ImportedMemory;
  readonly locate: LocateLines;
}

/**
 * Links a module that imports a shared memory: a guest with threads (wasi-threads). All of them run in workers, the first
 * too: what waits for a word of memory to change may not be the thread that answers the others' calls.
 * @throws WasmletError InvalidArgument
 */
export function instantiateThreaded(threaded: ThreadedModule, imports: HostImports): Guest {
  const { module, compiled, memory: imported, locate } = threaded;
  const { wanted, functions } = linkThreaded(compiled, imports);
  const memory = makeSharedMemory(imported);
  const data = {
    module,
    memory,
    memoryImport: { module: imported.module, name: imported.name },
    functions: wanted.map(({ module: from, name }) => ({ module: from, name })),
    startExport: START_EXPORT,
    maxFrames: MAX_FRAMES,
  } satisfies Omit<ThreadData, 'channel'>;
  const script = `(${guestThread.toString()})(require('node:worker_threads'))`;
  const run = async (entry: string): Promise<void> => {
    if (!compiled.exports.some(({ name, kind }) => name === entry && kind === 'function')) {
      throw noSuchExport(compiled, entry);
    }
    await new ThreadGroup({ program: { script, data }, functions, locate }).run(entry);
  };
  return { memory, exports: {}, run };
}

/** What a guest with threads imports but for its memory, and what each of it calls; undefined is wasi.thread-spawn. */
export interface ThreadedImports {
  readonly wanted: CompiledModule['imports'];
  readonly functions: readonly (HostFunction | undefined)[];
}

/** @throws WasmletError InvalidArgument */
export function linkThreaded(compiled: CompiledModule, imports: HostImports): ThreadedImports {
  const wanted = compiled.imports.filter(({ kind }) => kind !== 'memory');
  const functions = wanted.map(({ module: from, name, kind }) =>
    kind === 'function' && Object.hasOwn(imports, from) ? imports[from]?.[name] : undefined,
  );
  const missing = wanted.filter((entry, index) => functions[index] === undefined && !isSpawn(entry));
  if (missing.length > 0) throw missingImports(missing);
  return { wanted, functions };
}

const isSpawn = ({ module, name }: { readonly module: string; readonly name: string }): boolean =>
  module === SPAWN.module && name === SPAWN.name;

/** @throws WasmletError InvalidArgument when there is no room for it */
export function makeSharedMemory({ type: { min, max, is64 } }: ImportedMemory): WebAssembly.Memory {
  if (is64)
    throw new WasmletError('InvalidArgument', 'the module imports a memory of 64 bits, which WASI does not know');
  try {
    return new WebAssembly.Memory({ initial: Number(min), maximum: Number(max), shared: true });
  } catch (cause) {
    throw new WasmletError('InvalidArgument', `the module's memory cannot be had: ${messageOf(cause)}`, { cause });
  }
}
