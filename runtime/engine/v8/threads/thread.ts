import type * as WorkerThreads from 'node:worker_threads';
import {
  CHANNEL_BYTES,
  VALUES_OFFSET,
  WORD,
  type ThreadChannel,
  type ThreadMessage,
  type ThreadTask,
} from './thread-main.ts';

/** Loaded for guests with threads alone: it is memory of every host that has it. */
const workerThreads = (): typeof WorkerThreads => process.getBuiltinModule('node:worker_threads');

export interface Call {
  readonly index: number;
  readonly args: readonly (number | bigint)[];
}

/** What a thread tells whoever runs it. */
export interface ThreadListener {
  /** The thread waits for `answer`. */
  called(call: Call): void;
  /** Its task has ended; it can have another. */
  ended(message: Exclude<ThreadMessage, null>): void;
  /** The worker itself is gone: memory exhausted, a fault of Node's. */
  lost(error: unknown): void;
}

/** What the workers of an engine run. */
export interface ThreadProgram {
  /** A script; it has to answer as `guestThread` does (thread-main.ts). */
  readonly script: string;
  /** What it finds as its workerData, with a channel of its own. */
  readonly data: object;
}

/** A worker that runs one thread of a guest after the other. */
export class Thread {
  readonly #worker: WorkerThreads.Worker;
  readonly #words: Int32Array;
  readonly #values: BigInt64Array;
  listener: ThreadListener | undefined;

  /** @throws system errors: the machine or the control group has no room for a thread */
  constructor({ script, data }: ThreadProgram) {
    const channel = new SharedArrayBuffer(CHANNEL_BYTES);
    this.#words = new Int32Array(channel, 0, VALUES_OFFSET / 4);
    this.#values = new BigInt64Array(channel, VALUES_OFFSET);
    this.#worker = new (workerThreads().Worker)(script, {
      eval: true,
      name: 'wasmlet-guest',
      execArgv: [],
      env: {},
      workerData: { ...data, channel } satisfies ThreadChannel,
    });
    this.#worker.on('message', (message: ThreadMessage) => {
      if (message === null) this.listener?.called(this.#call());
      else this.listener?.ended(message);
    });
    this.#worker.on('error', (error: unknown) => this.listener?.lost(error));
  }

  run(task: ThreadTask): void {
    this.#worker.postMessage(task);
  }

  #call(): Call {
    const isI64 = this.#words[WORD.i64Arguments] ?? 0;
    const values = this.#values.subarray(0, this.#words[WORD.argumentCount]);
    const args = Array.from(values, (value, at) => ((isI64 & (1 << at)) === 0 ? Number(value) : value));
    return { index: this.#words[WORD.import] ?? 0, args };
  }

  /** Lets the thread go on with the result of its call. */
  answer(result: unknown): void {
    const isI64 = typeof result === 'bigint';
    const hasResult = isI64 || typeof result === 'number';
    if (hasResult) this.#values[0] = BigInt(result);
    this.#words[WORD.result] = hasResult ? (isI64 ? 2 : 1) : 0;
    Atomics.store(this.#words, WORD.waiting, 0);
    Atomics.notify(this.#words, WORD.waiting);
  }

  /** Ends it, also while it computes or waits. */
  async end(): Promise<void> {
    this.listener = undefined;
    await this.#worker.terminate();
  }
}
