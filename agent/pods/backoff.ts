interface Entry {
  delayMs: number;
  updatedAt: number;
}

/**
 * Back-off per key as the kubelet does it (client-go, util/flowcontrol): the delay doubles with each failure up to a
 * maximum, and begins anew once all has been well for twice the maximum. Times are milliseconds since the epoch.
 */
export class KeyedBackoff {
  readonly #entries = new Map<string, Entry>();
  readonly #initialMs: number;
  readonly #maxMs: number;
  readonly #now: () => number;

  constructor(initialMs: number, maxMs: number, now: () => number = Date.now) {
    this.#initialMs = Math.min(initialMs, maxMs);
    this.#maxMs = maxMs;
    this.#now = now;
  }

  /** The present delay in milliseconds; 0 when there is none. */
  get(key: string): number {
    return this.#entries.get(key)?.delayMs ?? 0;
  }

  /** Notes one more failure, which happened at `eventAt`, and so sets the next delay. */
  next(key: string, eventAt: number): void {
    const entry = this.#entries.get(key);
    const delayMs =
      !entry || this.#hasExpired(eventAt, entry) ? this.#initialMs : Math.min(entry.delayMs * 2, this.#maxMs);
    this.#entries.set(key, { delayMs, updatedAt: this.#now() });
  }

  /** Whether the delay since something happened (a container's end) is not over. */
  isInBackoffSince(key: string, eventAt: number): boolean {
    const entry = this.#entries.get(key);
    return !!entry && !this.#hasExpired(eventAt, entry) && this.#now() - eventAt < entry.delayMs;
  }

  /** When the delay since the last failure is over; undefined when it is. */
  endsAt(key: string): number | undefined {
    const entry = this.#entries.get(key);
    if (!entry || this.#hasExpired(this.#now(), entry)) return undefined;
    const end = entry.updatedAt + entry.delayMs;
    return end > this.#now() ? end : undefined;
  }

  delete(key: string): void {
    this.#entries.delete(key);
  }

  /** Forgets what is so old that it would begin anew. */
  collect(): void {
    for (const [key, entry] of this.#entries) if (this.#hasExpired(this.#now(), entry)) this.#entries.delete(key);
  }

  #hasExpired(eventAt: number, entry: Entry): boolean {
    return eventAt - entry.updatedAt > this.#maxMs * 2;
  }
}

/** A duration as Go prints it: '10s', '1m20s', '5m0s', '1.204s', '35ms'. Milliseconds are the finest it shows. */
export function goDuration(milliseconds: number): string {
  const ms = Math.trunc(milliseconds);
  if (ms === 0) return '0s';
  if (ms < 1000) return `${ms}ms`;
  const hours = Math.floor(ms / 3_600_000);
  const minutes = Math.floor(ms / 60_000) % 60;
  const seconds = `${(ms % 60_000) / 1000}s`;
  if (hours > 0) return `${hours}h${minutes}m${seconds}`;
  return minutes > 0 ? `${minutes}m${seconds}` : seconds;
}
