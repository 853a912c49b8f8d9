import type { Socket } from 'node:net';
import type { Family, SocketAddress } from './address.ts';
import type { Changes } from '../core/changes.ts';
import { socketError, SocketError, type SocketErrorCode } from './errors.ts';
import type { Network } from './network.ts';
import { RECEIVE_BUFFER, SEND_BUFFER, type SocketOptions } from './options.ts';
import type { ReceiveFlags, Received, SocketReadiness } from './socket.ts';

/**
 * A TCP connection, made or being made. Both directions are bounded: what the guest does not read makes the peer wait,
 * what the peer does not take makes the guest wait.
 */
export class TcpStream {
  readonly #network: Network;
  readonly #socket: Socket;
  readonly #family: Family;
  readonly #changes: Changes;
  readonly #received: Buffer[] = [];
  #length = 0;
  #connected: boolean;
  #peerEnded = false;
  #receiveClosed = false;
  #sendClosed = false;
  #closed = false;
  #error: SocketError | undefined;

  /** @param socket connected (paused), or just told to connect; with `allowHalfOpen` */
  constructor(network: Network, socket: Socket, family: Family, changes: Changes) {
    this.#network = network;
    this.#socket = socket;
    this.#family = family;
    this.#changes = changes;
    this.#connected = !socket.connecting;
    // A guest has no option to ask for it, and a program that writes its answer in two parts would wait 40 ms.
    socket.setNoDelay(true);
    socket.on('connect', () => {
      this.#connected = true;
      changes.tell();
    });
    socket.on('data', (chunk) => this.#take(chunk as Buffer));
    socket.on('end', () => this.#endOfInput());
    socket.on('close', () => this.#endOfInput());
    socket.on('error', (error) => {
      this.#error ??= socketError(error);
      changes.tell();
    });
    socket.resume();
  }

  get connected(): boolean {
    return this.#connected;
  }

  /** Whether it never came to be. */
  get failed(): boolean {
    return !this.#connected && !this.#socket.connecting;
  }

  #take(chunk: Buffer): void {
    if (this.#closed) {
      // As the kernel does when data come for what nobody reads any more.
      this.#socket.resetAndDestroy();
      return;
    }
    if (this.#receiveClosed) return;
    this.#received.push(chunk);
    this.#length += chunk.length;
    if (this.#length >= RECEIVE_BUFFER) this.#socket.pause();
    this.#changes.tell();
  }

  #endOfInput(): void {
    this.#peerEnded = true;
    this.#changes.tell();
  }

  readReadiness(): SocketReadiness | undefined {
    if (this.#length > 0) return { bytes: this.#length, hangup: this.#peerEnded };
    const over = this.#error !== undefined || this.#peerEnded || this.#receiveClosed;
    return over ? { bytes: 0, hangup: this.#peerEnded } : undefined;
  }

  writeReadiness(): SocketReadiness | undefined {
    if (this.#socket.connecting && this.#error === undefined) return undefined;
    const room = this.#room();
    if (room > 0) return { bytes: room, hangup: false };
    const over = this.#error !== undefined || this.#sendClosed || this.#socket.destroyed;
    return over ? { bytes: 0, hangup: this.#peerEnded } : undefined;
  }

  #room(): number {
    if (this.#sendClosed || this.#socket.destroyed) return 0;
    return SEND_BUFFER - this.#socket.writableLength;
  }

  receive(views: readonly Uint8Array[], { peek }: ReceiveFlags): Received | undefined {
    if (this.#length === 0) {
      this.#throwError();
      if (!this.#connected) throw new SocketError('ENOTCONN');
      return this.#peerEnded || this.#receiveClosed ? { length: 0, truncated: false } : undefined;
    }
    let length = 0;
    let index = 0;
    let skipped = 0;
    for (const view of views) {
      let filled = 0;
      for (let chunk = this.#received[index]; chunk !== undefined && filled < view.length;) {
        const part = chunk.subarray(skipped, skipped + view.length - filled);
        view.set(part, filled);
        filled += part.length;
        skipped += part.length;
        if (skipped === chunk.length) {
          skipped = 0;
          chunk = this.#received[++index];
        }
      }
      length += filled;
    }
    if (!peek) this.#drop(index, skipped, length);
    return { length, truncated: false };
  }

  /** Takes out whole chunks, then the beginning of the next. */
  #drop(chunks: number, bytes: number, length: number): void {
    this.#received.splice(0, chunks);
    const [first] = this.#received;
    if (first !== undefined && bytes > 0) this.#received[0] = first.subarray(bytes);
    this.#length -= length;
    if (this.#length < RECEIVE_BUFFER && this.#socket.isPaused()) this.#socket.resume();
  }

  send(views: readonly Uint8Array[]): number | undefined {
    this.#throwError();
    if (this.#socket.connecting) return undefined;
    if (!this.#connected) throw new SocketError('ENOTCONN');
    if (this.#sendClosed || this.#socket.destroyed) throw new SocketError('EPIPE');
    const room = this.#room();
    if (room <= 0) return undefined;
    // A copy: the guest goes on while the peer takes it.
    const copy = Buffer.concat(views, Math.min(room, total(views)));
    if (copy.length > 0) this.#socket.write(copy, () => this.#changes.tell());
    return copy.length;
  }

  shutdown(how: { readonly receiving: boolean; readonly sending: boolean }): void {
    if (!this.#connected || this.#socket.destroyed) throw new SocketError('ENOTCONN');
    if (how.sending && !this.#sendClosed) {
      this.#sendClosed = true;
      this.#socket.end();
    }
    if (how.receiving) {
      this.#receiveClosed = true;
      this.#received.length = 0;
      this.#length = 0;
      this.#socket.resume();
    }
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

  setKeepAlive(on: boolean): void {
    this.#socket.setKeepAlive(on);
  }

  localAddress(): SocketAddress {
    return this.#network.shown(this.#socket.localAddress, this.#socket.localPort, this.#family);
  }

  remoteAddress(): SocketAddress {
    if (!this.#connected) throw new SocketError('ENOTCONN');
    return this.#network.shown(this.#socket.remoteAddress, this.#socket.remotePort, this.#family);
  }

  /** Ends it as close(2) does: with a reset where something was not read, else once all is sent. */
  close(options: SocketOptions): void {
    this.#closed = true;
    if (!this.#connected || this.#socket.destroyed) this.#socket.destroy();
    else if (this.#length > 0 || options.linger === 0) this.#socket.resetAndDestroy();
    else this.#network.linger(this.#socket);
  }
}

const total = (views: readonly Uint8Array[]): number => views.reduce((sum, view) => sum + view.length, 0);
