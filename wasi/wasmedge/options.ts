import type { GuestMemory } from '../core/guest-memory.ts';
import { PosixError } from '../core/posix-error.ts';
import { errnoNumber } from '../preview1/errno.ts';
import { SocketError } from '../sockets/errors.ts';
import type { GuestSocket } from '../sockets/socket.ts';
import { TcpSocket } from '../sockets/tcp-socket.ts';
import { UdpSocket } from '../sockets/udp-socket.ts';

/** WasmEdge: `sock_opt_so`. */
export const SO = {
  REUSEADDR: 0,
  TYPE: 1,
  ERROR: 2,
  BROADCAST: 4,
  SNDBUF: 5,
  RCVBUF: 6,
  KEEPALIVE: 7,
  LINGER: 9,
  RCVTIMEO: 11,
  SNDTIMEO: 12,
  ACCEPTCONN: 13,
} as const;

export const SOL_SOCKET = 0;
/** WasmEdge: `sock_type`. */
export const SOCK = { ANY: 0, DGRAM: 1, STREAM: 2 } as const;

const INT_SIZE = 4;
const LINGER_SIZE = 8;
const TIMEVAL_SIZE = 16;
const NS_PER_SECOND = 1_000_000_000n;
const NS_PER_US = 1_000n;
/** Whoever asks for more gets this, as from Linux. */
const LARGEST_BUFFER = 0x7fff_ffff;

const timeoutOf = ({ options }: GuestSocket, name: number): bigint =>
  name === SO.RCVTIMEO ? options.receiveTimeout : options.sendTimeout;

function numberOf(socket: GuestSocket, name: number): number {
  const { options } = socket;
  const flag = (on: boolean): number => (on ? 1 : 0);
  switch (name) {
    case SO.REUSEADDR:
      return flag(options.reuseAddress);
    case SO.TYPE:
      return socket.type === 'stream' ? SOCK.STREAM : SOCK.DGRAM;
    case SO.ERROR: {
      const error = socket.takeError();
      return error === undefined ? 0 : errnoNumber(error);
    }
    case SO.BROADCAST:
      return flag(options.broadcast);
    case SO.SNDBUF:
      return options.sendBuffer;
    case SO.RCVBUF:
      return options.receiveBuffer;
    case SO.KEEPALIVE:
      return flag(options.keepAlive);
    case SO.ACCEPTCONN:
      return flag(socket.listening);
    default:
      throw new SocketError('ENOPROTOOPT');
  }
}

/**
 * Writes an option's value.
 * @param room bytes that the guest has for it
 * @returns the bytes written
 * @throws PosixError EINVAL too little room; SocketError ENOPROTOOPT
 */
export function getOption(memory: GuestMemory, socket: GuestSocket, name: number, out: number, room: number): number {
  const needs =
    name === SO.LINGER ? LINGER_SIZE : name === SO.RCVTIMEO || name === SO.SNDTIMEO ? TIMEVAL_SIZE : INT_SIZE;
  if (room < needs) throw new PosixError('EINVAL');
  memory.check(out, needs);
  const at = out >>> 0;
  if (name === SO.LINGER) {
    const { linger } = socket.options;
    memory.setU32(at, linger === undefined ? 0 : 1);
    memory.setU32(at + 4, linger ?? 0);
  } else if (needs === TIMEVAL_SIZE) {
    const timeout = timeoutOf(socket, name);
    memory.setU64(at, timeout / NS_PER_SECOND);
    memory.setU64(at + 8, (timeout % NS_PER_SECOND) / NS_PER_US);
  } else {
    memory.setU32(at, numberOf(socket, name));
  }
  return needs;
}

function setLinger(memory: GuestMemory, { options }: GuestSocket, pointer: number, size: number): void {
  if (size < LINGER_SIZE) throw new PosixError('EINVAL');
  const seconds = memory.u32((pointer >>> 0) + 4);
  options.linger = memory.u32(pointer) === 0 ? undefined : seconds;
}

function setTimeoutOption(memory: GuestMemory, socket: GuestSocket, name: number, pointer: number, size: number): void {
  if (size < TIMEVAL_SIZE) throw new PosixError('EINVAL');
  const seconds = BigInt.asIntN(64, memory.u64(pointer));
  const microseconds = BigInt(memory.u32((pointer >>> 0) + 8));
  if (seconds < 0n || microseconds >= 1_000_000n) throw new PosixError('EINVAL');
  const timeout = seconds * NS_PER_SECOND + microseconds * NS_PER_US;
  if (name === SO.RCVTIMEO) socket.options.receiveTimeout = timeout;
  else socket.options.sendTimeout = timeout;
}

function setNumber(socket: GuestSocket, name: number, value: number): void {
  const { options } = socket;
  switch (name) {
    case SO.REUSEADDR:
      // Always on for what listens; SO_REUSEADDR never lets two listen on one port.
      options.reuseAddress = value !== 0;
      return;
    case SO.BROADCAST:
      if (socket instanceof UdpSocket) socket.setBroadcast(value !== 0);
      else options.broadcast = value !== 0;
      return;
    case SO.SNDBUF:
      options.sendBuffer = Math.min(value, LARGEST_BUFFER);
      return;
    case SO.RCVBUF:
      options.receiveBuffer = Math.min(value, LARGEST_BUFFER);
      return;
    case SO.KEEPALIVE:
      if (socket instanceof TcpSocket) socket.setKeepAlive(value !== 0);
      else options.keepAlive = value !== 0;
      return;
    default:
      throw new SocketError('ENOPROTOOPT');
  }
}

/** @throws PosixError EINVAL, EFAULT; SocketError ENOPROTOOPT */
export function setOption(memory: GuestMemory, socket: GuestSocket, name: number, pointer: number, size: number): void {
  memory.check(pointer, size);
  if (name === SO.LINGER) setLinger(memory, socket, pointer, size);
  else if (name === SO.RCVTIMEO || name === SO.SNDTIMEO) setTimeoutOption(memory, socket, name, pointer, size);
  else if (size < INT_SIZE) throw new PosixError('EINVAL');
  else setNumber(socket, name, memory.u32(pointer));
}
