/** Milliseconds that a rate is taken over at the least: the CPU time of a host moves in steps of 10 ms. */
const MIN_WINDOW_MS = 2000;

interface Seen {
  readonly atMs: number;
  readonly nanoseconds: number;
  readonly nanoCores: number | undefined;
}

/**
 * How much CPU things use now, from how much they have used by now. The kubelet looks every ten seconds for its eviction
 * manager's sake; here the time since an earlier scrape is what a rate is taken over, and the first has none.
 */
export class CpuRates {
  #seen = new Map<string, Seen>();

  /** @returns nanocores: nanoseconds of CPU a second */
  update(key: string, time: Date, nanoseconds: number): number | undefined {
    const atMs = time.getTime();
    const before = this.#seen.get(key);
    // Less than before: something else of the same key began anew.
    if (!before || nanoseconds < before.nanoseconds) {
      this.#seen.set(key, { atMs, nanoseconds, nanoCores: undefined });
      return undefined;
    }
    const windowMs = atMs - before.atMs;
    if (windowMs < MIN_WINDOW_MS) return before.nanoCores;
    const nanoCores = Math.round(((nanoseconds - before.nanoseconds) / windowMs) * 1000);
    this.#seen.set(key, { atMs, nanoseconds, nanoCores });
    return nanoCores;
  }

  /** Forgets all but these. */
  keep(keys: ReadonlySet<string>): void {
    this.#seen = new Map([...this.#seen].filter(([key]) => keys.has(key)));
  }
}
