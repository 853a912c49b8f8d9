import { describe, expect, test } from 'vitest';
import { Scheduler } from './scheduler.ts';
import type { CpuSettings, Turns } from './scheduler.ts';

const NS_PER_MS = 1_000_000;
const SLICE_MS = 1;

const cpu = (change: Partial<CpuSettings> = {}): CpuSettings => ({
  cpuShares: 0,
  cpuQuota: 0,
  cpuPeriod: 0,
  ...change,
});

/** A thread whose time passes only by what its guests use, and by waiting when none may run. */
class Machine {
  now = 0;
  readonly scheduler: Scheduler;
  readonly #queue: (() => void)[] = [];
  readonly #timers: { at: number; callback: () => void }[] = [];
  #rested = 0;

  constructor() {
    this.scheduler = new Scheduler({
      cpuTime: () => (this.now - this.#rested) * NS_PER_MS,
      now: () => this.now,
      soon: (callback) => void this.#queue.push(callback),
      later: (callback, milliseconds) => {
        const timer = { at: this.now + milliseconds, callback };
        this.#timers.push(timer);
        return { [Symbol.dispose]: () => void this.#timers.splice(this.#timers.indexOf(timer), 1) };
      },
      clock: { begin: () => undefined, rest: () => undefined },
    });
  }

  /** A guest that computes on and on, a slice in each of its turns. */
  spin(turns: Turns): void {
    this.scheduler.next(turns, () => {
      this.now += SLICE_MS;
      this.scheduler.end(turns);
      this.spin(turns);
    });
  }

  /** A guest that does a little every so often. @returns how late it was each time */
  wakes(turns: Turns, everyMs: number, takesMs: number): number[] {
    const delays: number[] = [];
    const wait = (at: number): void => void this.#timers.push({ at, callback: () => wake(at) });
    const wake = (at: number): void => {
      this.scheduler.next(turns, () => {
        delays.push(this.now - at);
        this.now += takesMs;
        this.scheduler.end(turns);
        wait(at + everyMs);
      });
    };
    wait(everyMs);
    return delays;
  }

  runUntil(end: number): void {
    while (this.now < end) {
      for (const timer of this.#timers.filter(({ at }) => at <= this.now)) {
        this.#timers.splice(this.#timers.indexOf(timer), 1);
        timer.callback();
      }
      const next = this.#queue.shift();
      if (next !== undefined) {
        next();
        continue;
      }
      const soonest = Math.min(end, ...this.#timers.map(({ at }) => at));
      this.#rested += soonest - this.now;
      this.now = soonest;
    }
  }
}

const usedMs = (turns: Turns): number => turns.cpuNanoseconds / NS_PER_MS;

describe('the scheduler of a shared host', () => {
  test('gives guests that compute on and on their shares by their weights', () => {
    const machine = new Machine();
    const [small, large] = [
      machine.scheduler.join(cpu({ cpuShares: 102 })),
      machine.scheduler.join(cpu({ cpuShares: 307 })),
    ];
    machine.spin(small);
    machine.spin(large);
    machine.runUntil(10_000);
    expect(usedMs(large) / usedMs(small)).toBeCloseTo(307 / 102, 1);
    expect(usedMs(small) + usedMs(large)).toBe(10_000);
  });

  test('gives a guest no more than its limit, also when nobody else wants to run', () => {
    const machine = new Machine();
    const turns = machine.scheduler.join(cpu({ cpuQuota: 20_000, cpuPeriod: 100_000 }));
    machine.spin(turns);
    machine.runUntil(10_000);
    expect(usedMs(turns)).toBeGreaterThan(1950);
    expect(usedMs(turns)).toBeLessThanOrEqual(2020);
  });

  test('takes what a guest was over its limit from its next periods', () => {
    const machine = new Machine();
    const turns = machine.scheduler.join(cpu({ cpuQuota: 500, cpuPeriod: 100_000 }));
    machine.spin(turns);
    machine.runUntil(10_000);
    expect(usedMs(turns)).toBeGreaterThanOrEqual(49);
    expect(usedMs(turns)).toBeLessThanOrEqual(51);
  });

  test('serves a guest that wakes before those that compute', () => {
    const machine = new Machine();
    for (let count = 0; count < 5; count++) machine.spin(machine.scheduler.join(cpu()));
    const delays = machine.wakes(machine.scheduler.join(cpu()), 50, 0.02);
    machine.runUntil(5000);
    expect(delays.length).toBeGreaterThan(90);
    expect(Math.max(...delays)).toBeLessThanOrEqual(SLICE_MS);
  });

  test('lets nobody save up its sleep', () => {
    const machine = new Machine();
    const sleeper = machine.scheduler.join(cpu({ cpuShares: 1024 }));
    const worker = machine.scheduler.join(cpu({ cpuShares: 1024 }));
    machine.spin(worker);
    machine.runUntil(5000);
    machine.spin(sleeper);
    machine.runUntil(6000);
    expect(usedMs(sleeper)).toBeLessThan(520);
    expect(usedMs(sleeper)).toBeGreaterThan(490);
  });

  test('forgets a guest that leaves', () => {
    const machine = new Machine();
    const [first, second] = [machine.scheduler.join(cpu()), machine.scheduler.join(cpu())];
    machine.spin(first);
    machine.spin(second);
    machine.runUntil(100);
    machine.scheduler.leave(first);
    const before = usedMs(first);
    machine.runUntil(200);
    expect(usedMs(first)).toBe(before);
  });
});
