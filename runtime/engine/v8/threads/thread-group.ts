import { messageOf, WasmletError } from '../../../../base/errors.ts';
import { GuestTrap, type HostFunction } from '../../engine.ts';
import type { LocateLines } from '../source-lines.ts';
import { trapFrom } from '../trap.ts';
import type { ThreadMessage } from './thread-main.ts';
import { Thread, type Call, type ThreadProgram } from './thread.ts';

/**
 * Threads of one guest at once, its first included: each is a thread of the machine with a heap of V8's own, 6 MB that its
 * container's memory limit pays (measured), so that a guest without a limit takes 384 MB of the node at the most.
 */
export const MAX_THREADS = 64;

/** wasi-threads: thread ids are from 1 to 0x1fffffff. */
const LAST_THREAD_ID = 0x1fff_ffff;
/** `errno`, again. */
const AGAIN = 6;
const THREAD_ENTRY = 'wasi_thread_start';

type Failure = Extract<ThreadMessage, { readonly type: 'failed' }>;

export interface ThreadGroupOptions {
  readonly program: ThreadProgram;
  /** What each function that the program imports calls; undefined is wasi.thread-spawn. */
  readonly functions: readonly (HostFunction | undefined)[];
  readonly locate: LocateLines;
}

/**
 * The threads of one guest (wasi-threads). Every one runs in a worker; this thread, the host's own, has the state that
 * they share: descriptors, files, streams, signals. Their calls are answered here, one after the other, so that each sees
 * what the others have done; one that waits holds up no other. The first to exit or to trap ends all.
 */
export class ThreadGroup {
  readonly #options: ThreadGroupOptions;
  readonly #threads = new Set<Thread>();
  readonly #idle: Thread[] = [];
  readonly #ids = new Set<number>();
  readonly #end = Promise.withResolvers<undefined>();
  #lastId = 0;
  #ended = false;

  constructor(options: ThreadGroupOptions) {
    this.#options = options;
  }

  /**
   * Runs the guest's first thread, and resolves when it returns: others that still run are ended then.
   * @throws GuestTrap of any thread; what a host function threw
   */
  async run(entry: string): Promise<void> {
    this.#start({ export: entry, arguments: [] }, 0, () => this.#finish(() => this.#end.resolve(undefined)));
    try {
      await this.#end.promise;
    } finally {
      await Promise.all(Array.from(this.#threads, (thread) => thread.end()));
    }
  }

  #finish(settle: () => void): void {
    this.#ended = true;
    settle();
  }

  #fail(error: unknown): void {
    this.#finish(() => this.#end.reject(error instanceof Error ? error : new Error(messageOf(error))));
  }

  /** @throws system errors */
  #start(
    task: { readonly export: string; readonly arguments: readonly number[] },
    id: number,
    ended: () => void,
  ): void {
    const thread = this.#idle.pop() ?? new Thread(this.#options.program);
    this.#threads.add(thread);
    thread.listener = {
      called: (call) => this.#call(thread, call),
      ended: (message) => {
        if (message.type === 'failed') this.#fail(failureOf(message, id, this.#options.locate));
        else ended();
        this.#idle.push(thread);
      },
      lost: (error) => {
        this.#fail(new WasmletError('Internal', `thread ${id} of the guest is lost: ${messageOf(error)}`));
      },
    };
    thread.run(task);
  }

  #call(thread: Thread, { index, args }: Call): void {
    // What the group's end has left in the queue: its guest is gone.
    if (this.#ended) return;
    const called = this.#options.functions[index];
    try {
      const result = called === undefined ? this.#spawn(Number(args[0])) : (called.call as Function_)(...args);
      if (!(result instanceof Promise)) {
        thread.answer(result);
        return;
      }
      void result.then(
        (value) => thread.answer(value),
        (error: unknown) => this.#fail(error),
      );
    } catch (error) {
      this.#fail(error);
    }
  }

  /**
   * wasi-threads, `thread-spawn`.
   * @returns the thread's id, or a negative errno
   */
  #spawn(startArgument: number): number {
    if (this.#ids.size + 1 >= MAX_THREADS) return -AGAIN;
    const id = this.#freeId();
    try {
      this.#start({ export: THREAD_ENTRY, arguments: [id, startArgument] }, id, () => this.#ids.delete(id));
    } catch {
      return -AGAIN;
    }
    this.#ids.add(id);
    return id;
  }

  #freeId(): number {
    do this.#lastId = (this.#lastId % LAST_THREAD_ID) + 1;
    while (this.#ids.has(this.#lastId));
    return this.#lastId;
  }
}

type Function_ = (...args: readonly (number | bigint)[]) => unknown;

/** What a worker's thread threw, as if it had been thrown here. */
function failureOf({ kind, message, stack, frames }: Failure, id: number, locate: LocateLines): unknown {
  const where = id === 0 ? '' : ` (in thread ${id})`;
  if (kind === 'exception') return new GuestTrap(`exception that the guest did not catch${where}`, []);
  if (kind === 'other') return new WasmletError('Internal', `thread ${id} of the guest failed: ${message}`);
  if (frames !== undefined) return new GuestTrap(`${message}${where}`, frames);
  const error = kind === 'trap' ? new WebAssembly.RuntimeError(message) : new RangeError(message);
  error.stack = stack;
  const trap = trapFrom(error, locate);
  return trap instanceof GuestTrap && id !== 0 ? new GuestTrap(`${trap.message}${where}`, trap.frames) : trap;
}
