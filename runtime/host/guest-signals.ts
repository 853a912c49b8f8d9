import type { SignalSource } from '../../wasi/wasi.ts';

/** The signals of one guest among several of a process: no process stands for it. */
export class GuestSignals implements SignalSource {
  readonly #listening = new Map<number, () => void>();

  listen(signal: number, deliver: () => void): Disposable {
    this.#listening.set(signal, deliver);
    return { [Symbol.dispose]: () => void this.#listening.delete(signal) };
  }

  /**
   * Lets a signal come.
   * @param signal by its number in Preview 1
   * @returns false when the guest does not take it itself: its default is to happen
   */
  deliver(signal: number): boolean {
    const deliver = this.#listening.get(signal);
    deliver?.();
    return deliver !== undefined;
  }
}
