import type { SignalSource } from '../wasi.ts';
import { Changes } from './changes.ts';
import { PosixError } from './posix-error.ts';
import type { Input } from './stdio.ts';

/** WASI Preview 1, `signal`: those that a guest may take itself. */
export const SIGNAL = {
  HUP: 1,
  INT: 2,
  QUIT: 3,
  USR1: 10,
  USR2: 12,
  PIPE: 13,
  ALRM: 14,
  TERM: 15,
  CHLD: 16,
  CONT: 17,
  WINCH: 27,
} as const;

const SUBSCRIBABLE = Object.values(SIGNAL).reduce((set, signal) => set | (1 << signal), 0);
const LAST_SIGNAL = 30;
const SIGNAL_BYTES = 4;

/**
 * The signals of a guest that takes them itself: those it has subscribed to wait here, one of each number, and end
 * nothing. Each that comes makes one call that waits, or is the next to wait, return EINTR.
 */
export class Signals {
  readonly #source: SignalSource | undefined;
  readonly #listening = new Map<number, Disposable>();
  readonly #arrivals = new Changes();
  #subscribed = 0;
  /** How many open streams hear a signal. */
  readonly #heard = new Map<number, number>();
  #pending = 0;
  #interrupts = false;

  constructor(source: SignalSource | undefined) {
    this.#source = source;
  }

  /** The set that `subscribe` was last given. */
  get subscribed(): bigint {
    return BigInt(this.#subscribed >>> 0);
  }

  /**
   * Replaces the set. What waits of a signal that nobody takes any more is forgotten.
   * @param set bit n: signal n
   * @throws PosixError EINVAL for a signal that cannot be subscribed to
   */
  subscribe(set: bigint): void {
    if ((set & ~BigInt(SUBSCRIBABLE)) !== 0n) throw new PosixError('EINVAL');
    this.#subscribed = Number(set);
    this.#listen();
  }

  /** Subscribes to one signal beside that set, until disposed of. */
  #hear(signal: number): Disposable {
    this.#heard.set(signal, (this.#heard.get(signal) ?? 0) + 1);
    this.#listen();
    const stack = new DisposableStack();
    stack.defer(() => {
      this.#heard.set(signal, (this.#heard.get(signal) ?? 1) - 1);
      this.#listen();
    });
    return stack;
  }

  /** Opens a stream of the signals that wait; while it is open `signal` does. */
  open(signal: number): SignalInput {
    return new SignalInput(this, this.#hear(signal));
  }

  #takes(signal: number): boolean {
    return (this.#subscribed & (1 << signal)) !== 0 || (this.#heard.get(signal) ?? 0) > 0;
  }

  /** Listens to what the guest takes, and to nothing else. */
  #listen(): void {
    for (let signal = 1; signal <= LAST_SIGNAL; signal++) {
      const listening = this.#listening.get(signal);
      if (this.#takes(signal)) {
        if (listening !== undefined) continue;
        const begun = this.#source?.listen(signal, () => void this.raise(signal));
        if (begun !== undefined) this.#listening.set(signal, begun);
      } else {
        this.#pending &= ~(1 << signal);
        listening?.[Symbol.dispose]();
        this.#listening.delete(signal);
      }
    }
  }

  /** Lets a signal come. @returns false when the guest does not take it: its default is to happen */
  raise(signal: number): boolean {
    if (!this.#takes(signal)) return false;
    this.#pending |= 1 << signal;
    this.#interrupts = true;
    this.#arrivals.tell();
    return true;
  }

  get pending(): boolean {
    return this.#pending !== 0;
  }

  /** Takes the lowest that waits; 0 when none does. */
  take(): number {
    this.#interrupts = false;
    for (let signal = 1; signal <= LAST_SIGNAL; signal++) {
      if ((this.#pending & (1 << signal)) === 0) continue;
      this.#pending &= ~(1 << signal);
      return signal;
    }
    return 0;
  }

  /** Called by what is about to wait, or has been woken. @throws PosixError EINTR once for what has come */
  throwIfInterrupted(): void {
    if (!this.#interrupts) return;
    this.#interrupts = false;
    throw new PosixError('EINTR');
  }

  /** Resolves when the next signal comes. */
  arrival(): Promise<void> {
    return this.#arrivals.next();
  }

  /** Ends listening. */
  [Symbol.dispose](): void {
    this.#subscribed = 0;
    this.#heard.clear();
    this.#listen();
  }
}

/** Signals as a stream: each one that is taken is four bytes, its number. */
export class SignalInput implements Input {
  readonly kind = 'input';
  readonly medium = 'signals';
  readonly tty = false;
  nonblocking = false;
  readonly #signals: Signals;
  readonly #subscription: Disposable | undefined;

  /** @param subscription what ends when no descriptor is left */
  constructor(signals: Signals, subscription?: Disposable) {
    this.#signals = signals;
    this.#subscription = subscription;
  }

  available(): number | undefined {
    return this.#signals.pending ? SIGNAL_BYTES : undefined;
  }

  readAhead(): Promise<void> | undefined {
    return this.#signals.pending ? undefined : this.#signals.arrival();
  }

  /** @throws PosixError EINVAL when the buffer holds no whole number */
  take([view]: readonly Uint8Array[]): number {
    if (view === undefined || view.length < SIGNAL_BYTES) throw new PosixError('EINVAL');
    view.fill(0, 0, SIGNAL_BYTES);
    view[0] = this.#signals.take();
    return SIGNAL_BYTES;
  }

  close(): void {
    this.#subscription?.[Symbol.dispose]();
  }
}
