import { setTimeout as delay } from 'node:timers/promises';
import { WasmletError } from '../../../base/errors.ts';
import type { GuestControl, GuestFrame } from '../engine.ts';
import type { InterpretedGuest } from './guest.ts';
import { callStack } from './machine/inspect.ts';
import { Profile } from './machine/profile.ts';

/** Frames that are told of at the most. */
const MAX_FRAMES = 256;

/** Fuel between two samples: some hundred microseconds of computing. */
const PROFILE_PERIOD = 100_000;

/**
 * What can be done with a guest from outside. Whoever calls this runs between two slices of the guest, or while it waits
 * for the host: it stands still then, if only for a moment.
 */
export class InterpretedControl implements GuestControl {
  readonly #guest: InterpretedGuest;
  #isProfiled = false;

  constructor(guest: InterpretedGuest) {
    this.#guest = guest;
  }

  async pause(): Promise<void> {
    const reached = this.#guest.pause();
    if (this.#guest.machine.host.waits) return;
    await reached;
  }

  proceed(): void {
    this.#guest.proceed();
  }

  stack(): GuestFrame[] {
    return callStack(this.#guest.machine, MAX_FRAMES).map(({ function: name, offset, line, locals }) => ({
      function: name,
      offset,
      ...(line === undefined ? {} : { line }),
      locals: locals.map((local) => ({ name: local.name, type: local.type, value: shown(local.value) })),
    }));
  }

  async profile(milliseconds: number): Promise<Uint8Array> {
    const guest = this.#guest;
    if (this.#isProfiled) throw new WasmletError('FailedPrecondition', 'the guest is being profiled already');
    const { fuel } = guest.machine;
    const { slice } = fuel;
    const profile = new Profile(PROFILE_PERIOD);
    this.#isProfiled = true;
    fuel.slice = PROFILE_PERIOD;
    guest.onSlice = () => profile.sample(guest.machine);
    try {
      await delay(milliseconds);
    } finally {
      fuel.slice = slice;
      guest.onSlice = undefined;
      this.#isProfiled = false;
    }
    return profile.encode();
  }

  async checkpoint(): Promise<Uint8Array> {
    const guest = this.#guest;
    const wasPaused = guest.isPaused;
    if (!guest.machine.host.waits) await guest.pause();
    try {
      return guest.save();
    } finally {
      if (!wasPaused) guest.proceed();
    }
  }
}

function shown(value: unknown): string {
  if (value instanceof Uint8Array) return Buffer.from(value).toString('hex');
  return Object.is(value, -0) ? '-0' : String(value);
}
