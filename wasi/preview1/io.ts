import type { GuestMemory } from '../core/guest-memory.ts';
import { PosixError } from '../core/posix-error.ts';
import type { Input } from '../core/stdio.ts';
import type { Received } from '../sockets/socket.ts';
import { RIGHT } from './abi.ts';
import { fileOf, requireOpenedFor, type Descriptor } from './descriptor.ts';
import { plain, suspending, type Preview1Function, type Preview1Functions } from './function.ts';
import { iovecLength, iovecPointer, iovecs } from './iovec.ts';
import { receive, send } from './socket-io.ts';
import type { Preview1State } from './state.ts';

/** `whence` */
const WHENCE = ['start', 'current', 'end'] as const;

function write(memory: GuestMemory, descriptor: Descriptor, pointer: number, count: number): number {
  const { object } = descriptor;
  if (object.kind === 'directory') throw new PosixError('EBADF');
  if (object.kind === 'input' || object.kind === 'socket') throw new PosixError('EBADF');
  requireOpenedFor(descriptor, RIGHT.FD_WRITE);
  if (count === 1 && object.kind === 'output') {
    // Printing a line: no array, one view.
    const view = memory.view(iovecPointer(memory, pointer), iovecLength(memory, pointer));
    if (view.length <= memory.maxTransfer) return object.writeOne(view);
  }
  return object.write(iovecs(memory, pointer, count));
}

function read(state: Preview1State, descriptor: Descriptor, pointer: number, count: number): number | Promise<number> {
  const { memory } = state;
  const { object } = descriptor;
  if (object.kind === 'directory') throw new PosixError('EISDIR');
  if (object.kind === 'output') throw new PosixError('EBADF');
  requireOpenedFor(descriptor, RIGHT.FD_READ);
  const views = iovecs(memory, pointer, count);
  if (object.kind === 'socket') return receivedLength(receive(state, object, { pointer, count }));
  if (object.kind === 'file') return object.read(views);
  if (views.every((view) => view.length === 0)) return 0;
  if (object.readAhead() === undefined) return object.take(views);
  if (!object.nonblocking) return readSlowly(state, object, pointer, count);
  if (!state.eventLoop.turnIsDue()) throw new PosixError('EAGAIN');
  return readAfterTurn(state, object, pointer, count);
}

/** Input and signals only come by a turn of the event loop, so a guest that looks for them in a loop gets one. */
async function readAfterTurn(state: Preview1State, object: Input, pointer: number, count: number): Promise<number> {
  await state.eventLoop.turn();
  if (object.readAhead() !== undefined) throw new PosixError('EAGAIN');
  return object.take(iovecs(state.memory, pointer, count));
}

const receivedLength = (got: Received | Promise<Received>): number | Promise<number> =>
  got instanceof Promise ? got.then(({ length }) => length) : got.length;

/** Waits for input, or for a signal that the guest takes itself (EINTR). */
async function readSlowly(state: Preview1State, object: Input, pointer: number, count: number): Promise<number> {
  const { memory, eventLoop, signals } = state;
  for (let wait = object.readAhead(); wait !== undefined; wait = object.readAhead()) {
    signals.throwIfInterrupted();
    await eventLoop.waitUntil(undefined, wait, signals.arrival());
  }
  return object.take(iovecs(memory, pointer, count));
}

const writeAtOnce = ({ memory, descriptors }: Preview1State): Preview1Function =>
  plain((fd: number, pointer: number, count: number, out: number) => {
    memory.check(out, 4);
    memory.setU32(out, write(memory, descriptors.get(fd), pointer, count));
  });

const writeAnything = (state: Preview1State): Preview1Function =>
  suspending((fd: number, pointer: number, count: number, out: number) => {
    const { memory } = state;
    memory.check(out, 4);
    const descriptor = state.descriptors.get(fd);
    const { object } = descriptor;
    if (object.kind !== 'socket') {
      memory.setU32(out, write(memory, descriptor, pointer, count));
      return undefined;
    }
    requireOpenedFor(descriptor, RIGHT.FD_WRITE);
    const sent = send(state, object, { pointer, count });
    if (typeof sent !== 'number') return sent.then((length) => memory.setU32(out, length));
    memory.setU32(out, sent);
    return undefined;
  });

export function ioFunctions(state: Preview1State): Preview1Functions {
  const { memory, descriptors } = state;
  return {
    /**
     * WASI Preview 1, `fd_write`: https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#fd_write
     * The hot path of most guests: only for those that have sockets, which may have to wait,
     * does it suspend.
     */
    fd_write: state.network === undefined ? writeAtOnce(state) : writeAnything(state),

    /**
     * WASI Preview 1, `fd_read`: https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#fd_read
     * Suspends, for standard input may have nothing yet. What that costs a read of a file
     * (90 ns) is a twentieth of the read itself; two imports cannot share one name, so it is this or blocking the
     * event loop in a read of standard input.
     */
    fd_read: suspending((fd: number, pointer: number, count: number, out: number) => {
      memory.check(out, 4);
      const got = read(state, descriptors.get(fd), pointer, count);
      if (typeof got !== 'number') return got.then((length) => memory.setU32(out, length));
      memory.setU32(out, got);
      return undefined;
    }),

    /**
     * WASI Preview 1, `fd_pread`: https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#fd_pread
     */
    fd_pread: plain((fd: number, pointer: number, count: number, offset: bigint, out: number) => {
      memory.check(out, 4);
      const descriptor = descriptors.get(fd);
      const file = fileOf(descriptor, RIGHT.FD_SEEK);
      requireOpenedFor(descriptor, RIGHT.FD_READ);
      memory.setU32(out, file.pread(iovecs(memory, pointer, count), BigInt.asUintN(64, offset)));
    }),

    /**
     * WASI Preview 1, `fd_pwrite`: https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#fd_pwrite
     */
    fd_pwrite: plain((fd: number, pointer: number, count: number, offset: bigint, out: number) => {
      memory.check(out, 4);
      const descriptor = descriptors.get(fd);
      const file = fileOf(descriptor, RIGHT.FD_SEEK);
      requireOpenedFor(descriptor, RIGHT.FD_WRITE);
      memory.setU32(out, file.pwrite(iovecs(memory, pointer, count), BigInt.asUintN(64, offset)));
    }),

    /**
     * WASI Preview 1, `fd_seek`: https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#fd_seek
     * Where it does not move, FD_TELL is right enough.
     */
    fd_seek: plain((fd: number, offset: bigint, whence: number, out: number) => {
      memory.check(out, 8);
      const from = WHENCE[whence];
      const descriptor = descriptors.get(fd);
      const asks = offset === 0n && from === 'current' ? RIGHT.FD_TELL : RIGHT.FD_SEEK;
      // FD_SEEK implies FD_TELL, says the specification.
      const mayTell = (descriptor.rightsBase & (RIGHT.FD_TELL | RIGHT.FD_SEEK)) !== 0;
      const file = fileOf(descriptor, asks === RIGHT.FD_TELL && mayTell ? 0 : asks);
      if (from === undefined) throw new PosixError('EINVAL');
      memory.setU64(out, file.seek(offset, from));
    }),

    /**
     * WASI Preview 1, `fd_tell`: https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#fd_tell
     */
    fd_tell: plain((fd: number, out: number) => {
      memory.check(out, 8);
      const descriptor = descriptors.get(fd);
      const mayTell = (descriptor.rightsBase & (RIGHT.FD_TELL | RIGHT.FD_SEEK)) !== 0;
      memory.setU64(out, fileOf(descriptor, mayTell ? 0 : RIGHT.FD_TELL).tell());
    }),
  };
}
