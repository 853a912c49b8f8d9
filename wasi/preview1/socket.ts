import { PosixError } from '../core/posix-error.ts';
import type { GuestSocket, Received } from '../sockets/socket.ts';
import { FDFLAG, RIGHT, SOCKET_RIGHTS } from './abi.ts';
import { plain, suspending, type Preview1Functions } from './function.ts';
import { receive, send, socketOf, untilDone } from './socket-io.ts';
import type { Preview1State } from './state.ts';

/** `riflags` */
const RECV_PEEK = 1;
const RECV_WAITALL = 2;
/** `roflags` */
const RECV_DATA_TRUNCATED = 1;
/** `sdflags` */
const SHUT_RD = 1;
const SHUT_WR = 2;

/** @throws PosixError EINVAL */
export function receiveFlags(flags: number): { readonly peek: boolean; readonly waitAll: boolean } {
  if ((flags & ~(RECV_PEEK | RECV_WAITALL)) !== 0) throw new PosixError('EINVAL');
  return { peek: (flags & RECV_PEEK) !== 0, waitAll: (flags & RECV_WAITALL) !== 0 };
}

export const outputFlags = (truncated: boolean): number => (truncated ? RECV_DATA_TRUNCATED : 0);

/** Gives the guest a descriptor of a socket. @throws PosixError EMFILE */
export function insertSocket({ descriptors }: Preview1State, object: GuestSocket, flags = 0): number {
  object.nonblocking = (flags & FDFLAG.NONBLOCK) !== 0;
  return descriptors.insert({ object, rightsBase: SOCKET_RIGHTS, rightsInheriting: SOCKET_RIGHTS, flags });
}

function accept(state: Preview1State, fd: number, flags: number, out: number): Promise<void> | undefined {
  const { memory, descriptors } = state;
  memory.check(out, 4);
  const socket = socketOf(descriptors.get(fd), RIGHT.SOCK_ACCEPT);
  if ((flags & ~FDFLAG.NONBLOCK) !== 0) throw new PosixError('EINVAL');
  const attempt = (): GuestSocket | undefined => {
    // Before it leaves the queue: what cannot be accepted now can be later.
    if (!descriptors.hasRoom) throw new PosixError('EMFILE');
    return socket.accept();
  };
  const done = (accepted: GuestSocket): void => memory.setU32(out, insertSocket(state, accepted, flags));
  const accepted = untilDone(state, socket, socket.options.receiveTimeout, attempt);
  if (accepted instanceof Promise) return accepted.then(done);
  done(accepted);
  return undefined;
}

type ReceiveCall = [fd: number, pointer: number, count: number, flags: number, lengthOut: number, flagsOut: number];

/** WASI Preview 1, `sock_accept`, `sock_recv`, `sock_send`, `sock_shutdown`. */
export function socketFunctions(state: Preview1State): Preview1Functions {
  const { memory, descriptors } = state;
  return {
    /**
     * WASI Preview 1, `sock_accept`: https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#sock_accept
     * A module that was built for WasmEdge's first form of it imports it without the
     * flags; the number of arguments tells.
     */
    sock_accept: suspending((fd: number, flagsOrOut: number, out?: number) =>
      out === undefined ? accept(state, fd, 0, flagsOrOut) : accept(state, fd, flagsOrOut, out),
    ),

    /**
     * WASI Preview 1, `sock_recv`: https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#sock_recv
     */
    sock_recv: suspending((...[fd, pointer, count, flags, lengthOut, flagsOut]: ReceiveCall) => {
      memory.check(lengthOut, 4);
      memory.check(flagsOut, 2);
      const socket = socketOf(descriptors.get(fd), RIGHT.FD_READ);
      const got = receive(state, socket, { pointer, count }, receiveFlags(flags));
      const done = ({ length, truncated }: Received): void => {
        memory.setU32(lengthOut, length);
        memory.setU16(flagsOut, outputFlags(truncated));
      };
      if (got instanceof Promise) return got.then(done);
      done(got);
      return undefined;
    }),

    /**
     * WASI Preview 1, `sock_send`: https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#sock_send
     */
    sock_send: suspending((fd: number, pointer: number, count: number, flags: number, out: number) => {
      memory.check(out, 4);
      const socket = socketOf(descriptors.get(fd), RIGHT.FD_WRITE);
      if (flags !== 0) throw new PosixError('EINVAL');
      const sent = send(state, socket, { pointer, count });
      if (typeof sent !== 'number') return sent.then((length) => memory.setU32(out, length));
      memory.setU32(out, sent);
      return undefined;
    }),

    /**
     * WASI Preview 1, `sock_shutdown`: https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md#sock_shutdown
     */
    sock_shutdown: plain((fd: number, how: number) => {
      const socket = socketOf(descriptors.get(fd), RIGHT.SOCK_SHUTDOWN);
      if (how === 0 || (how & ~(SHUT_RD | SHUT_WR)) !== 0) throw new PosixError('EINVAL');
      socket.shutdown({ receiving: (how & SHUT_RD) !== 0, sending: (how & SHUT_WR) !== 0 });
    }),
  };
}
