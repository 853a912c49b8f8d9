import { slotsOf } from '../lower/values.ts';
import { SLOT } from '../core/layout.ts';
import type { Machine, Pause } from './machine.ts';

/** A guest may compute this long until the event loop turns once. */
const TURN_MS = 20;

/** What a machine was about before a call: it is about that again behind it. */
type Before = Pick<Machine, 'fp' | 'pc' | 'free'>;

/** A call from JavaScript into a guest. */
class Invocation {
  readonly #machine: Machine;
  readonly #record: number;
  readonly #before: Before;

  constructor(machine: Machine, record: number, args: readonly unknown[]) {
    this.#machine = machine;
    this.#record = record;
    const { fp, pc, free } = machine;
    this.#before = { fp, pc, free };
    const { parameters } = machine.store.typeOf(record);
    machine.begin(record, (index, address) => {
      const type = parameters[index];
      if (type !== undefined) machine.host.write(type, address, args[index]);
    });
  }

  results(): unknown[] {
    const { store, host } = this.#machine;
    let at = this.#before.free;
    return store.typeOf(this.#record).results.map((type) => {
      const value = host.read(type, at);
      at += slotsOf(type) * SLOT;
      return value;
    });
  }

  /** It has ended with an error: the machine is as before the call, but for its fuel. */
  abandon(): void {
    const machine = this.#machine;
    const left = machine.fuelLeft();
    Object.assign(machine, this.#before);
    machine.gas = left;
  }
}

/**
 * Calls a function, which may not wait for the host.
 * @returns its results
 * @throws GuestTrap; what a function of the host threw; RangeError when one gave a promise
 */
export function invoke(machine: Machine, record: number, args: readonly unknown[]): unknown[] {
  const invocation = new Invocation(machine, record, args);
  try {
    for (;;) {
      const pause = machine.resume();
      if (pause.kind === 'done') return invocation.results();
      if (pause.kind !== 'slice') throw unexpected(machine, pause);
    }
  } catch (error) {
    invocation.abandon();
    throw error;
  }
}

function unexpected(machine: Machine, { kind }: Pause): Error {
  if (kind === 'limit') return machine.trap('all fuel consumed');
  return new RangeError(`a call that must not wait came to a pause: ${kind}`);
}

/** What looks at a guest between its slices. */
export interface Overseer {
  /** The machine stands still, at any instruction; it goes on when this resolves. */
  readonly paused?: (pause: Pause) => Promise<void> | undefined;
}

/**
 * Calls a function, and waits with it for the host.
 * @throws GuestTrap; and what a function of the host threw, at once or later
 */
export async function invokeAsync(
  machine: Machine,
  record: number,
  args: readonly unknown[],
  overseer: Overseer = {},
): Promise<unknown[]> {
  const invocation = new Invocation(machine, record, args);
  try {
    await runToEnd(machine, overseer);
    return invocation.results();
  } catch (error) {
    invocation.abandon();
    throw error;
  }
}

/** Goes on with what the machine is about, up to its end: a call that was begun, or one that was saved and is resumed. */
export async function runToEnd(machine: Machine, overseer: Overseer): Promise<void> {
  let turned = performance.now();
  for (;;) {
    const pause = machine.resume();
    if (pause.kind === 'done') return;
    const looked = overseer.paused?.(pause);
    if (looked !== undefined) await looked;
    if (pause.kind === 'host') machine.host.finish(await pause.promise);
    else if (pause.kind !== 'slice') {
      if (looked === undefined) throw unexpected(machine, pause);
    } else if (performance.now() - turned > TURN_MS) {
      await turn();
      turned = performance.now();
    }
  }
}

/** Lets timers, signals and what has arrived have their turn. */
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
