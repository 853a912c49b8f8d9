import type * as Net from 'node:net';
import type { WasiNetwork } from '../wasi.ts';
import {
  familyOf,
  formatAddress,
  fromNode,
  isAny,
  loopbackAddress,
  parseAddress,
  sameAddress,
  unembedded,
  type Family,
  type SocketAddress,
} from './address.ts';
import { SocketError } from './errors.ts';
import { NetworkPolicy } from './policy.ts';

/** Closed connections that still have something to send; beyond, one that is closed is cut off. */
const MAX_LINGERING = 256;
/** How long one may make no progress. */
const LINGER_TIMEOUT_MS = 60_000;

/** How something is sent. */
export interface Route {
  readonly target: Uint8Array;
  /** The address that it comes from; undefined: the kernel chooses. */
  readonly source: Uint8Array | undefined;
}

/**
 * The network of one guest: what its sockets may bind to and reach. Node's networking is loaded when the first socket
 * needs it: it is half a megabyte of a host's memory.
 */
export class Network {
  readonly settings: WasiNetwork;
  readonly #bindAddresses: readonly Uint8Array[];
  /** What stands for the loopback, where that is other pods' too. */
  readonly #loopback: Uint8Array | undefined;
  readonly #lingering = new Set<Net.Socket>();
  #policy: NetworkPolicy | undefined;

  constructor(settings: WasiNetwork) {
    this.settings = settings;
    this.#bindAddresses = settings.bindAddresses.flatMap((text) => parseAddress(text) ?? []);
    this.#loopback = settings.loopback === undefined ? undefined : parseAddress(settings.loopback);
  }

  get net(): typeof Net {
    return process.getBuiltinModule('node:net');
  }

  get policy(): NetworkPolicy {
    return (this.#policy ??= new NetworkPolicy(this.net, this.settings.policy));
  }

  /**
   * The addresses that a guest's wish to bind to `ip` means. Any address means the pod's, which for IPv6 are those of
   * IPv4 too, as a dual-stack socket has them; and the pod's loopback, where it has one of its own.
   * @throws SocketError EACCES the node's loopback; EADDRNOTAVAIL an address that is not the pod's
   */
  bindTargets(ip: Uint8Array, family: Family): readonly Uint8Array[] {
    const wanted = unembedded(ip);
    if (isAny(ip)) {
      if (this.#bindAddresses.length === 0) return [ip];
      const own = this.#bindAddresses.filter((address) => family === 6 || familyOf(address) === 4);
      if (this.#loopback !== undefined) own.push(this.#loopback);
      if (own.length === 0) throw new SocketError('EADDRNOTAVAIL');
      return own;
    }
    if (this.#bindAddresses.some((address) => sameAddress(address, wanted))) return [wanted];
    if (this.policy.isLoopback(wanted)) {
      if (this.policy.allowsLoopback) return [this.#loopback ?? wanted];
      throw new SocketError('EACCES');
    }
    if (this.#bindAddresses.length > 0) throw new SocketError('EADDRNOTAVAIL');
    return [wanted];
  }

  /** Whether other pods are in the network namespace: then a guest's sockets are kept to its pod's addresses. */
  get isShared(): boolean {
    return this.#loopback !== undefined;
  }

  /** As `findRoute`. @throws SocketError ENETUNREACH where there is none */
  route(ip: Uint8Array): Route {
    const route = this.findRoute(ip);
    if (route === undefined) throw new SocketError('ENETUNREACH');
    return route;
  }

  /**
   * How what is meant for `ip` gets there. Where pods share a network namespace, one's loopback leads to itself, and
   * what it sends has its address.
   * @returns undefined when the pod has no address of that family
   */
  findRoute(ip: Uint8Array): Route | undefined {
    const target = unembedded(ip);
    if (this.#loopback === undefined) return { target, source: undefined };
    if (this.#bindAddresses.some((address) => sameAddress(address, target))) return { target, source: target };
    if (this.policy.isLoopback(target)) return { target: this.#loopback, source: this.#loopback };
    const source = this.#bindAddresses.find((address) => address.length === target.length);
    return source && { target, source };
  }

  /** The pod's addresses that it asks name servers from, in text; undefined: the kernel chooses. */
  get sources(): { readonly ipv4: string; readonly ipv6: string } | undefined {
    if (!this.isShared) return undefined;
    const [ipv4, ipv6] = ([4, 6] as const).map((family) =>
      this.#bindAddresses.find((address) => familyOf(address) === family),
    );
    return { ipv4: ipv4 ? formatAddress(ipv4) : '0.0.0.0', ipv6: ipv6 ? formatAddress(ipv6) : '::' };
  }

  /** What a guest is shown of a socket's end. @throws SocketError ENOTCONN when there is none */
  shown(address: string | undefined, port: number | undefined, family: Family): SocketAddress {
    const end = fromNode(address, port, family);
    if (this.#loopback === undefined || !sameAddress(unembedded(end.ip), this.#loopback)) return end;
    return { ip: loopbackAddress(family), port: end.port };
  }

  /** Tells the reader of the container's log why a port could not be opened. */
  reportTaken(ip: Uint8Array, port: number): void {
    const who = this.isShared ? 'program of this pod' : 'pod or program of this node, whose address pods share,';
    this.settings.report?.(
      `wasmlet: port ${port} cannot be opened on ${formatAddress(ip)}: another ${who} has it (EADDRINUSE)`,
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
