import type { MessagePort } from 'node:worker_threads';
import { decodeModule } from '../../../wasm/decode.ts';
import type { Module } from '../../../wasm/module.ts';
import { type GuestMemory, GuestTrap } from '../../engine.ts';
import { type ThreadMessage, type ThreadTask, VALUES_OFFSET, WORD } from '../../v8/threads/thread-main.ts';
import { adoptCore } from '../core/core.ts';
import { linkedInstance } from '../link.ts';
import { UncaughtException } from '../machine/exceptions.ts';
import { Machine } from '../machine/machine.ts';
import type { NativeMemory } from '../machine/native.ts';

/** What a worker is given once. */
export interface ThreadData {
  /** A module that was validated. */
  readonly bytes: Uint8Array;
  /** Of the host's, as the worker has it. */
  readonly memory: GuestMemory;
  readonly core: { readonly module: WebAssembly.Module; readonly identity: string };
  /** What all threads have used: one number of 64 bits. */
  readonly fuel: SharedArrayBuffer;
  readonly channel: SharedArrayBuffer;
}

/** What a thread's functions of the host are: calls of the host's own thread, which has all of WASI's state. */
class HostCalls {
  readonly #port: MessagePort;
  readonly #words: Int32Array;
  readonly #values: BigInt64Array;

  constructor(port: MessagePort, channel: SharedArrayBuffer) {
    this.#port = port;
    this.#words = new Int32Array(channel, 0, VALUES_OFFSET / 4);
    this.#values = new BigInt64Array(channel, VALUES_OFFSET);
  }

  /** Waits for the answer, as for a system call. */
  ask(index: number, args: readonly (number | bigint)[]): number | bigint | undefined {
    let i64Arguments = 0;
    for (const [at, arg] of args.entries()) {
      if (typeof arg === 'bigint') i64Arguments |= 1 << at;
      this.#values[at] = BigInt(arg);
    }
    this.#words[WORD.import] = index;
    this.#words[WORD.argumentCount] = args.length;
    this.#words[WORD.i64Arguments] = i64Arguments;
    Atomics.store(this.#words, WORD.waiting, 1);
    this.#port.postMessage(null);
    Atomics.wait(this.#words, WORD.waiting, 1);
    const [result = 0n] = this.#values;
    const kind = this.#words[WORD.result];
    return kind === 0 ? undefined : kind === 1 ? Number(result) : result;
  }
}

/** Calls an export; what it uses is added to what all threads have used, slice by slice. */
function call(machine: Machine, record: number, args: readonly number[], used: BigInt64Array): void {
  const { parameters } = machine.store.typeOf(record);
  let reported = machine.fuelUsed;
  machine.begin(record, (index, address) => machine.host.write(parameters[index] ?? 0, address, args[index]));
  try {
    while (machine.resume().kind !== 'done') reported = report();
  } finally {
    report();
  }
  function report(): number {
    const now = machine.fuelUsed;
    Atomics.add(used, 0, BigInt(now - reported));
    return now;
  }
}

function runTask(module: Module, { memory, fuel }: ThreadData, hosts: HostCalls, task: ThreadTask): void {
  const functions = module.imports
    .filter(({ kind }) => kind === 'function')
    .map((_, index) => ({ suspends: false, call: (...args: never[]) => hosts.ask(index, args) }));
  const instance = linkedInstance(module, functions, [memory as NativeMemory]);
  const machine = new Machine(instance.store);
  const used = new BigInt64Array(fuel);
  // As at each instantiation: with threads it sets up the memory once, and waits until another has done so.
  if (module.start !== undefined) call(machine, instance.function(module.start.function), [], used);
  const entry = module.exports.find(({ name, kind }) => name === task.export && kind === 'function');
  if (entry === undefined) throw new RangeError(`no function ${task.export} is exported`);
  call(machine, instance.function(entry.index), task.arguments, used);
}

function failureOf(error: unknown): ThreadMessage {
  const { message, stack = '' } = error instanceof Error ? error : new Error(String(error));
  const failed = { type: 'failed', message, stack } as const;
  if (error instanceof UncaughtException) return { ...failed, kind: 'exception' };
  return error instanceof GuestTrap ? { ...failed, kind: 'trap', frames: error.frames } : { ...failed, kind: 'other' };
}

/** A worker's whole work: one thread of a guest after the other. */
export function runThreads(threads: { readonly parentPort: MessagePort | null; readonly workerData: unknown }): void {
  const { parentPort: port } = threads;
  const data = threads.workerData as ThreadData;
  if (port === null) throw new RangeError('no worker');
  const module = decodeModule(data.bytes);
  const shape = module.memories.map(({ type: { is64, shared } }) => ({ is64, shared }));
  adoptCore(shape, data.core.module, data.core.identity);
  const hosts = new HostCalls(port, data.channel);
  port.on('message', (task: ThreadTask) => {
    let message: ThreadMessage = { type: 'returned' };
    try {
      runTask(module, data, hosts, task);
    } catch (error) {
      message = failureOf(error);
    }
    port.postMessage(message);
  });
}
