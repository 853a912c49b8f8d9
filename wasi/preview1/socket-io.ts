import { monotonicNow } from '../core/clocks.ts';
import { PosixError } from '../core/posix-error.ts';
import type { SocketAddress } from '../sockets/address.ts';
import type { GuestSocket, Received } from '../sockets/socket.ts';
import { requireRights, type Descriptor } from './descriptor.ts';
import { iovecs } from './iovec.ts';
import type { Preview1State } from './state.ts';

/** Buffers in the guest's memory: read anew after a wait. */
export interface Buffers {
  readonly pointer: number;
  readonly count: number;
}

/** @throws PosixError ENOTSOCK, ENOTCAPABLE */
export function socketOf(descriptor: Descriptor, rights: number): GuestSocket {
  const { object } = descriptor;
  if (object.kind !== 'socket') throw new PosixError('ENOTSOCK');
  requireRights(descriptor, rights);
  return object;
}

/**
 * Tries until it is done; `attempt` returns undefined for what would wait.
 * @param timeout nanoseconds, after which it is EAGAIN (SO_RCVTIMEO); 0n: none
 * @throws PosixError EAGAIN, EINTR; what `attempt` throws
 */
export function untilDone<T>(
  state: Preview1State,
  socket: GuestSocket,
  timeout: bigint,
  attempt: () => T | undefined,
): T | Promise<T> {
  return attempt() ?? trySlowly(state, socket, timeout, attempt);
}

async function trySlowly<T>(
  { eventLoop, signals }: Preview1State,
  socket: GuestSocket,
  timeout: bigint,
  attempt: () => T | undefined,
): Promise<T> {
  // What has arrived is only seen by a turn of the event loop.
  await eventLoop.turn();
  const deadline = timeout === 0n ? undefined : monotonicNow() + timeout;
  for (;;) {
    const done = attempt();
    if (done !== undefined) return done;
    if (socket.nonblocking || (deadline !== undefined && monotonicNow() >= deadline)) throw new PosixError('EAGAIN');
    signals.throwIfInterrupted();
    await eventLoop.waitUntil(deadline, socket.changed(), signals.arrival());
  }
}

/** @param waitAll fills the buffers of a stream wholly, unless it ends */
export function receive(
  state: Preview1State,
  socket: GuestSocket,
  { pointer, count }: Buffers,
  flags: { readonly peek: boolean; readonly waitAll: boolean } = { peek: false, waitAll: false },
): Received | Promise<Received> {
  const { memory } = state;
  const wanted = lengthOf(iovecs(memory, pointer, count));
  const timeout = socket.options.receiveTimeout;
  if (wanted === 0 && socket.type === 'stream') return { length: 0, truncated: false };
  if (!flags.waitAll || flags.peek || socket.type !== 'stream') {
    return untilDone(state, socket, timeout, () => socket.receive(iovecs(memory, pointer, count), flags));
  }
  let length = 0;
  return untilDone(state, socket, timeout, () => {
    const part = socket.receive(after(iovecs(memory, pointer, count), length), flags);
    length += part?.length ?? 0;
    const over = part?.length === 0 || length === wanted || (part === undefined && socket.nonblocking && length > 0);
    return over ? { length, truncated: false } : undefined;
  });
}

/**
 * Sends; all of it where the socket blocks, what there is room for where it does not.
 * @returns the number of bytes
 */
export function send(
  state: Preview1State,
  socket: GuestSocket,
  { pointer, count }: Buffers,
  to?: SocketAddress,
): number | Promise<number> {
  const { memory } = state;
  const wanted = lengthOf(iovecs(memory, pointer, count));
  const timeout = socket.options.sendTimeout;
  if (socket.type === 'datagram' || socket.nonblocking) {
    const done = untilDone(state, socket, timeout, () => socket.send(iovecs(memory, pointer, count), to));
    return done instanceof Promise ? done.then((length) => length) : done;
  }
  let sent = 0;
  const attempt = (): number | undefined => {
    try {
      const part = socket.send(after(iovecs(memory, pointer, count), sent), to);
      if (typeof part === 'number') sent += part;
    } catch (error) {
      // What went out went out: the next call tells the error.
      if (sent === 0) throw error;
      return sent;
    }
    return sent === wanted ? sent : undefined;
  };
  const done = untilDone(state, socket, timeout, attempt);
  if (typeof done === 'number') return done;
  return done.catch((error: unknown) => {
    if (sent > 0) return sent;
    throw error;
  });
}

const lengthOf = (views: readonly Uint8Array[]): number => views.reduce((sum, view) => sum + view.length, 0);

/** The buffers without their first `skipped` bytes. */
function after(views: readonly Uint8Array[], skipped: number): Uint8Array[] {
  let left = skipped;
  return views.map((view) => {
    const rest = view.subarray(left);
    left = Math.max(0, left - view.length);
    return rest;
  });
}
