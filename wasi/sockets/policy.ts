import type * as Net from 'node:net';
import type * as Os from 'node:os';
import type { WasiNetworkPolicy } from '../wasi.ts';
import { familyOf, formatAddress, unembedded, type SocketAddress } from './address.ts';
import { SocketError } from './errors.ts';

/** Linux takes 0.0.0.0 and :: for itself too. */
const LOOPBACK = ['127.0.0.0/8', '0.0.0.0/8', '::1/128', '::/128'];

/** Which addresses a guest may reach. Decided on the address itself, after any name was resolved. */
export class NetworkPolicy {
  readonly #settings: WasiNetworkPolicy;
  readonly #net: typeof Net;
  readonly #allowed: Net.BlockList;
  readonly #denied: Net.BlockList;
  readonly #loopback: Net.BlockList;

  constructor(net: typeof Net, settings: WasiNetworkPolicy) {
    this.#net = net;
    this.#settings = settings;
    this.#allowed = this.#list(settings.allow);
    this.#denied = this.#list(settings.deny);
    this.#loopback = this.#list(LOOPBACK);
  }

  /**
   * Checks where something is sent. IPv4 addresses in IPv6 clothes are what they lead to.
   * @throws SocketError EACCES
   */
  check({ ip, port }: SocketAddress): void {
    const target = unembedded(ip);
    if (this.#isOwnPort(target, port)) throw new SocketError('EACCES');
    if (matches(this.#allowed, target)) return;
    if (matches(this.#denied, target)) throw new SocketError('EACCES');
    if (!this.#settings.allowLoopback && this.isLoopback(target)) throw new SocketError('EACCES');
  }

  isLoopback(ip: Uint8Array): boolean {
    return matches(this.#loopback, unembedded(ip));
  }

  get allowsLoopback(): boolean {
    return this.#settings.allowLoopback;
  }

  /** The agent's own ports, on whatever address of this machine. */
  #isOwnPort(ip: Uint8Array, port: number): boolean {
    const { ownPorts, ownAddresses } = this.#settings;
    if (!ownPorts.includes(port)) return false;
    return ownAddresses ? matches(this.#list(ownAddresses), ip) : this.isLoopback(ip) || isOfThisMachine(ip);
  }

  #list(subnets: readonly string[]): Net.BlockList {
    const list = new this.#net.BlockList();
    for (const subnet of subnets) {
      const [address = '', prefix] = subnet.split('/');
      const family = this.#net.isIPv6(address) ? 'ipv6' : 'ipv4';
      if (prefix === undefined) list.addAddress(address, family);
      else list.addSubnet(address, Number(prefix), family);
    }
    return list;
  }
}

const matches = (list: Net.BlockList, ip: Uint8Array): boolean =>
  list.check(formatAddress(ip), familyOf(ip) === 6 ? 'ipv6' : 'ipv4');

function isOfThisMachine(ip: Uint8Array): boolean {
  const os: typeof Os = process.getBuiltinModule('node:os');
  const own = new (process.getBuiltinModule('node:net').BlockList)();
  for (const { address, family } of Object.values(os.networkInterfaces()).flatMap((list) => list ?? [])) {
    own.addAddress(address, family === 'IPv6' ? 'ipv6' : 'ipv4');
  }
  return matches(own, ip);
}
