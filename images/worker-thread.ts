import { Worker } from 'node:worker_threads';
import { messageOf, WasmletError } from '../base/errors.ts';
import type { TaskKind, Tasks, WorkerReply, WorkerRequest } from './unpack/tasks.ts';

interface Pending {
  /** Whose fate decides this task's: a later thread's tasks are not lost with an earlier thread. */
  readonly worker: Worker;
  readonly resolve: (output: Tasks[TaskKind]['output']) => void;
  readonly reject: (error: unknown) => void;
}

/** The worker's entry: beside this file while it is TypeScript, beside the bundle once built (build/ names it so). */
function workerEntry(): URL {
  return new URL(import.meta.url.endsWith('.ts') ? './worker.ts' : './pull-worker.mjs', import.meta.url);
}

/**
 * The worker thread for hashing and unpacking: started when there is work, ended when there was none for a while, so
 * that a node that pulls nothing does not pay its memory.
 */
export class WorkerThread {
  readonly #idleMs: number;
  #worker: Worker | undefined;
  readonly #pending = new Map<number, Pending>();
  #idle: NodeJS.Timeout | undefined;
  #nextId = 1;
  #disposed = false;

  /** @param idleMs milliseconds without work after which the thread is ended */
  constructor(idleMs: number) {
    this.#idleMs = idleMs;
  }

  /**
   * Has a task done.
   * @returns after the worker let go of the task's files, also when `signal` was aborted meanwhile
   * @throws WasmletError with the worker's code and message
   */
  async run<K extends TaskKind>(kind: K, input: Tasks[K]['input'], signal: AbortSignal): Promise<Tasks[K]['output']> {
    signal.throwIfAborted();
    if (this.#disposed) throw new WasmletError('Cancelled', 'the image service is shutting down');
    clearTimeout(this.#idle);
    const worker = (this.#worker ??= this.#start());
    worker.ref();
    const id = this.#nextId++;
    const { promise, resolve, reject } = Promise.withResolvers<Tasks[TaskKind]['output']>();
    this.#pending.set(id, { worker, resolve, reject });
    const cancel = () => worker.postMessage({ id, kind: 'cancel' } satisfies WorkerRequest);
    signal.addEventListener('abort', cancel, { once: true });
    try {
      worker.postMessage({ id, kind, input });
      return await promise;
    } finally {
      signal.removeEventListener('abort', cancel);
      this.#pending.delete(id);
      if (this.#pending.size === 0) this.#rest();
    }
  }

  #start(): Worker {
    // No flags of the parent's: a debugger's or a test runner's are not meant for this thread.
    const worker = new Worker(workerEntry(), { name: 'wasmlet-images', execArgv: [] });
    worker.on('message', (reply: WorkerReply) => {
      const pending = this.#pending.get(reply.id);
      if ('error' in reply) pending?.reject(new WasmletError(reply.error.code, reply.error.message));
      else pending?.resolve(reply.output);
    });
    const fail = (error: unknown) => {
      if (this.#worker === worker) this.#worker = undefined;
      for (const pending of this.#pending.values()) if (pending.worker === worker) pending.reject(error);
    };
    worker.on('error', (error) => fail(new WasmletError('Internal', `the image worker failed: ${messageOf(error)}`)));
    worker.on('exit', () => fail(new WasmletError('Cancelled', 'the image worker ended')));
    return worker;
  }

  #rest(): void {
    this.#worker?.unref();
    this.#idle = setTimeout(() => void this.#stop(), this.#idleMs).unref();
  }

  async #stop(): Promise<void> {
    const worker = this.#worker;
    this.#worker = undefined;
    await worker?.terminate();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#disposed = true;
    clearTimeout(this.#idle);
    await this.#stop();
  }
}
