import { monotonicNow } from '../core/clocks.ts';
import type { GuestMemory } from '../core/guest-memory.ts';
import { PosixError } from '../core/posix-error.ts';
import type { GuestSocket } from '../sockets/socket.ts';
import { CLOCK, RIGHT } from './abi.ts';
import { requireRights, type Descriptor } from './descriptor.ts';
import { errnoFor, SUCCESS } from './errno.ts';
import { suspending, type Preview1Function, type Preview1Functions } from './function.ts';
import type { Preview1State } from './state.ts';

/** How a `subscription` lies in memory, which snapshot 0 had otherwise. */
export interface SubscriptionLayout {
  readonly size: number;
  /** Where the clock's number is; its time is 8 bytes on, its flags 24. */
  readonly clockAt: number;
}

const SUBSCRIPTION: SubscriptionLayout = { size: 48, clockAt: 16 };
const EVENT_SIZE = 32;
/** Bounds what one call allocates; more descriptors than MAX_DESCRIPTORS cannot be open. */
const MAX_SUBSCRIPTIONS = 8192;
/** `eventtype` */
const EVENT = { CLOCK: 0, FD_READ: 1, FD_WRITE: 2 } as const;
/** `eventrwflags`: the peer has closed. */
const HANGUP = 1;
/** `subclockflags` */
const ABSTIME = 1;

interface Readiness {
  /** An errno for this subscription alone. */
  readonly error: number;
  readonly bytes: bigint;
  /** `eventrwflags` */
  readonly flags?: number;
}

/** What the guest waits for. */
interface Subscription {
  readonly userdata: bigint;
  readonly type: number;
  /** Undefined as long as it has not happened. */
  readonly ready: () => Readiness | undefined;
  /** When it will be ready, in nanoseconds of the monotonic clock. */
  readonly deadline?: bigint;
  /** A promise for the moment when it may be ready; undefined when it is. */
  readonly wakeUp?: () => Promise<void> | undefined;
}

const READY: Readiness = { error: SUCCESS, bytes: 0n };

/** The moment on the monotonic clock that a `subscription_clock` means; `at`: where its clock is. */
function deadlineOf({ memory, realtime }: Preview1State, at: number): bigint {
  const clock = memory.u32(at);
  const timeout = memory.u64(at + 8);
  const absolute = (memory.u16(at + 24) & ABSTIME) !== 0;
  if (clock > CLOCK.THREAD_CPUTIME) throw new PosixError('EINVAL');
  if (clock > CLOCK.MONOTONIC) throw new PosixError('ENOTSUP');
  const now = monotonicNow();
  if (!absolute) return now + timeout;
  return clock === CLOCK.MONOTONIC ? timeout : now + timeout - realtime.now();
}

/** Files and standard streams always take something; a pipe that is full does not. */
function writeReadiness(object: Descriptor['object']): Pick<Subscription, 'ready' | 'wakeUp'> {
  if (object.kind !== 'output' || object.wouldTake === undefined) return { ready: () => READY };
  const ready = (): Readiness | undefined => (object.wouldTake?.() === false ? undefined : READY);
  return { ready, wakeUp: () => (ready() === undefined ? object.roomMade?.() : undefined) };
}

/** A socket, whose readiness may be an error of its own: a port that cannot be opened. */
function socketReadiness(socket: GuestSocket, type: number): Pick<Subscription, 'ready' | 'wakeUp'> {
  const ready = (): Readiness | undefined => {
    try {
      const found = type === EVENT.FD_WRITE ? socket.writeReadiness() : socket.readReadiness();
      return found && { error: SUCCESS, bytes: BigInt(found.bytes), flags: found.hangup ? HANGUP : 0 };
    } catch (error) {
      return { error: errnoFor(error), bytes: 0n };
    }
  };
  return { ready, wakeUp: () => (ready() === undefined ? socket.changed() : undefined) };
}

function descriptorReadiness(descriptor: Descriptor, type: number): Pick<Subscription, 'ready' | 'wakeUp'> {
  requireRights(descriptor, RIGHT.POLL_FD_READWRITE);
  const { object } = descriptor;
  if (object.kind === 'directory') throw new PosixError('EBADF');
  if (object.kind === 'socket') return socketReadiness(object, type);
  if (type === EVENT.FD_WRITE) return writeReadiness(object);
  if (object.kind === 'output') throw new PosixError('EBADF');
  if (object.kind === 'file') {
    const left = object.stat().size - object.tell();
    return { ready: () => ({ error: SUCCESS, bytes: left > 0n ? left : 0n }) };
  }
  return {
    ready: () => {
      const bytes = object.available();
      return bytes === undefined ? undefined : { error: SUCCESS, bytes: BigInt(bytes) };
    },
    wakeUp: () => object.readAhead(),
  };
}

/** Reads one `subscription`. What is wrong with it becomes its event's error, not the call's. */
function subscriptionAt(state: Preview1State, at: number, clockAt: number): Subscription {
  const { memory, descriptors } = state;
  const userdata = memory.u64(at);
  const type = memory.u8(at + 8);
  if (type > EVENT.FD_WRITE) throw new PosixError('EINVAL');
  try {
    if (type !== EVENT.CLOCK) {
      return { userdata, type, ...descriptorReadiness(descriptors.get(memory.u32(at + 16)), type) };
    }
    const deadline = deadlineOf(state, at + clockAt);
    return { userdata, type, deadline, ready: () => (monotonicNow() >= deadline ? READY : undefined) };
  } catch (error) {
    const errno = errnoFor(error);
    return { userdata, type, ready: () => ({ error: errno, bytes: 0n }) };
  }
}

/** Writes an `event` for each subscription that is ready, and returns how many. */
function report(memory: GuestMemory, subscriptions: readonly Subscription[], out: number): number {
  let count = 0;
  for (const { userdata, type, ready } of subscriptions) {
    const readiness = ready();
    if (readiness === undefined) continue;
    const at = (out >>> 0) + count * EVENT_SIZE;
    memory.view(at, EVENT_SIZE).fill(0);
    memory.setU64(at, userdata);
    memory.setU16(at + 8, readiness.error);
    memory.setU8(at + 10, type);
    memory.setU64(at + 16, readiness.bytes);
    memory.setU16(at + 24, readiness.flags ?? 0);
    count++;
  }
  return count;
}

async function wait({ eventLoop, signals }: Preview1State, subscriptions: readonly Subscription[]): Promise<void> {
  const wakeUps: Promise<void>[] = [signals.arrival()];
  let earliest: bigint | undefined;
  for (const { deadline, wakeUp } of subscriptions) {
    if (deadline !== undefined && (earliest === undefined || deadline < earliest)) earliest = deadline;
    const moment = wakeUp?.();
    if (moment !== undefined) wakeUps.push(moment);
    else if (wakeUp !== undefined) return;
  }
  await eventLoop.waitUntil(earliest, ...wakeUps);
}

/** Whether waiting is needed: starts reading ahead, as only that tells whether there is input. */
function nothingReady(subscriptions: readonly Subscription[]): boolean {
  for (const { wakeUp } of subscriptions) void wakeUp?.();
  return subscriptions.every(({ ready }) => ready() === undefined);
}

/**
 * WASI Preview 1, `poll_oneoff`: https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#poll_oneoff
 * Files and standard output are always ready; standard input when there is some or it has
 * ended. Clocks that count CPU time cannot be waited for (ENOTSUP in the event).
 */
export function pollFunction(state: Preview1State, layout: SubscriptionLayout = SUBSCRIPTION): Preview1Function {
  const { memory, eventLoop } = state;

  const pollSlowly = async (subscriptions: readonly Subscription[], out: number, countOut: number): Promise<void> => {
    // Input that has arrived is only seen by a turn of the event loop.
    await eventLoop.turn();
    while (nothingReady(subscriptions)) {
      state.signals.throwIfInterrupted();
      await wait(state, subscriptions);
    }
    memory.setU32(countOut, report(memory, subscriptions, out));
  };

  return suspending((subscriptionsIn: number, out: number, count: number, countOut: number) => {
    const wanted = count >>> 0;
    if (wanted === 0 || wanted > MAX_SUBSCRIPTIONS) throw new PosixError('EINVAL');
    memory.check(subscriptionsIn, wanted * layout.size);
    memory.check(out, wanted * EVENT_SIZE);
    memory.check(countOut, 4);
    const subscriptions = Array.from({ length: wanted }, (_, index) =>
      subscriptionAt(state, (subscriptionsIn >>> 0) + index * layout.size, layout.clockAt),
    );
    const waitsForInput = subscriptions.some(({ wakeUp, ready }) => wakeUp !== undefined && ready() === undefined);
    if (waitsForInput || eventLoop.turnIsDue() || nothingReady(subscriptions)) {
      return pollSlowly(subscriptions, out, countOut);
    }
    memory.setU32(countOut, report(memory, subscriptions, out));
    return undefined;
  });
}

export const pollFunctions = (state: Preview1State): Preview1Functions => ({ poll_oneoff: pollFunction(state) });
