import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import { monotonicNow } from './clocks.ts';
import { onceSettled } from './settled.ts';

/** How long a guest that calls blocking functions may go on before the event loop gets a turn. */
const TURN_EVERY_NS = 10_000_000n;
const NS_PER_MS = 1_000_000n;
/** setTimeout takes a signed 32-bit number of milliseconds; longer waits are made of several. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/**
 * Lets a suspended guest wait. A resolved promise gives the event loop no turn at all, however often it is awaited:
 * timers, sockets and the host's own work only go on after a macrotask, so a guest that polls in a loop must pass
 * through one now and then.
 */
export class EventLoop {
  #lastTurn = monotonicNow();
  readonly #ended = new AbortController();

  /** Whether the event loop has been kept waiting for so long that the next blocking call should let it turn. */
  turnIsDue(): boolean {
    return monotonicNow() - this.#lastTurn >= TURN_EVERY_NS;
  }

  /** Lets the event loop turn once. */
  async turn(): Promise<void> {
    await nextTurn(undefined, { signal: this.#ended.signal });
    this.#lastTurn = monotonicNow();
  }

  /**
   * Waits until the monotonic clock shows `deadline` (undefined: without end) or one of the wake-ups is settled,
   * whichever is first. Never returns before the deadline without a wake-up: Node's timers count from the start of the
   * loop's turn, which is long past after a guest has computed, so the clock is read again.
   * @throws AbortError when disposed meanwhile
   */
  async waitUntil(deadline: bigint | undefined, ...wakeUps: readonly Promise<unknown>[]): Promise<void> {
    const wait = new AbortController();
    const signal = AbortSignal.any([wait.signal, this.#ended.signal]);
    using listening = new DisposableStack();
    const woken = Promise.withResolvers<true>();
    for (const wakeUp of wakeUps) listening.use(onceSettled(wakeUp, () => woken.resolve(true)));
    try {
      for (;;) {
        const remaining = deadline === undefined ? undefined : deadline - monotonicNow();
        if (remaining !== undefined && remaining <= 0n) return;
        const isWoken = await Promise.race([sleep(timerFor(remaining), false, { signal }), woken.promise]);
        this.#lastTurn = monotonicNow();
        if (isWoken) return;
      }
    } finally {
      wait.abort();
    }
  }

  /** Ends what waits; its promises reject. */
  [Symbol.dispose](): void {
    this.#ended.abort();
  }
}

function timerFor(remaining: bigint | undefined): number {
  if (remaining === undefined) return LONGEST_TIMER_MS;
  const milliseconds = (remaining + NS_PER_MS - 1n) / NS_PER_MS;
  return milliseconds > BigInt(LONGEST_TIMER_MS) ? LONGEST_TIMER_MS : Number(milliseconds);
}
