import type { LinearMemory } from '../core/guest-memory.ts';
import { wasmedgeFunctions } from '../wasmedge/index.ts';
import type { WasiContext } from '../wasi.ts';
import { argsFunctions } from './args.ts';
import type { Descriptor } from './descriptor.ts';
import { clockFunctions } from './clock.ts';
import { fdFunctions } from './fd.ts';
import type { Preview1Functions } from './function.ts';
import { ioFunctions } from './io.ts';
import { pathFunctions } from './path.ts';
import { pollFunctions } from './poll.ts';
import { PREVIEW1_MODULE } from './name.ts';
import { processFunctions } from './process.ts';
import { socketFunctions } from './socket.ts';
import { unstableFunctions, UNSTABLE_MODULE } from './unstable.ts';
import { createState, disposeState, type Preview1State } from './state.ts';

export type { Preview1Function, Preview1Functions } from './function.ts';

export interface Preview1 {
  /** To link a module with: `{ wasi_snapshot_preview1: { fd_write: … } }`. Made anew each time: not held by this. */
  readonly imports: Readonly<Record<typeof PREVIEW1_MODULE | typeof UNSTABLE_MODULE, Preview1Functions>>;
  /** What an extension of Preview 1 (wasi/posix) works on too. */
  readonly state: Preview1State;
  /** Gives the guest's memory; before the first export is called. */
  setMemory(memory: LinearMemory): void;
  /**
   * Resolves when what the guest has sent has left the host, or after `timeoutMs`; after it was disposed of.
   */
  flush(timeoutMs: number): Promise<void>;
  /** Closes all that the guest has open, and ends what it waits for, once. The guest must not be called any more. */
  [Symbol.dispose](): void;
}

/**
 * All 46 functions of WASI Preview 1 (snapshot 1) for one guest, and for one that has a network WasmEdge's beside them.
 * Directory `/` is open as descriptor 3, or behind the sockets that listen from the start.
 * @param inherited what it has of the guest that started it, by number, in place of streams and sockets of its own
 * @throws WasmletError NotFound, FailedPrecondition: the root folder or a mount cannot be opened
 */
export function createPreview1(context: WasiContext, inherited?: ReadonlyMap<number, Descriptor>): Preview1 {
  const state = createState(context, inherited);
  let disposed = false;
  return {
    get imports() {
      return importsOf(state);
    },
    state,
    setMemory: (memory) => state.memory.attach(memory),
    flush: async (timeoutMs) => state.network?.flush(timeoutMs),
    [Symbol.dispose]: () => {
      if (!disposed) disposeState(state);
      disposed = true;
    },
  };
}

/** A guest has what it imports of them; the rest would be three times that. */
function importsOf(state: Preview1State): Preview1['imports'] {
  const functions: Preview1Functions = {
    ...argsFunctions(state),
    ...clockFunctions(state),
    ...fdFunctions(state),
    ...ioFunctions(state),
    ...pathFunctions(state),
    ...pollFunctions(state),
    ...processFunctions(state),
    ...socketFunctions(state),
  };
  return {
    [PREVIEW1_MODULE]: { ...functions, ...wasmedgeFunctions(state, functions) },
    [UNSTABLE_MODULE]: unstableFunctions(state, functions),
  };
}
