import { setTimeout as delay } from 'node:timers/promises';

/**
 * Waits for a promise, but not for ever.
 * @param ended what is waited for; its rejection is the caller's
 * @returns whether it was settled within that time
 */
export async function isSettledWithin(ended: Promise<unknown>, milliseconds: number): Promise<boolean> {
  const timer = new AbortController();
  const expired = delay(milliseconds, false, { signal: timer.signal }).catch(() => false);
  try {
    return await Promise.race([ended.then(() => true), expired]);
  } finally {
    timer.abort();
  }
}
