import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** Bytes that guests which have ended may leave behind before they are collected. */
const COLLECT_FROM = 64 * 1024 * 1024;

type Collect = (options: { readonly execution: 'async' }) => Promise<void>;

/**
 * Gives back the memories of guests that have ended. V8 does so when its own heap has grown, and that of a host whose
 * guests sleep hardly does.
 */
export class Garbage {
  #bytes = 0;
  #collect: Collect | undefined;

  /** A guest with so much memory has ended. */
  add(bytes: number): void {
    this.#bytes += bytes;
    if (this.#bytes < COLLECT_FROM) return;
    this.#bytes = 0;
    this.#collect ??= exposed();
    // From the event loop, where no stack holds on to what is to go.
    void this.#collect({ execution: 'async' });
  }
}

/** V8's collector, which is only a function where it is asked for. */
function exposed(): Collect {
  setFlagsFromString('--expose-gc');
  return runInNewContext('gc') as Collect;
}
