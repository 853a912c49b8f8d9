import { sleep } from './backoff.ts';
import { WasmletError } from '../../base/errors.ts';

/** A token bucket as client-go's flowcontrol: `burst` at once, `qps` per second from then on; callers go in turn. */
export interface RateLimiter {
  /** Resolves when the caller may go on. @throws WasmletError Cancelled when the signal ended the wait */
  take(signal: AbortSignal | undefined): Promise<void>;
}

const NEVER = new AbortController().signal;

export function createRateLimiter(qps: number, burst: number): RateLimiter {
  let tokens = burst;
  let at = performance.now();
  return {
    async take(signal) {
      const now = performance.now();
      tokens = Math.min(burst, tokens + ((now - at) / 1000) * qps) - 1;
      at = now;
      // Below zero the caller has taken a token that comes later: this keeps the order and needs no queue.
      if (tokens >= 0) return;
      if (await sleep((-tokens / qps) * 1000, signal ?? NEVER)) return;
      tokens += 1;
      throw new WasmletError('Cancelled', 'the request was given up while it waited for its turn', {
        cause: signal?.reason,
      });
    },
  };
}
