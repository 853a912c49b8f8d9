/** "2006-01-02T15:04:05.000000000Z": Go's RFC3339Nano with all its digits, as the CRI log format has it. */
export const TIMESTAMP_BYTES = 30;

const MILLISECOND_DIGITS = 23;
const ZERO = 0x30;

/** How far the two clocks may part before the wall clock is believed to have been set. */
const MAX_DRIFT_MS = 2;

/**
 * The time of day with more digits than Date has. Node's monotonic clock gives the digits; the wall clock is followed
 * when it is set.
 */
export class WallClock {
  #origin = performance.timeOrigin;

  /** @returns milliseconds since the epoch, with a fraction */
  now(): number {
    const monotonic = performance.now();
    const wall = Date.now();
    if (Math.abs(this.#origin + monotonic - wall) > MAX_DRIFT_MS) this.#origin = wall - monotonic;
    return this.#origin + monotonic;
  }
}

/** Writes timestamps as bytes; the text of a millisecond is made once. */
export class TimestampWriter {
  #millisecond = -1;
  readonly #text = Buffer.alloc(MILLISECOND_DIGITS);

  /**
   * Writes 30 bytes to the start of `target`.
   * @param time milliseconds since the epoch, with a fraction
   */
  write(target: Uint8Array, time: number): void {
    const millisecond = Math.floor(time);
    if (millisecond !== this.#millisecond) {
      this.#millisecond = millisecond;
      this.#text.write(new Date(millisecond).toISOString(), 'latin1');
    }
    target.set(this.#text);
    let nanoseconds = Math.floor((time - millisecond) * 1e6);
    for (let index = TIMESTAMP_BYTES - 2; index >= MILLISECOND_DIGITS; index--) {
      target[index] = ZERO + (nanoseconds % 10);
      nanoseconds = Math.floor(nanoseconds / 10);
    }
    target[TIMESTAMP_BYTES - 1] = 0x5a;
  }
}

/** RFC 3339 in UTC with nanoseconds, as records and messages carry times. */
export function formatTime(time: number): string {
  const bytes = Buffer.alloc(TIMESTAMP_BYTES);
  new TimestampWriter().write(bytes, time);
  return bytes.toString('latin1');
}

const clock = new WallClock();

/** The present time, RFC 3339 in UTC with nanoseconds. */
export const timeNow = (): string => formatTime(clock.now());
