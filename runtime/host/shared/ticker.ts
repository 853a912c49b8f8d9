import { Worker } from 'node:worker_threads';
import type { parentPort, receiveMessageOnPort } from 'node:worker_threads';

/** What the thread needs of node:worker_threads, which it is given since its code is a text of its own. */
interface WorkerThreads {
  readonly parentPort: typeof parentPort;
  readonly receiveMessageOnPort: typeof receiveMessageOnPort;
  readonly workerData: { readonly control: Int32Array };
}

/** A guest's word in memory that both threads share; `word` undefined: the guest has ended. */
interface WordMessage {
  readonly slot: number;
  readonly word: Int32Array | undefined;
}

/**
 * The ticker's thread: as long as a guest has its turn, looks once in a slice whether it is still the same turn, and if
 * so sets the guest's word, which the guest reads at every loop header and function entry. It has no event loop that
 * turns, and refers to nothing outside of itself: its text is what the thread runs.
 *
 * `control`: [0] 1 while a guest has its turn, [1] the number of the turn, [2] the slot of its guest, [3] always 0, [4] how
 * long a slice is, in microseconds.
 */
function tick({ parentPort, receiveMessageOnPort, workerData }: WorkerThreads): void {
  const { control } = workerData;
  const words = new Map<number, Int32Array>();
  const takeMessages = (): void => {
    if (parentPort === null) return;
    for (let got = receiveMessageOnPort(parentPort); got !== undefined; got = receiveMessageOnPort(parentPort)) {
      const { slot, word } = got.message as WordMessage;
      if (word === undefined) words.delete(slot);
      else words.set(slot, word);
    }
  };
  for (;;) {
    Atomics.wait(control, 0, 0);
    const turn = Atomics.load(control, 1);
    Atomics.wait(control, 3, 0, Atomics.load(control, 4) / 1000);
    takeMessages();
    if (Atomics.load(control, 0) === 0 || Atomics.load(control, 1) !== turn) continue;
    const word = words.get(Atomics.load(control, 2));
    if (word !== undefined) Atomics.store(word, 0, 1);
  }
}

const RUNNING = 0;
const TURN = 1;
const SLOT = 2;
const SLICE = 4;
const WORDS = 5;

/**
 * How long a guest computes before others may have their turn, at the least; twice that at the most. Neighbours mostly
 * wait for something, and are served when the slice in which it comes is over: the shorter the sooner, but to change
 * costs some five microseconds (measured). A guest without neighbours only lets the host answer its supervisor.
 */
const SLICE_US = 250;
const SLICE_ALONE_US = 1000;

/**
 * Ends the turns of guests that compute on and on: a thread of its own tells the running guest, by a word of memory,
 * that its slice is over. The thread sleeps while no guest runs.
 */
export class Ticker implements Disposable {
  readonly #control = new Int32Array(new SharedArrayBuffer(WORDS * Int32Array.BYTES_PER_ELEMENT));
  readonly #worker: Worker;
  readonly #words: (Int32Array | undefined)[] = [];

  constructor() {
    this.#worker = new Worker(`(${tick.toString()})(require('node:worker_threads'))`, {
      eval: true,
      name: 'wasmlet-ticker',
      execArgv: [],
      workerData: { control: this.#control },
      // It holds a map and nothing else.
      resourceLimits: { maxOldGenerationSizeMb: 8, maxYoungGenerationSizeMb: 1 },
    });
    this.#worker.unref();
    this.#setSlice();
  }

  /**
   * Takes in a guest.
   * @param word shared memory; the thread sets it to 1 when a turn has lasted for a slice
   * @returns the number to name the guest by
   */
  join(word: Int32Array): number {
    const free = this.#words.indexOf(undefined);
    const slot = free === -1 ? this.#words.length : free;
    this.#words[slot] = word;
    this.#worker.postMessage({ slot, word } satisfies WordMessage);
    this.#setSlice();
    return slot;
  }

  leave(slot: number): void {
    this.#words[slot] = undefined;
    this.#worker.postMessage({ slot, word: undefined } satisfies WordMessage);
    this.#setSlice();
  }

  #setSlice(): void {
    const guests = this.#words.filter((word) => word !== undefined).length;
    Atomics.store(this.#control, SLICE, guests > 1 ? SLICE_US : SLICE_ALONE_US);
  }

  /** A guest's turn begins. */
  begin(slot: number): void {
    const word = this.#words[slot];
    if (word !== undefined) Atomics.store(word, 0, 0);
    Atomics.store(this.#control, SLOT, slot);
    Atomics.add(this.#control, TURN, 1);
    if (Atomics.exchange(this.#control, RUNNING, 1) === 0) Atomics.notify(this.#control, RUNNING);
  }

  /** No guest wants to run. */
  rest(): void {
    Atomics.store(this.#control, RUNNING, 0);
  }

  [Symbol.dispose](): void {
    void this.#worker.terminate();
  }
}
