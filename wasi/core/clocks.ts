const NS_PER_MS = 1_000_000n;
const NS_PER_US = 1_000n;

/** Nanoseconds since an arbitrary point, never going back. */
export const monotonicNow = (): bigint => process.hrtime.bigint();

/** Nanoseconds of CPU that the process has used, all of its threads. */
export function processCpuTime(): bigint {
  const { user, system } = process.cpuUsage();
  return BigInt(user + system) * NS_PER_US;
}

/** Nanoseconds of CPU that the calling thread has used. */
export function threadCpuTime(): bigint {
  const { user, system } = process.threadCpuUsage();
  return BigInt(user + system) * NS_PER_US;
}

/**
 * The time of day at the monotonic clock's resolution. Node tells the time of day in whole milliseconds only, and
 * `performance.timeOrigin` does not follow a clock that is set; so this keeps the distance between the two clocks and
 * corrects it whenever the result would leave the millisecond that Date.now() tells.
 */
export class RealtimeClock {
  #offset = BigInt(Date.now()) * NS_PER_MS - monotonicNow();

  /** Nanoseconds since 1970. */
  now(): bigint {
    const millisecond = BigInt(Date.now()) * NS_PER_MS;
    const monotonic = monotonicNow();
    const estimate = monotonic + this.#offset;
    if (estimate < millisecond) {
      this.#offset = millisecond - monotonic;
      return millisecond;
    }
    const latest = millisecond + NS_PER_MS - 1n;
    if (estimate <= latest) return estimate;
    this.#offset = latest - monotonic;
    return latest;
  }
}

export interface ClockResolutions {
  readonly realtime: bigint;
  readonly monotonic: bigint;
  readonly cpu: bigint;
}

/** In nanoseconds. CPU time is what getrusage tells, in microseconds. */
export const CLOCK_RESOLUTIONS: ClockResolutions = { realtime: 1_000n, monotonic: 1n, cpu: 1_000n };
