import type * as Dgram from 'node:dgram';
import { anyAddress, formatAddress, inFamily, isAny, unembedded, type Family, type SocketAddress } from './address.ts';
import { Changes } from '../core/changes.ts';
import { socketError, SocketError, type SocketErrorCode } from './errors.ts';
import type { Network } from './network.ts';
import { RECEIVE_BUFFER, SEND_BUFFER, SocketOptions } from './options.ts';
import type { GuestSocket, ReceiveFlags, Received, SocketReadiness } from './socket.ts';
import { UdpEnds } from './udp-ends.ts';

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
  readonly #ends: UdpEnds;
  #bound: Promise<void> | undefined;
  /** The end that is connected to the peer. */
  #connected: Dgram.Socket | undefined;
  #peer: SocketAddress | undefined;
  #error: SocketError | undefined;
  #receiveClosed = false;
  #sendClosed = false;

  constructor(network: Network, family: Family) {
    this.#network = network;
    this.#family = family;
    this.#ends = new UdpEnds(family, (socket) => this.#listenTo(socket));
  }

  /**
   * Binds to one address: any means the pod's first of this family; to all of the pod's where others share its network
   * namespace. @throws SocketError as TcpSocket.bind
   */
  async bind({ ip, port }: SocketAddress): Promise<void> {
    if (this.#bound !== undefined) throw new SocketError('EINVAL');
    const all = this.#network.bindTargets(inFamily(ip, this.#family), this.#family);
    const targets = this.#network.isShared ? all : all.slice(0, 1);
    try {
      await (this.#bound = this.#ends.bind(targets, port));
    } catch (error) {
      this.#bound = undefined;
      if (socketError(error).code === 'EADDRINUSE') this.#network.reportTaken(targets[0] ?? ip, port);
      throw error;
    }
  }

  #listenTo(socket: Dgram.Socket): void {
    if (this.options.broadcast) socket.setBroadcast(true);
    socket.on('message', (bytes, { address, port }) => {
      // Only the end that is connected knows whom it hears.
      if (this.#connected !== undefined && this.#connected !== socket) return;
      if (this.#queued + bytes.length + OVERHEAD > RECEIVE_BUFFER || this.#receiveClosed) return;
      this.#queued += bytes.length + OVERHEAD;
      this.#queue.push({ bytes, from: this.#network.shown(address, port, this.#family) });
      this.#changes.tell();
    });
    socket.on('error', (error) => {
      this.#error = socketError(error);
      this.#changes.tell();
    });
  }

  /** The end that something for this address goes out from, and the address as the kernel is to have it. */
  async #toward(ip: Uint8Array): Promise<{ readonly socket: Dgram.Socket; readonly target: string }> {
    const { source, target } = this.#network.route(ip);
    await this.#bound;
    // Without a source not even one of the pod's: it may have to reach what only another address of the node does.
    const socket = await this.#ends.from(source);
    return { socket, target: formatAddress(inFamily(target, this.#family)) };
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
    const { socket, target } = await this.#toward(ip);
    this.#connected?.disconnect();
    this.#connected = undefined;
    await new Promise<void>((resolve, reject) => {
      socket.connect(address.port, target, (error?: Error) =>
        error === undefined ? resolve() : reject(socketError(error)),
      );
    });
    this.#connected = socket;
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
    const way = to && (await this.#toward(to.ip));
    const connected = this.#connected;
    return await new Promise((resolve, reject) => {
      const done = (error: Error | null): void => (error === null ? resolve(bytes.length) : reject(socketError(error)));
      if (way) way.socket.send(bytes, to.port, way.target, done);
      else if (connected) connected.send(bytes, done);
      else reject(new SocketError('EDESTADDRREQ'));
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
    for (const socket of this.#ends.sockets) socket.setBroadcast(on);
  }

  localAddress(): SocketAddress {
    const socket = this.#connected ?? this.#ends.sockets[0];
    if (socket === undefined) return { ip: anyAddress(this.#family), port: 0 };
    const { address, port } = socket.address();
    return this.#network.shown(address, port, this.#family);
  }

  remoteAddress(): SocketAddress {
    if (this.#peer === undefined) throw new SocketError('ENOTCONN');
    return this.#peer;
  }

  close(): void {
    this.#ends.close();
    this.#changes.tell();
  }
}

const isBroadcast = (ip: Uint8Array): boolean => {
  const target = unembedded(ip);
  return target.length === 4 && !isAny(target) && target.every((byte) => byte === 0xff);
};
