import type { MessagePort } from 'node:worker_threads';

/**
 * The words that a guest's thread and the host's share, of 32 bits: what is asked, and later the kind of its answer.
 * Behind them stand the arguments, 64 bits each; the first is also the place of the result.
 */
export const WORD = {
  /** 1 while the thread waits for an answer. */
  waiting: 0,
  /** Which import is called. */
  import: 1,
  argumentCount: 2,
  /** Bit n: argument n is an i64. */
  i64Arguments: 3,
  /** 0: no result, 1: an i32, 2: an i64. */
  result: 4,
} as const;

export const VALUES_OFFSET = 32;
/** More than any function of WASI has (path_open: 9). */
export const MAX_ARGUMENTS = 16;
export const CHANNEL_BYTES = VALUES_OFFSET + 8 * MAX_ARGUMENTS;

/** What every engine's worker is given. */
export interface ThreadChannel {
  readonly channel: SharedArrayBuffer;
}

/** What a worker is given once. */
export interface ThreadData extends ThreadChannel {
  readonly module: WebAssembly.Module;
  readonly memory: WebAssembly.Memory;
  /** Which import is the memory. */
  readonly memoryImport: { readonly module: string; readonly name: string };
  /** The functions that are imported, in the order of their numbers. */
  readonly functions: readonly { readonly module: string; readonly name: string }[];
  /** The export that stands for the start function. */
  readonly startExport: string;
  readonly maxFrames: number;
}

/** What a worker is to call: the guest's entry, or what starts a thread of its. */
export interface ThreadTask {
  readonly export: string;
  readonly arguments: readonly number[];
}

/** What a worker says: null, there is a call in the channel; else how its task has ended. */
export type ThreadMessage =
  | null
  | { readonly type: 'returned' }
  | {
      readonly type: 'failed';
      readonly kind: 'trap' | 'exception' | 'stack' | 'other';
      readonly message: string;
      readonly stack: string;
      /** The guest's stack, of an engine that knows it; else it is in `stack`. */
      readonly frames?: readonly string[];
    };

interface WorkerThreads {
  readonly parentPort: MessagePort | null;
  readonly workerData: ThreadData;
}

/**
 * One thread of a guest. Its imports are calls of the host's thread, which has all of WASI's state: the thread waits for
 * the answer as for a system call. Refers to nothing outside of itself: its text is what the worker runs.
 */
export function guestThread({ parentPort, workerData }: WorkerThreads): void {
  const { module, memory, channel, memoryImport, functions, startExport, maxFrames } = workerData;
  Error.stackTraceLimit = maxFrames;
  const words = new Int32Array(channel, 0, 8);
  const values = new BigInt64Array(channel, 32);

  const ask = (index: number, args: readonly (number | bigint)[]): number | bigint | undefined => {
    let i64Arguments = 0;
    for (const [at, arg] of args.entries()) {
      if (typeof arg === 'bigint') i64Arguments |= 1 << at;
      values[at] = BigInt(arg);
    }
    words[1] = index;
    words[2] = args.length;
    words[3] = i64Arguments;
    Atomics.store(words, 0, 1);
    parentPort?.postMessage(null);
    Atomics.wait(words, 0, 1);
    const [result = 0n] = values;
    return words[4] === 0 ? undefined : words[4] === 1 ? Number(result) : result;
  };

  const imports: Record<string, Record<string, unknown>> = {};
  for (const [index, { module: from, name }] of functions.entries()) {
    (imports[from] ??= {})[name] = (...args: (number | bigint)[]) => ask(index, args);
  }
  (imports[memoryImport.module] ??= {})[memoryImport.name] = memory;

  const failureOf = (error: unknown): ThreadMessage => {
    const kind =
      error instanceof WebAssembly.RuntimeError
        ? 'trap'
        : error instanceof WebAssembly.Exception
          ? 'exception'
          : error instanceof RangeError && /call stack size exceeded/.test(error.message)
            ? 'stack'
            : 'other';
    const { message, stack = '' } = error instanceof Error ? error : new Error(String(error));
    return { type: 'failed', kind, message, stack };
  };

  parentPort?.on('message', (task: ThreadTask) => {
    try {
      const { exports } = new WebAssembly.Instance(module, imports);
      const call = (name: string, args: readonly number[]): void =>
        (exports[name] as (...args: readonly number[]) => void)(...args);
      // As at each instantiation: with threads it sets up the memory once, and waits until another has done so.
      if (exports[startExport] !== undefined) call(startExport, []);
      call(task.export, task.arguments);
      parentPort.postMessage({ type: 'returned' });
    } catch (error) {
      parentPort.postMessage(failureOf(error));
    }
  });
}
