/**
 * Which guest of a shared host runs next, and for how long: the guests take turns on the one thread that they share.
 *
 * Each gets CPU in proportion to its weight, as under the kernel's fair scheduler: the one that has had least for its
 * weight is next. One that has slept is lifted to the others' level, less a small bonus, so that it is served at once
 * when it wakes and yet cannot save up its sleep. One with a limit rests when it has used its quota of a period; what
 * it was over, it owes to the next.
 */

const NS_PER_MS = 1_000_000;

/** What a guest that wakes may be ahead of the others: CPU time, before its weight. */
const WAKING_BONUS_NS = 3 * NS_PER_MS;

/** The least that cpu.shares takes (the kernel's MIN_SHARES): a container that has asked for nothing. */
const LEAST_WEIGHT = 2;

/** cpu.shares and CFS quota of a container, as CRI has them; 0: not set. */
export interface CpuSettings {
  readonly cpuShares: number;
  /** Microseconds. */
  readonly cpuQuota: number;
  readonly cpuPeriod: number;
}

/** What the scheduler needs of the world. */
export interface SchedulerSetting {
  /** CPU time of the thread that guests run on, in nanoseconds. */
  readonly cpuTime: () => number;
  /** Milliseconds of a monotonic clock. */
  readonly now: () => number;
  /** Calls back once the event loop has turned. */
  readonly soon: (callback: () => void) => void;
  /** Calls back after some milliseconds. */
  readonly later: (callback: () => void, milliseconds: number) => Disposable;
  /** Is told when a guest begins its turn, and when none has one. */
  readonly clock: { begin(turns: Turns): void; rest(): void };
}

/** One guest's part in the scheduling. */
export class Turns {
  readonly weight: number;
  /** CPU time used, in nanoseconds. */
  cpuNanoseconds = 0;
  /** CPU time used for its weight: who has the least is next. */
  virtual: number;
  /** Waits for its turn. */
  grant: (() => void) | undefined;
  readonly #quotaNs: number;
  readonly #periodMs: number;
  #periodStart = -Infinity;
  #usedInPeriod = 0;

  constructor({ cpuShares, cpuQuota, cpuPeriod }: CpuSettings, virtual: number) {
    this.weight = Math.max(cpuShares, LEAST_WEIGHT);
    this.virtual = virtual;
    const limited = cpuQuota > 0 && cpuPeriod > 0;
    this.#quotaNs = limited ? cpuQuota * 1000 : Infinity;
    this.#periodMs = limited ? cpuPeriod / 1000 : Infinity;
  }

  /** Counts CPU time as used. */
  charge(nanoseconds: number): void {
    this.cpuNanoseconds += nanoseconds;
    this.virtual += nanoseconds / this.weight;
    this.#usedInPeriod += nanoseconds;
  }

  /** @returns milliseconds until it may run: 0 unless it has used up its limit */
  restsFor(now: number): number {
    if (this.#quotaNs === Infinity) return 0;
    const periods = Math.floor((now - this.#periodStart) / this.#periodMs);
    if (periods > 0) {
      const begun = Number.isFinite(this.#periodStart) ? periods : 0;
      this.#usedInPeriod = Math.max(0, this.#usedInPeriod - begun * this.#quotaNs);
      this.#periodStart = begun === 0 ? now : this.#periodStart + periods * this.#periodMs;
    }
    if (this.#usedInPeriod < this.#quotaNs) return 0;
    const owed = Math.floor(this.#usedInPeriod / this.#quotaNs);
    return this.#periodStart + owed * this.#periodMs - now;
  }
}

export class Scheduler {
  readonly #setting: SchedulerSetting;
  /** Those that want to run. */
  readonly #waiting = new Set<Turns>();
  #running: Turns | undefined;
  #begunAt = 0;
  /** The least that those who run or want to have had; never goes back. */
  #level = 0;
  #pumping = false;
  #timer: Disposable | undefined;

  constructor(setting: SchedulerSetting) {
    this.#setting = setting;
  }

  /** Takes in a guest. It has no turn before it asks for one. */
  join(settings: CpuSettings): Turns {
    return new Turns(settings, this.#level);
  }

  /** Whose turn it is. */
  get running(): Turns | undefined {
    return this.#running;
  }

  /** Asks for a turn. `grant` is called when it begins; it lasts until `end`. */
  next(turns: Turns, grant: () => void): void {
    turns.virtual = Math.max(turns.virtual, this.#level - WAKING_BONUS_NS / turns.weight);
    turns.grant = grant;
    this.#waiting.add(turns);
    this.#wake();
  }

  /** Ends a guest's turn: it waits, wants another one, or has ended. Without effect when it is not its turn. */
  end(turns: Turns): void {
    if (this.#running !== turns) return;
    const now = this.#setting.cpuTime();
    turns.charge(now - this.#begunAt);
    this.#running = undefined;
    this.#wake();
  }

  /** Forgets what a guest has asked for: it has ended. */
  leave(turns: Turns): void {
    this.end(turns);
    this.#waiting.delete(turns);
    turns.grant = undefined;
  }

  /** CPU time of a guest with what it has used of its present turn, in nanoseconds. */
  used(turns: Turns): number {
    const present = this.#running === turns ? this.#setting.cpuTime() - this.#begunAt : 0;
    return turns.cpuNanoseconds + present;
  }

  #wake(): void {
    if (this.#pumping || this.#running !== undefined) return;
    this.#pumping = true;
    this.#setting.soon(() => {
      this.#pumping = false;
      this.#pump();
    });
  }

  #pump(): void {
    if (this.#running !== undefined) return;
    this.#timer?.[Symbol.dispose]();
    this.#timer = undefined;
    const now = this.#setting.now();
    let next: Turns | undefined;
    let soonest = Infinity;
    for (const turns of this.#waiting) {
      const rest = turns.restsFor(now);
      if (rest > 0) soonest = Math.min(soonest, rest);
      else if (next === undefined || turns.virtual < next.virtual) next = turns;
    }
    if (next === undefined) {
      this.#setting.clock.rest();
      if (soonest < Infinity) this.#timer = this.#setting.later(() => this.#wake(), soonest);
      return;
    }
    this.#begin(next);
  }

  #begin(turns: Turns): void {
    this.#waiting.delete(turns);
    this.#level = Math.max(this.#level, turns.virtual);
    this.#running = turns;
    const { grant } = turns;
    turns.grant = undefined;
    this.#setting.clock.begin(turns);
    this.#begunAt = this.#setting.cpuTime();
    grant?.();
  }
}
