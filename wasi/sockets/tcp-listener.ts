import type { BoundSocket, Server, Socket } from 'node:net';
import type { Family, SocketAddress } from './address.ts';
import type { Changes } from '../core/changes.ts';
import { socketError, type SocketError } from './errors.ts';
import type { Network } from './network.ts';

/** Linux: net.core.somaxconn is larger, but each connection that waits here is memory of the host. */
const MAX_BACKLOG = 128;

/**
 * A listening socket: one server of Node for each of the pod's addresses. Node accepts at once what comes, so the queue
 * stands here; a connection beyond its bound is refused by a reset.
 */
export class TcpListener {
  readonly #network: Network;
  readonly #servers: readonly Server[];
  readonly #family: Family;
  readonly #changes: Changes;
  readonly #address: SocketAddress;
  readonly #queue: Socket[] = [];
  readonly #limit: number;
  #error: SocketError | undefined;

  constructor(
    network: Network,
    bound: readonly BoundSocket[],
    address: SocketAddress,
    backlog: number,
    parts: { readonly family: Family; readonly changes: Changes },
  ) {
    this.#network = network;
    this.#family = parts.family;
    this.#changes = parts.changes;
    this.#address = address;
    this.#limit = Math.min(MAX_BACKLOG, Math.max(1, backlog));
    this.#servers = bound.map((handle) => {
      const options = { allowHalfOpen: true, pauseOnConnect: true };
      const server = network.net.createServer(options, (socket) => this.#arrived(socket));
      server.on('error', (error) => {
        this.#error = socketError(error);
        this.#changes.tell();
      });
      return server.listen({ handle, backlog: this.#limit });
    });
  }

  #arrived(socket: Socket): void {
    if (this.#queue.length >= this.#limit) {
      socket.resetAndDestroy();
      return;
    }
    // What breaks before it is accepted is dropped from the queue, not an exception of the host.
    socket.on('error', () => this.#remove(socket));
    socket.once('close', () => this.#remove(socket));
    this.#queue.push(socket);
    this.#changes.tell();
  }

  #remove(socket: Socket): void {
    const at = this.#queue.indexOf(socket);
    if (at >= 0) this.#queue.splice(at, 1);
  }

  /** Connections that wait to be accepted. */
  get waiting(): number {
    return this.#queue.length;
  }

  get error(): SocketError | undefined {
    return this.#error;
  }

  /** @returns a connection, paused; undefined when none waits */
  accept(): Socket | undefined {
    if (this.#error !== undefined) throw this.#error;
    return this.#queue.shift();
  }

  localAddress(): SocketAddress {
    const [server] = this.#servers;
    const bound = server?.address();
    if (bound === null || typeof bound !== 'object') return this.#address;
    return this.#network.shown(bound.address, bound.port, this.#family);
  }

  close(): void {
    for (const server of this.#servers) server.close();
    for (const socket of this.#queue.splice(0)) socket.resetAndDestroy();
  }
}
