import { setTimeout as delay } from 'node:timers/promises';

export interface BackoffOptions {
  readonly initialMs: number;
  readonly maxMs: number;
  /** Each wait is lengthened at random by up to this share of itself, so that nodes do not act in step. Default 1. */
  readonly jitter?: number;
  /** Growth of the wait from one to the next. Default 2. */
  readonly factor?: number;
  /** After so long without a wait the next one is the first again. Default: never. */
  readonly resetMs?: number;
}

/** Exponential back-off with jitter. */
export interface Backoff {
  /**
   * Waits the next time, times `scale`.
   * @returns false when the signal ended it
   */
  wait(signal: AbortSignal, scale?: number): Promise<boolean>;
  reset(): void;
}

export function createBackoff(options: BackoffOptions): Backoff {
  const { initialMs, maxMs, jitter = 1, factor = 2, resetMs = Infinity } = options;
  let nextMs = initialMs;
  let waitedAt = -Infinity;
  return {
    async wait(signal, scale = 1) {
      if (performance.now() - waitedAt > resetMs) nextMs = initialMs;
      const ms = nextMs * (1 + Math.random() * jitter) * scale;
      nextMs = Math.min(maxMs, nextMs * factor);
      const going = await sleep(ms, signal);
      waitedAt = performance.now();
      return going;
    },
    reset: () => (nextMs = initialMs),
  };
}

/** Waits. @returns false when the signal ended it */
export async function sleep(ms: number, signal: AbortSignal): Promise<boolean> {
  try {
    await delay(ms, undefined, { signal });
    return true;
  } catch {
    return false;
  }
}
