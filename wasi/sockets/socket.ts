import type { SocketAddress } from './address.ts';
import type { SocketErrorCode } from './errors.ts';
import type { SocketOptions } from './options.ts';

export interface SocketReadiness {
  /** That can be read at once, or written. */
  readonly bytes: number;
  /** Whether the peer has closed. */
  readonly hangup: boolean;
}

export interface Received {
  readonly length: number;
  /** Whether the rest of a datagram was dropped for want of room. */
  readonly truncated: boolean;
  readonly from?: SocketAddress;
}

export interface ReceiveFlags {
  /** Leaves what is received in place. */
  readonly peek: boolean;
}

/** What a descriptor of a socket stands for. What would wait returns undefined: `changed` tells when to try again. */
export interface GuestSocket {
  readonly kind: 'socket';
  readonly type: 'stream' | 'datagram';
  readonly listening: boolean;
  readonly options: SocketOptions;
  nonblocking: boolean;
  /** Undefined while a receive (for a listener: an accept) would wait. @throws SocketError */
  readReadiness(): SocketReadiness | undefined;
  /** Undefined while a send, or the end of a connect, would wait. */
  writeReadiness(): SocketReadiness | undefined;
  /** Resolves when readiness may have changed. */
  changed(): Promise<void>;
  /** @throws SocketError */
  receive(views: readonly Uint8Array[], flags: ReceiveFlags): Received | undefined;
  /**
   * Sends what there is room for; for a datagram all of it.
   * @param to for a datagram
   */
  send(views: readonly Uint8Array[], to?: SocketAddress): number | Promise<number> | undefined;
  /** @throws SocketError EINVAL when it does not listen; ENOTSUP */
  listen(backlog: number): void;
  /** The next connection. @throws SocketError EINVAL when it does not listen; ENOTSUP */
  accept(): GuestSocket | undefined;
  bind(address: SocketAddress): void | Promise<void>;
  /** Begins to connect; a stream is connected when it is ready for writing and takeError finds none. */
  connect(address: SocketAddress): void | Promise<void>;
  shutdown(how: { readonly receiving: boolean; readonly sending: boolean }): void;
  /** The error that is waiting to be told, which is forgotten by that (SO_ERROR). */
  takeError(): SocketErrorCode | undefined;
  localAddress(): SocketAddress;
  /** @throws SocketError ENOTCONN */
  remoteAddress(): SocketAddress;
  close(): void;
}
