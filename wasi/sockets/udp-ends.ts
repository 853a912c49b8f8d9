import type * as Dgram from 'node:dgram';
import { anyAddress, formatAddress, inFamily, type Family } from './address.ts';
import { socketError, SocketError } from './errors.ts';

/** Of an end that the kernel chooses the address of. */
const ANY = '';

/**
 * The sockets of Node behind one UDP socket of a guest. Mostly that is one; where pods share a network namespace, it is
 * one for each of the pod's addresses that the guest is bound to or sends from, since one that is bound to no address
 * would get what is meant for other pods.
 */
export class UdpEnds {
  readonly #family: Family;
  readonly #opened: (socket: Dgram.Socket) => void;
  /** By the address that each is bound to, in the order of opening. */
  readonly #ends = new Map<string, Promise<Dgram.Socket>>();
  /** Those that are open, or are about to be. */
  readonly #sockets = new Set<Dgram.Socket>();
  #isBound = false;
  #isClosed = false;

  /** @param opened called for each once it is bound, before anything is read from it */
  constructor(family: Family, opened: (socket: Dgram.Socket) => void) {
    this.#family = family;
    this.#opened = opened;
  }

  /** Those that are open, in the order of opening. */
  get sockets(): readonly Dgram.Socket[] {
    return [...this.#sockets];
  }

  /**
   * Binds to each of these addresses, at one port.
   * @throws SocketError; nothing is bound then
   */
  async bind(targets: readonly Uint8Array[], port: number): Promise<void> {
    this.#isBound = true;
    try {
      let chosen = port;
      for (const target of targets) {
        const socket = await this.#open(formatAddress(target), target, chosen);
        chosen = socket.address().port;
      }
    } catch (error) {
      this.#closeAll();
      this.#isBound = false;
      throw error;
    }
  }

  /**
   * The end that sends from an address. A guest that sends without being bound gets a port of its own.
   * @param source undefined: as the kernel chooses
   * @throws SocketError
   */
  async from(source: Uint8Array | undefined): Promise<Dgram.Socket> {
    const key = source === undefined ? ANY : formatAddress(source);
    const [first] = this.#ends.values();
    const found = this.#ends.get(key) ?? (this.#isBound ? first : undefined);
    return await (found ?? this.#open(key, source ?? anyAddress(this.#family), 0));
  }

  #open(key: string, target: Uint8Array, port: number): Promise<Dgram.Socket> {
    const opening = this.#bindTo(target, port);
    this.#ends.set(key, opening);
    // What could not be bound is forgotten: the next try begins anew.
    opening.catch(() => this.#ends.delete(key));
    return opening;
  }

  #bindTo(target: Uint8Array, port: number): Promise<Dgram.Socket> {
    if (this.#isClosed) return Promise.reject(new SocketError('EPIPE'));
    const dgram: typeof Dgram = process.getBuiltinModule('node:dgram');
    const socket = dgram.createSocket({
      type: this.#family === 6 ? 'udp6' : 'udp4',
      // All addresses are numbers: nothing is looked up.
      lookup: (address, _options, done) => done(null, address, this.#family),
    });
    this.#sockets.add(socket);
    return new Promise((resolve, reject) => {
      const fail = (error: unknown): void => {
        if (this.#sockets.delete(socket)) socket.close();
        reject(socketError(error));
      };
      socket.once('error', fail);
      socket.once('close', () => reject(new SocketError('EPIPE')));
      socket.bind({ address: formatAddress(inFamily(target, this.#family)), port, exclusive: true }, () => {
        socket.removeAllListeners('error');
        this.#opened(socket);
        resolve(socket);
      });
    });
  }

  close(): void {
    this.#isClosed = true;
    this.#closeAll();
  }

  #closeAll(): void {
    for (const socket of this.#sockets) socket.close();
    this.#sockets.clear();
    this.#ends.clear();
  }
}
