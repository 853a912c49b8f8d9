/** One shared piece of work: who waits for it, and how to end it. */
interface Flight<T> {
  readonly result: Promise<T>;
  readonly controller: AbortController;
  waiters: number;
}

/**
 * Shares work among those who ask for the same thing at the same time. Each caller's signal ends its own waiting only;
 * the work itself is ended when nobody waits for it any more.
 */
export class Flights<T> {
  readonly #flights = new Map<string, Flight<T>>();
  readonly #running = new Set<Promise<unknown>>();

  /**
   * @param key equal for equal work
   * @param work begun unless work of that key is under way; must end soon after its signal is aborted
   * @throws the work's error, or the signal's reason
   */
  async join(key: string, signal: AbortSignal, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    signal.throwIfAborted();
    const flight = this.#flights.get(key) ?? this.#begin(key, work);
    flight.waiters++;
    const { promise: aborted, reject } = Promise.withResolvers<never>();
    const onAbort = () => reject(signal.reason as Error);
    signal.addEventListener('abort', onAbort, { once: true });
    try {
      return await Promise.race([flight.result, aborted]);
    } finally {
      signal.removeEventListener('abort', onAbort);
      if (--flight.waiters === 0) {
        // From now on a newcomer begins anew rather than join what is being ended.
        if (this.#flights.get(key) === flight) this.#flights.delete(key);
        flight.controller.abort();
      }
    }
  }

  #begin(key: string, work: (signal: AbortSignal) => Promise<T>): Flight<T> {
    const controller = new AbortController();
    const result = work(controller.signal);
    const flight = { result, controller, waiters: 0 };
    this.#flights.set(key, flight);
    const settled = result.then(
      () => undefined,
      () => undefined,
    );
    this.#running.add(settled);
    void settled.then(() => {
      this.#running.delete(settled);
      if (this.#flights.get(key) === flight) this.#flights.delete(key);
    });
    return flight;
  }

  /** Ends all work and resolves when it has ended. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const { controller } of this.#flights.values()) controller.abort();
    await Promise.all(this.#running);
  }
}
