import type * as Dgram from 'node:dgram';
import {
  anyAddress,
  formatAddress,
  fromNode,
  inFamily,
  isAny,
  unembedded,
  type Family,
  type SocketAddress,
} from './address.ts';
import { Changes } from '../core/changes.ts';
import { socketError, SocketError, type SocketErrorCode } from './errors.ts';
import type { Network } from './network.ts';
import { RECEIVE_BUFFER, SEND_BUFFER, SocketOptions } from './options.ts';
import type { GuestSocket, ReceiveFlags, Received, SocketReadiness } from './socket.ts';

/** Linux: the largest datagram over IPv4. */
const MAX_DATAGRAM = 65_507;
/** What one datagram that waits costs beyond its bytes. */
const OVERHEAD = 256;

interface Datagram {
  readonly bytes: Buffer;
  readonly from: SocketAddress;
}

/** A UDP socket of a guest. Datagrams that come faster than they are read are lost, as the kernel loses them. */
export class UdpSocket implements GuestSocket {
  readonly kind = 'socket';
  readonly type = 'datagram';
  readonly listening = false;
  readonly options = new SocketOptions();
  nonblocking = false;
  readonly #network: Network;
  readonly #family: Family;
  readonly #changes = new Changes();
  readonly #queue: Datagram[] = [];
  #queued = 0;
  #sending = 0;
  #socket: Dgram.Socket | undefined;
  #bound: Promise<void> | undefined;
  #peer: SocketAddress | undefined;
  #error: SocketError | undefined;
  #receiveClosed = false;
  #sendClosed = false;

  constructor(network: Network, family: Family) {
    this.#network = network;
    this.#family = family;
  }

  /** Binds to one address: any means the pod's first of this family. @throws SocketError as TcpSocket.bind */
  async bind({ ip, port }: SocketAddress): Promise<void> {
    if (this.#bound !== undefined) throw new SocketError('EINVAL');
    const [target] = this.#network.bindTargets(inFamily(ip, this.#family), this.#family);
    if (target === undefined) throw new SocketError('EADDRNOTAVAIL');
    try {
      await (this.#bound = this.#bindTo(target, port));
    } catch (error) {
      this.#forget();
      if (socketError(error).code === 'EADDRINUSE') this.#network.reportTaken(target, port);
      throw error;
    }
  }

  /** What could not be bound is closed: the next try begins anew. */
  #forget(): void {
    this.#socket = undefined;
    this.#bound = undefined;
  }

  #bindTo(target: Uint8Array, port: number): Promise<void> {
    const dgram: typeof Dgram = process.getBuiltinModule('node:dgram');
    const socket = dgram.createSocket({
      type: this.#family === 6 ? 'udp6' : 'udp4',
      // All addresses are numbers: nothing is looked up.
      lookup: (address, _options, done) => done(null, address, this.#family),
    });
    this.#socket = socket;
    return new Promise((resolve, reject) => {
      socket.once('error', (error) => {
        socket.close();
        reject(socketError(error));
      });
      socket.bind({ address: formatAddress(inFamily(target, this.#family)), port, exclusive: true }, () => {
        socket.removeAllListeners('error');
        this.#listenTo(socket);
        resolve();
      });
    });
  }

  #listenTo(socket: Dgram.Socket): void {
    if (this.options.broadcast) socket.setBroadcast(true);
    socket.on('message', (bytes, { address, port }) => {
      if (this.#queued + bytes.length + OVERHEAD > RECEIVE_BUFFER || this.#receiveClosed) return;
      this.#queued += bytes.length + OVERHEAD;
      this.#queue.push({ bytes, from: fromNode(address, port, this.#family) });
      this.#changes.tell();
    });
    socket.on('error', (error) => {
      this.#error = socketError(error);
      this.#changes.tell();
    });
  }

  /** A socket that sends without being bound gets a port of its own. */
  async #open(): Promise<Dgram.Socket> {
    // Not to the pod's address: it may have to reach what only another address of the node does.
    try {
      await (this.#bound ??= this.#bindTo(anyAddress(this.#family), 0));
    } catch (error) {
      this.#forget();
      throw error;
    }
    if (this.#socket === undefined) throw new SocketError('EPIPE');
    return this.#socket;
  }

  listen(): void {
    throw new SocketError('ENOTSUP');
  }

  accept(): undefined {
    throw new SocketError('ENOTSUP');
  }

  /** Sets the peer: from now on datagrams come from and go to it alone. */
  async connect(address: SocketAddress): Promise<void> {
    const ip = inFamily(address.ip, this.#family);
    this.#network.policy.check({ ip, port: address.port });
    const socket = await this.#open();
    if (this.#peer !== undefined) socket.disconnect();
    await new Promise<void>((resolve, reject) => {
      socket.connect(address.port, formatAddress(ip), (error?: Error) =>
        error === undefined ? resolve() : reject(socketError(error)),
      );
    });
    this.#peer = { ip, port: address.port };
    // What came from others before is not from this peer.
    this.#queue.length = 0;
    this.#queued = 0;
  }

  readReadiness(): SocketReadiness | undefined {
    const [first] = this.#queue;
    if (first !== undefined) return { bytes: first.bytes.length, hangup: false };
    return this.#error !== undefined || this.#receiveClosed ? { bytes: 0, hangup: this.#receiveClosed } : undefined;
  }

  writeReadiness(): SocketReadiness | undefined {
    const room = SEND_BUFFER - this.#sending;
    return room > 0 || this.#error !== undefined ? { bytes: Math.max(0, room), hangup: false } : undefined;
  }

  changed(): Promise<void> {
    return this.#changes.next();
  }

  receive(views: readonly Uint8Array[], { peek }: ReceiveFlags): Received | undefined {
    const [datagram] = this.#queue;
    if (datagram === undefined) {
      this.#throwError();
      return this.#receiveClosed ? { length: 0, truncated: false } : undefined;
    }
    let length = 0;
    for (const view of views) {
      const part = datagram.bytes.subarray(length, length + view.length);
      view.set(part);
      length += part.length;
    }
    if (!peek) {
      this.#queue.shift();
      this.#queued -= datagram.bytes.length + OVERHEAD;
    }
    return { length, truncated: length < datagram.bytes.length, from: datagram.from };
  }

  send(views: readonly Uint8Array[], to?: SocketAddress): Promise<number> | undefined {
    this.#throwError();
    if (this.#sendClosed) throw new SocketError('EPIPE');
    const target = to === undefined ? undefined : this.#checkTarget(to);
    if (target === undefined && this.#peer === undefined) throw new SocketError('EDESTADDRREQ');
    const bytes = Buffer.concat(views);
    if (bytes.length > MAX_DATAGRAM) throw new SocketError('EMSGSIZE');
    if (this.#sending >= SEND_BUFFER) return undefined;
    this.#sending += bytes.length + OVERHEAD;
    return this.#transmit(bytes, target).finally(() => {
      this.#sending -= bytes.length + OVERHEAD;
      this.#changes.tell();
    });
  }

  /** @throws SocketError EISCONN, EACCES by the policy, EINVAL */
  #checkTarget({ ip, port }: SocketAddress): SocketAddress {
    if (this.#peer !== undefined) throw new SocketError('EISCONN');
    if (port === 0) throw new SocketError('EINVAL');
    const target = inFamily(ip, this.#family);
    this.#network.policy.check({ ip: target, port });
    if (isBroadcast(target) && !this.options.broadcast) throw new SocketError('EACCES');
    return { ip: target, port };
  }

  async #transmit(bytes: Buffer, to: SocketAddress | undefined): Promise<number> {
    const socket = await this.#open();
    return new Promise((resolve, reject) => {
      const done = (error: Error | null): void => (error === null ? resolve(bytes.length) : reject(socketError(error)));
      if (to === undefined) socket.send(bytes, done);
      else socket.send(bytes, to.port, formatAddress(to.ip), done);
    });
  }

  shutdown({ receiving, sending }: { readonly receiving: boolean; readonly sending: boolean }): void {
    if (this.#peer === undefined) throw new SocketError('ENOTCONN');
    if (receiving) this.#receiveClosed = true;
    if (sending) this.#sendClosed = true;
    this.#changes.tell();
  }

  takeError(): SocketErrorCode | undefined {
    const error = this.#error;
    this.#error = undefined;
    return error?.code;
  }

  #throwError(): void {
    const error = this.#error;
    this.#error = undefined;
    if (error !== undefined) throw error;
  }

  setBroadcast(on: boolean): void {
    this.options.broadcast = on;
    if (this.#bound !== undefined) this.#socket?.setBroadcast(on);
  }

  localAddress(): SocketAddress {
    if (this.#socket === undefined) return { ip: anyAddress(this.#family), port: 0 };
    const { address, port } = this.#socket.address();
    return fromNode(address, port, this.#family);
  }

  remoteAddress(): SocketAddress {
    if (this.#peer === undefined) throw new SocketError('ENOTCONN');
    return this.#peer;
  }

  close(): void {
    this.#socket?.close();
    this.#socket = undefined;
    this.#changes.tell();
  }
}

const isBroadcast = (ip: Uint8Array): boolean => {
  const target = unembedded(ip);
  return target.length === 4 && !isAny(target) && target.every((byte) => byte === 0xff);
};
