import type { SignalSource } from '../../../wasi/wasi.ts';

/** WASI Preview 1, `signal`: the one that comes from outside (see ../process-signals.ts). */
const TERM = 15;

/** The signals of one guest among many: no process stands for it, so they come by message. */
export class GuestSignals implements SignalSource {
  readonly #listening = new Map<number, () => void>();

  listen(signal: number, deliver: () => void): Disposable {
    this.#listening.set(signal, deliver);
    return { [Symbol.dispose]: () => void this.#listening.delete(signal) };
  }

  /** Lets SIGTERM come. @returns false when the guest does not take it itself: its default is to happen */
  terminate(): boolean {
    const deliver = this.#listening.get(TERM);
    deliver?.();
    return deliver !== undefined;
  }
}
