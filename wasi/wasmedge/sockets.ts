import { PosixError } from '../core/posix-error.ts';
import { RIGHT } from '../preview1/abi.ts';
import { plain, suspending, type Preview1Functions } from '../preview1/function.ts';
import { insertSocket, outputFlags, receiveFlags } from '../preview1/socket.ts';
import { receive, send, socketOf, untilDone } from '../preview1/socket-io.ts';
import type { Preview1State } from '../preview1/state.ts';
import type { Family, SocketAddress } from '../sockets/address.ts';
import { SocketError } from '../sockets/errors.ts';
import type { Network } from '../sockets/network.ts';
import type { GuestSocket, Received } from '../sockets/socket.ts';
import { TcpSocket } from '../sockets/tcp-socket.ts';
import { UdpSocket } from '../sockets/udp-socket.ts';
import { checkAddressBuffer, FAMILY, readAddress, writeAddress } from './address.ts';
import { getOption, setOption, SOCK, SOL_SOCKET } from './options.ts';

/** No pointer of a program is so low: such a number is a size itself (stealthrocket/net passes it so). */
const LOWEST_POINTER = 128;
/** What sock_getlocaladdr says of an address. */
const ADDRESS_TYPE = { 4: 4, 6: 6 } as const;

function familyOfNumber(family: number): Family {
  if (family === FAMILY.UNSPECIFIED || family === FAMILY.INET4) return 4;
  if (family === FAMILY.INET6) return 6;
  throw new SocketError('EAFNOSUPPORT');
}

function openSocket(network: Network, family: number, type: number): GuestSocket {
  const version = familyOfNumber(family);
  if (type === SOCK.STREAM || type === SOCK.ANY) return new TcpSocket(network, version);
  if (type === SOCK.DGRAM) return new UdpSocket(network, version);
  throw new SocketError('EPROTONOSUPPORT');
}

async function connect(state: Preview1State, socket: GuestSocket, address: SocketAddress): Promise<void> {
  await socket.connect(address);
  if (socket.type === 'datagram') return;
  if (socket.nonblocking) throw new SocketError('EINPROGRESS');
  await untilDone(state, socket, socket.options.sendTimeout, () => socket.writeReadiness());
  const error = socket.takeError();
  if (error !== undefined) throw new SocketError(error);
}

function makingFunctions(state: Preview1State, network: Network): Preview1Functions {
  const { memory, descriptors } = state;
  const socketAt = (fd: number): GuestSocket => socketOf(descriptors.get(fd), 0);
  return {
    /** WasmEdge: `sock_open`. */
    sock_open: plain((family: number, type: number, out: number) => {
      memory.check(out, 4);
      memory.setU32(out, insertSocket(state, openSocket(network, family, type)));
    }),
    /** WasmEdge: `sock_bind`. Suspends for datagrams, which Node binds later. */
    sock_bind: suspending((fd: number, addressIn: number, port: number) => {
      const bound = socketAt(fd).bind(readAddress(memory, addressIn, port));
      return bound instanceof Promise ? bound : undefined;
    }),
    /** WasmEdge: `sock_listen`. */
    sock_listen: plain((fd: number, backlog: number) => socketAt(fd).listen(backlog)),
    /** WasmEdge: `sock_connect`. */
    sock_connect: suspending((fd: number, addressIn: number, port: number) => {
      const socket = socketAt(fd);
      const address = readAddress(memory, addressIn, port);
      if (port === 0) throw new SocketError('ECONNREFUSED');
      return connect(state, socket, address);
    }),
  };
}

interface ReceiveFromCall {
  readonly fd: number;
  readonly pointer: number;
  readonly count: number;
  readonly address: number;
  readonly flags: number;
  /** Undefined in the form that has none. */
  readonly portOut: number | undefined;
  readonly lengthOut: number;
  readonly flagsOut: number;
}

function receiveFrom(state: Preview1State, call: ReceiveFromCall): Promise<void> | undefined {
  const { memory, descriptors } = state;
  checkAddressBuffer(memory, call.address);
  memory.check(call.lengthOut, 4);
  memory.check(call.flagsOut, 2);
  if (call.portOut !== undefined) memory.check(call.portOut, 4);
  const socket = socketOf(descriptors.get(call.fd), RIGHT.FD_READ);
  const done = ({ length, truncated, from }: Received): void => {
    const sender = from ?? socket.remoteAddress();
    writeAddress(memory, call.address, sender);
    if (call.portOut !== undefined) memory.setU32(call.portOut, sender.port);
    memory.setU32(call.lengthOut, length);
    memory.setU16(call.flagsOut, outputFlags(truncated));
  };
  const got = receive(state, socket, call, receiveFlags(call.flags));
  if (got instanceof Promise) return got.then(done);
  done(got);
  return undefined;
}

type Buffered = [fd: number, pointer: number, count: number, address: number];
type ReceiveFromArguments = [...Buffered, flags: number, ...outs: number[]];
type SendToCall = [...Buffered, port: number, flags: number, out: number];

function transferFunctions(state: Preview1State): Preview1Functions {
  const { memory, descriptors } = state;
  return {
    /** WasmEdge: `sock_recv_from`, in its first form without the sender's port. */
    sock_recv_from: suspending((...[fd, pointer, count, address, flags, ...outs]: ReceiveFromArguments) => {
      const [portOut, lengthOut = 0, flagsOut = 0] = outs.length === 3 ? outs : [undefined, ...outs];
      return receiveFrom(state, { fd, pointer, count, address, flags, portOut, lengthOut, flagsOut });
    }),
    /** WasmEdge: `sock_send_to`. */
    sock_send_to: suspending((...[fd, pointer, count, addressIn, port, flags, out]: SendToCall) => {
      memory.check(out, 4);
      const socket = socketOf(descriptors.get(fd), RIGHT.FD_WRITE);
      if (flags !== 0) throw new PosixError('EINVAL');
      const sent = send(state, socket, { pointer, count }, readAddress(memory, addressIn, port));
      if (typeof sent !== 'number') return sent.then((length) => memory.setU32(out, length));
      memory.setU32(out, sent);
      return undefined;
    }),
  };
}

function inspectingFunctions({ memory, descriptors }: Preview1State): Preview1Functions {
  const socketAt = (fd: number): GuestSocket => socketOf(descriptors.get(fd), 0);
  /** Both forms: with the address' type before the port, and without. */
  const tell = (of: (socket: GuestSocket) => SocketAddress) =>
    plain((fd: number, address: number, typeOrPort: number, port?: number) => {
      checkAddressBuffer(memory, address);
      const portOut = port ?? typeOrPort;
      memory.check(portOut, 4);
      memory.check(typeOrPort, 4);
      const found = of(socketAt(fd));
      writeAddress(memory, address, found);
      if (port !== undefined) memory.setU32(typeOrPort, ADDRESS_TYPE[found.ip.length === 4 ? 4 : 6]);
      memory.setU32(portOut, found.port);
    });
  return {
    /** WasmEdge: `sock_getlocaladdr`. */
    sock_getlocaladdr: tell((socket) => socket.localAddress()),
    /** WasmEdge: `sock_getpeeraddr`. */
    sock_getpeeraddr: tell((socket) => socket.remoteAddress()),
    /** WasmEdge: `sock_getsockopt`. The size is a pointer to it, or the size itself. */
    sock_getsockopt: plain((fd: number, level: number, name: number, out: number, size: number) => {
      const socket = socketAt(fd);
      if (level !== SOL_SOCKET) throw new SocketError('ENOPROTOOPT');
      if (size >= 0 && size < LOWEST_POINTER) {
        getOption(memory, socket, name, out, size);
        return;
      }
      memory.setU32(size, getOption(memory, socket, name, out, memory.u32(size)));
    }),
    /** WasmEdge: `sock_setsockopt`. */
    sock_setsockopt: plain((fd: number, level: number, name: number, pointer: number, size: number) => {
      const socket = socketAt(fd);
      if (level !== SOL_SOCKET) throw new SocketError('ENOPROTOOPT');
      setOption(memory, socket, name, pointer, size);
    }),
  };
}

/** The functions that make, bind and ask sockets; those that move data are Preview 1's too. */
export function extensionFunctions(state: Preview1State, network: Network): Preview1Functions {
  return { ...makingFunctions(state, network), ...transferFunctions(state), ...inspectingFunctions(state) };
}
