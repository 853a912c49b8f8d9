import type { BoundSocket, Socket } from 'node:net';
import {
  anyAddress,
  familyOf,
  formatAddress,
  inFamily,
  parseAddress,
  sameAddress,
  type Family,
  type SocketAddress,
} from './address.ts';
import { Changes } from '../core/changes.ts';
import { socketError, SocketError, type SocketErrorCode } from './errors.ts';
import type { Network } from './network.ts';
import { SocketOptions } from './options.ts';
import type { GuestSocket, ReceiveFlags, Received, SocketReadiness } from './socket.ts';
import { TcpListener } from './tcp-listener.ts';
import { TcpStream } from './tcp-stream.ts';

const DECLARED_BACKLOG = 128;

/** A TCP socket of a guest: unconnected, then a listener or a connection. */
export class TcpSocket implements GuestSocket {
  readonly kind = 'socket';
  readonly type = 'stream';
  readonly options = new SocketOptions();
  nonblocking = false;
  readonly #network: Network;
  readonly #family: Family;
  readonly #changes = new Changes();
  #bound: readonly BoundSocket[] = [];
  #boundTo: SocketAddress | undefined;
  #listener: TcpListener | undefined;
  #stream: TcpStream | undefined;
  /** A port to listen on as soon as the socket is used. */
  #declaredPort: number | undefined;

  constructor(network: Network, family: Family) {
    this.#network = network;
    this.#family = family;
  }

  /** A socket that listens on a declared port of the container from its first use on. */
  static declared(network: Network, port: number): TcpSocket {
    const socket = new TcpSocket(network, 6);
    socket.#declaredPort = port;
    return socket;
  }

  static #accepted(network: Network, family: Family, connection: Socket): TcpSocket {
    const socket = new TcpSocket(network, family);
    socket.#stream = new TcpStream(network, connection, family, socket.#changes);
    return socket;
  }

  get listening(): boolean {
    return this.#listener !== undefined || this.#declaredPort !== undefined;
  }

  #listenIfDeclared(): void {
    const port = this.#declaredPort;
    if (port === undefined) return;
    this.bind({ ip: anyAddress(this.#family), port });
    this.#declaredPort = undefined;
    this.listen(DECLARED_BACKLOG);
  }

  /** @throws SocketError EINVAL bound already; EADDRINUSE, EADDRNOTAVAIL, EACCES, EAFNOSUPPORT */
  bind({ ip, port }: SocketAddress): void {
    if (this.#boundTo !== undefined || this.#stream !== undefined) throw new SocketError('EINVAL');
    const targets = this.#network.bindTargets(inFamily(ip, this.#family), this.#family);
    const bound: BoundSocket[] = [];
    try {
      let chosen = port;
      for (const target of targets) {
        const socket = this.#bindTo(target, chosen);
        bound.push(socket);
        chosen = socket.address().port;
      }
    } catch (error) {
      for (const socket of bound) socket.close();
      throw error;
    }
    this.#bound = bound;
    const first = bound[0]?.address();
    this.#boundTo = this.#network.shown(first?.address, first?.port, this.#family);
  }

  #bindTo(target: Uint8Array, port: number): BoundSocket {
    try {
      return new this.#network.net.BoundSocket({ host: formatAddress(target), port });
    } catch (cause) {
      const error = socketError(cause);
      if (error.code === 'EADDRINUSE') this.#network.reportTaken(target, port);
      throw error;
    }
  }

  /** @throws SocketError EINVAL connected; as bind, for a socket that is not bound */
  listen(backlog: number): void {
    this.#listenIfDeclared();
    if (this.#listener !== undefined) return;
    if (this.#stream !== undefined) throw new SocketError('EINVAL');
    if (this.#boundTo === undefined) this.bind({ ip: anyAddress(this.#family), port: 0 });
    const address = this.#boundTo ?? { ip: anyAddress(this.#family), port: 0 };
    const parts = { family: this.#family, changes: this.#changes };
    this.#listener = new TcpListener(this.#network, this.#bound, address, backlog, parts);
    this.#bound = [];
  }

  /** @returns undefined while there is no connection. @throws SocketError EINVAL when it does not listen */
  accept(): TcpSocket | undefined {
    this.#listenIfDeclared();
    if (this.#listener === undefined) throw new SocketError('EINVAL');
    const connection = this.#listener.accept();
    return connection && TcpSocket.#accepted(this.#network, this.#family, connection);
  }

  /** @throws SocketError EACCES, EISCONN, EALREADY, EAFNOSUPPORT, EINVAL */
  connect(address: SocketAddress): void {
    if (this.listening) throw new SocketError('EINVAL');
    if (this.#stream?.connected === true) throw new SocketError('EISCONN');
    if (this.#stream?.failed === false) throw new SocketError('EALREADY');
    const ip = inFamily(address.ip, this.#family);
    this.#network.policy.check({ ip, port: address.port });
    const route = this.#network.route(ip);
    const handle = this.#takeBound(route.source);
    // An address in IPv6 clothes goes out by IPv4, unless the socket is bound to an address of IPv6.
    const target = handle?.address().family === 'IPv6' ? inFamily(route.target, 6) : route.target;
    const socket = new this.#network.net.Socket({ allowHalfOpen: true, ...(handle ? { handle } : {}) });
    socket.connect({
      host: formatAddress(target),
      port: address.port,
      family: familyOf(target),
      ...(handle || !route.source ? {} : { localAddress: formatAddress(route.source) }),
    });
    this.#stream = new TcpStream(this.#network, socket, this.#family, this.#changes);
  }

  /** Of what is bound, the one that goes out from `source`, else the first; the others are closed. */
  #takeBound(source: Uint8Array | undefined): BoundSocket | undefined {
    const isSource = (text: string): boolean =>
      source !== undefined && sameAddress(parseAddress(text) ?? anyAddress(4), source);
    const handle = this.#bound.find((bound) => isSource(bound.address().address)) ?? this.#bound[0];
    for (const other of this.#bound) if (other !== handle) other.close();
    this.#bound = [];
    return handle;
  }

  readReadiness(): SocketReadiness | undefined {
    this.#listenIfDeclared();
    if (this.#listener === undefined) return this.#stream ? this.#stream.readReadiness() : { bytes: 0, hangup: true };
    const ready = this.#listener.waiting > 0 || this.#listener.error !== undefined;
    return ready ? { bytes: this.#listener.waiting, hangup: false } : undefined;
  }

  writeReadiness(): SocketReadiness | undefined {
    if (this.listening) return undefined;
    return this.#stream ? this.#stream.writeReadiness() : { bytes: 0, hangup: true };
  }

  changed(): Promise<void> {
    return this.#changes.next();
  }

  receive(views: readonly Uint8Array[], flags: ReceiveFlags): Received | undefined {
    return this.#mustHaveStream().receive(views, flags);
  }

  /** As a stream is connected, `to` is of no use (EISCONN). */
  send(views: readonly Uint8Array[], to?: SocketAddress): number | undefined {
    const stream = this.#mustHaveStream();
    if (to !== undefined) throw new SocketError('EISCONN');
    return stream.send(views);
  }

  shutdown(how: { readonly receiving: boolean; readonly sending: boolean }): void {
    this.#mustHaveStream().shutdown(how);
  }

  #mustHaveStream(): TcpStream {
    if (this.#stream === undefined) throw new SocketError('ENOTCONN');
    return this.#stream;
  }

  takeError(): SocketErrorCode | undefined {
    return this.#stream?.takeError() ?? this.#listener?.error?.code;
  }

  setKeepAlive(on: boolean): void {
    this.options.keepAlive = on;
    this.#stream?.setKeepAlive(on);
  }

  localAddress(): SocketAddress {
    this.#listenIfDeclared();
    const open = this.#listener ?? this.#stream;
    return open?.localAddress() ?? this.#boundTo ?? { ip: anyAddress(this.#family), port: 0 };
  }

  remoteAddress(): SocketAddress {
    return this.#mustHaveStream().remoteAddress();
  }

  close(): void {
    for (const bound of this.#bound) bound.close();
    this.#bound = [];
    this.#listener?.close();
    this.#stream?.close(this.options);
    this.#changes.tell();
  }
}
