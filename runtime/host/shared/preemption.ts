import type { Guest } from '../../engine/engine.ts';
import { HookFunctions } from '../../engine/v8/hooks.ts';
import type { SchedulerSetting, Turns } from './scheduler.ts';
import type { Ticker } from './ticker.ts';

/** What a guest does when it is to give up its turn, or takes memory. */
export interface Preemptible {
  readonly turns: Turns;
  giveUp(): Promise<void>;
  /** @throws what ends the guest */
  grow(kind: number, delta: number): void;
}

/** A guest that can be preempted. */
export interface Membership extends Disposable {
  /** Lets the guest give up its turn at its next check. */
  preempt(): void;
}

interface Member {
  readonly slot: number;
  readonly guest: Preemptible;
}

/** Ends the turns of guests that compute on and on, whose modules were rewritten for it (runtime/wasm/rewrite.ts). */
export class Preemption {
  /** To be told by the scheduler. */
  readonly clock: SchedulerSetting['clock'];
  readonly #ticker: Ticker;
  readonly #members = new Map<Turns, Member>();
  #running: Member | undefined;
  /** One set for all guests: only the one that runs can call them. */
  readonly #hooks = new HookFunctions({
    giveUp: () => this.#running?.guest.giveUp() ?? Promise.resolve(),
    grow: (kind, _index, delta) => this.#running?.guest.grow(kind, delta),
  });

  constructor(ticker: Ticker) {
    this.#ticker = ticker;
    this.clock = {
      begin: (turns) => {
        this.#running = this.#members.get(turns);
        if (this.#running !== undefined) ticker.begin(this.#running.slot);
      },
      rest: () => ticker.rest(),
    };
  }

  /** Takes in a guest, before its first turn. */
  join(guest: Guest, preemptible: Preemptible): Membership {
    const word = this.#hooks.attach(guest);
    const member = { slot: this.#ticker.join(word), guest: preemptible };
    this.#members.set(preemptible.turns, member);
    return {
      preempt: () => void Atomics.store(word, 0, 1),
      [Symbol.dispose]: () => {
        this.#members.delete(preemptible.turns);
        this.#ticker.leave(member.slot);
      },
    };
  }
}
