import { WasmletError } from '../../../../base/errors.ts';
import type { ImportedMemory } from '../../../wasm/imported-memory.ts';
import type { Module } from '../../../wasm/module.ts';
import type { CompiledModule, Guest, GuestMemory, HostImports } from '../../engine.ts';
import { noSuchExport } from '../../v8/imports.ts';
import { linkThreaded, makeSharedMemory } from '../../v8/threads/instance.ts';
import { ThreadGroup } from '../../v8/threads/thread-group.ts';
import { coreFor } from '../core/core.ts';
import type { ThreadData } from './thread-main.ts';

/** Between two reports of the fuel that a guest has used. */
const REPORT_MS = 1000;

/** The script of a worker: of who has the interpreter in another form than as files (build/packed-interpreter.ts). */
export const threadSource: { script?: () => string } = {};

const scriptOfFiles = (): string =>
  `import(${JSON.stringify(new URL('./thread-main.ts', import.meta.url).href)})` +
  `.then(({ runThreads }) => runThreads(require('node:worker_threads')))`;

interface ThreadedModule {
  readonly module: Module;
  readonly compiled: CompiledModule;
  readonly memory: ImportedMemory;
}

/** The one memory of a guest with threads; undefined for other guests. */
export function sharedMemoryOf({ imports, imported, memories }: Module): ImportedMemory | undefined {
  const found = imports.find(({ kind }) => kind === 'memory');
  const type = memories[0]?.type;
  if (found === undefined || imported.memory !== 1 || type?.shared !== true) return undefined;
  return { module: found.module, name: found.name, type };
}

/** A guest with threads (wasi-threads): each is a machine of its own in a worker, over the memory that they share. */
class ThreadedGuest implements Guest {
  readonly memory: GuestMemory;
  readonly exports = {};
  readonly #compiled: CompiledModule;
  readonly #used = new BigInt64Array(new SharedArrayBuffer(8));
  readonly #group: () => ThreadGroup;
  #report: ((used: number) => void) | undefined;

  constructor({ module, compiled, memory: imported }: ThreadedModule, imports: HostImports) {
    const { functions } = linkThreaded(compiled, imports);
    this.memory = makeSharedMemory(imported);
    this.#compiled = compiled;
    const core = coreFor(module.memories.map(({ type: { is64, shared } }) => ({ is64, shared })));
    const data: Omit<ThreadData, 'channel'> = {
      bytes: module.bytes,
      memory: this.memory,
      core: { module: core.module, identity: core.identity },
      fuel: this.#used.buffer,
    };
    this.#group = () =>
      new ThreadGroup({
        program: { script: (threadSource.script ?? scriptOfFiles)(), data },
        functions,
        locate: () => new Map(),
      });
  }

  async run(entry: string): Promise<void> {
    if (!this.#compiled.exports.some(({ name, kind }) => name === entry && kind === 'function')) {
      throw noSuchExport(this.#compiled, entry);
    }
    const timer = setInterval(() => this.#report?.(this.#fuelUsed), REPORT_MS).unref();
    try {
      await this.#group().run(entry);
    } finally {
      clearInterval(timer);
      this.#report?.(this.#fuelUsed);
    }
  }

  watchFuel(report: (used: number) => void): void {
    this.#report = report;
  }

  /** @throws WasmletError FailedPrecondition always: its state is in several places that do not stand still together */
  save(): never {
    throw new WasmletError('FailedPrecondition', 'a guest with threads is not saved');
  }

  get #fuelUsed(): number {
    return Number(Atomics.load(this.#used, 0));
  }
}

/**
 * Links a module that imports a shared memory.
 * @throws WasmletError InvalidArgument
 */
export function instantiateThreaded(threaded: ThreadedModule, imports: HostImports): Guest {
  return new ThreadedGuest(threaded, imports);
}
