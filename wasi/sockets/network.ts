import type * as Net from 'node:net';
import type { WasiNetwork } from '../wasi.ts';
import { familyOf, formatAddress, isAny, parseAddress, sameAddress, unembedded, type Family } from './address.ts';
import { SocketError } from './errors.ts';
import { NetworkPolicy } from './policy.ts';

/** Closed connections that still have something to send; beyond, one that is closed is cut off. */
const MAX_LINGERING = 256;
/** How long one may make no progress. */
const LINGER_TIMEOUT_MS = 60_000;

/**
 * The network of one guest: what its sockets may bind to and reach. Node's networking is loaded when the first socket
 * needs it: it is half a megabyte of a host's memory.
 */
export class Network {
  readonly settings: WasiNetwork;
  readonly #bindAddresses: readonly Uint8Array[];
  readonly #lingering = new Set<Net.Socket>();
  #policy: NetworkPolicy | undefined;

  constructor(settings: WasiNetwork) {
    this.settings = settings;
    this.#bindAddresses = settings.bindAddresses.flatMap((text) => parseAddress(text) ?? []);
  }

  get net(): typeof Net {
    return process.getBuiltinModule('node:net');
  }

  get policy(): NetworkPolicy {
    return (this.#policy ??= new NetworkPolicy(this.net, this.settings.policy));
  }

  /**
   * The addresses that a guest's wish to bind to `ip` means. Any address means the pod's, which for IPv6 are those of
   * IPv4 too, as a dual-stack socket has them.
   * @throws SocketError EACCES the node's loopback; EADDRNOTAVAIL an address that is not the pod's
   */
  bindTargets(ip: Uint8Array, family: Family): readonly Uint8Array[] {
    const wanted = unembedded(ip);
    if (isAny(ip)) {
      if (this.#bindAddresses.length === 0) return [ip];
      const own = this.#bindAddresses.filter((address) => family === 6 || familyOf(address) === 4);
      if (own.length === 0) throw new SocketError('EADDRNOTAVAIL');
      return own;
    }
    if (this.#bindAddresses.some((address) => sameAddress(address, wanted))) return [wanted];
    if (this.policy.isLoopback(wanted)) {
      if (this.policy.allowsLoopback) return [wanted];
      throw new SocketError('EACCES');
    }
    if (this.#bindAddresses.length > 0) throw new SocketError('EADDRNOTAVAIL');
    return [wanted];
  }

  /** Tells the reader of the container's log why a port could not be opened. */
  reportTaken(ip: Uint8Array, port: number): void {
    this.settings.report?.(
      `wasmlet: port ${port} cannot be opened on ${formatAddress(ip)}: ` +
        'another pod or program of this node, whose address pods share, has it (EADDRINUSE)',
    );
  }

  /** Lets a connection that the guest has closed send what it still holds, then ends it. */
  linger(socket: Net.Socket): void {
    if (this.#lingering.size >= MAX_LINGERING) {
      socket.resetAndDestroy();
      return;
    }
    this.#lingering.add(socket);
    socket.once('close', () => this.#lingering.delete(socket));
    socket.setTimeout(LINGER_TIMEOUT_MS, () => socket.destroy());
    socket.destroySoon();
  }

  /** Resolves when all that was closed has been sent, or after `timeoutMs`; what is left then is cut off. */
  async flush(timeoutMs: number): Promise<void> {
    if (this.#lingering.size === 0) return;
    const { setTimeout: after } = process.getBuiltinModule('node:timers/promises');
    const { once } = process.getBuiltinModule('node:events');
    const enough = new AbortController();
    const all = Promise.all([...this.#lingering].map((socket) => once(socket, 'close', { signal: enough.signal })));
    const limit = after(timeoutMs, undefined, { signal: enough.signal });
    await Promise.race([all, limit]).catch(() => undefined);
    enough.abort();
    await Promise.allSettled([all, limit]);
    for (const socket of this.#lingering) socket.destroy();
  }
}
