import pLimit, { type LimitFunction } from 'p-limit';
import { WasmletError } from '../../../base/errors.ts';
import { ExpiringCache } from './expiring-cache.ts';

/** The kubelet's webhook caches hold so many (apiserver plugin/pkg/authorizer/webhook). */
const CAPACITY = 8192;
/** Reviews share the agent's requests per second with its own work: strangers must not use them up. */
const MAX_AT_ONCE = 8;
const MAX_WAITING = 128;

/**
 * Asks the API server once for what many requests want to know, and remembers the answer for a time. What cannot be
 * answered is not remembered.
 */
export class ReviewCache<V> {
  readonly #cache: ExpiringCache<V>;
  readonly #pending = new Map<string, Promise<V>>();
  readonly #limit: LimitFunction = pLimit(MAX_AT_ONCE);
  readonly #ttlMs: (value: V) => number;

  /** @param ttlMs milliseconds that an answer is good for */
  constructor(ttlMs: (value: V) => number, now?: () => number) {
    this.#cache = new ExpiringCache(CAPACITY, now);
    this.#ttlMs = ttlMs;
  }

  /** @throws WasmletError Unavailable when too many wait already; what `ask` throws */
  async get(key: string, ask: () => Promise<V>): Promise<V> {
    const known = this.#cache.get(key);
    if (known !== undefined) return known;
    const pending = this.#pending.get(key);
    if (pending) return await pending;
    if (this.#limit.pendingCount >= MAX_WAITING) {
      throw new WasmletError('Unavailable', 'too many requests wait for a review by the API server; try again later');
    }
    const asked = this.#limit(ask);
    this.#pending.set(key, asked);
    try {
      const value = await asked;
      this.#cache.set(key, value, this.#ttlMs(value));
      return value;
    } finally {
      this.#pending.delete(key);
    }
  }
}
