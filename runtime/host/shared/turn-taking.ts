import { mapFunctions } from '../../engine/engine.ts';
import type { HostFunction, HostImports } from '../../engine/engine.ts';
import type { Scheduler, Turns } from './scheduler.ts';

/**
 * Lets one guest take turns with the others: it runs only in its own turn, which ends when a function that it has called
 * has to wait, when its slice is over, or when it ends.
 */
export class TurnTaking {
  readonly turns: Turns;
  readonly #scheduler: Scheduler;
  readonly #check: () => Error | undefined;
  #end: Error | undefined;
  /** Ends what the guest waits for. */
  #interrupt: ((end: Error) => void) | undefined;

  /** @param check called at the end of each turn: what it returns ends the guest */
  constructor(scheduler: Scheduler, turns: Turns, check: () => Error | undefined) {
    this.#scheduler = scheduler;
    this.turns = turns;
    this.#check = check;
  }

  /** Runs a guest from its first turn to its end. @throws what ended it */
  async run(guest: () => Promise<void>): Promise<void> {
    try {
      this.#end ??= this.#check();
      await this.#turn();
      await guest();
      const end = this.#end ?? this.#check();
      if (end !== undefined) throw end;
    } finally {
      this.#scheduler.leave(this.turns);
    }
  }

  /** The functions, each of which ends the turn when it has to wait; the guest goes on in a later one. */
  gate(imports: HostImports): HostImports {
    return mapFunctions(imports, (given) => this.#gated(given));
  }

  #gated({ suspends, call }: HostFunction): HostFunction {
    if (!suspends) return { suspends, call };
    const gated = (...args: never[]): unknown => {
      const result = call(...args);
      return result instanceof Promise ? this.#wait(result) : result;
    };
    return { suspends, call: gated };
  }

  /** The slice is over: lets others have their turns. @throws what ends the guest, if something does */
  giveUp(): Promise<void> {
    const end = this.#endTurn();
    return end === undefined ? this.#turn() : Promise.reject(end);
  }

  /** @throws what ends the guest */
  #wait(result: Promise<unknown>): Promise<unknown> {
    const end = this.#endTurn();
    if (end !== undefined) return Promise.reject(end);
    return this.#interruptible((resolve, reject) => {
      result.then(
        (value) => this.#next(() => resolve(value)),
        (error: unknown) => this.#next(() => reject(error instanceof Error ? error : new Error(String(error)))),
      );
    });
  }

  #turn(): Promise<void> {
    return this.#interruptible<undefined>((resolve) => this.#next(() => resolve(undefined)));
  }

  #interruptible<T>(start: (resolve: (value: T) => void, reject: (error: Error) => void) => void): Promise<T> {
    return new Promise((resolve, reject) => {
      if (this.#end !== undefined) {
        reject(this.#end);
        return;
      }
      this.#interrupt = reject;
      start(resolve, reject);
    });
  }

  #next(grant: () => void): void {
    if (this.#end === undefined) this.#scheduler.next(this.turns, grant);
  }

  #endTurn(): Error | undefined {
    this.#scheduler.end(this.turns);
    this.#end ??= this.#check();
    return this.#end;
  }

  /** Ends the guest: at once where it waits, and at the end of its slice where it computes. The first end counts. */
  end(end: Error): void {
    this.#end ??= end;
    this.#scheduler.leave(this.turns);
    this.#interrupt?.(this.#end);
  }
}
