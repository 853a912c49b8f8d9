import { createSocket } from 'node:dgram';
import { lookup } from 'node:dns/promises';
import { once } from 'node:events';
import { isIP, isIPv6 } from 'node:net';
import { networkInterfaces } from 'node:os';

export interface AddressQuestion {
  /** Configured addresses; they are taken as they are. */
  readonly nodeIP: readonly string[];
  /** Where the node's HTTPS API listens. */
  readonly address: string;
  /** URL of the API server, where there is one. */
  readonly server?: string;
}

/**
 * The addresses that the cluster reaches this node by (InternalIP): the configured ones, else the one address that the
 * node's HTTPS API listens on, else the one that the way to the API server begins with. Where that is loopback (the API
 * server is on this machine), an address of the machine that others reach too, if it has one.
 */
export async function nodeAddresses({ nodeIP, address, server }: AddressQuestion): Promise<readonly string[]> {
  if (nodeIP.length > 0) return nodeIP;
  if (address !== '0.0.0.0' && address !== '::') return [address];
  const local = server === undefined ? undefined : await localAddressTo(new URL(server)).catch(() => undefined);
  if (local !== undefined && !isLoopback(local)) return [local];
  return [machineAddress() ?? local ?? '127.0.0.1'];
}

const isLoopback = (address: string): boolean => address === '::1' || address.startsWith('127.');

/** The kernel's choice of source address; nothing is sent. */
async function localAddressTo({ hostname, port }: URL): Promise<string> {
  const host = hostname.replace(/^\[|\]$/g, '');
  const remote = isIP(host) === 0 ? (await lookup(host)).address : host;
  const socket = createSocket(isIPv6(remote) ? 'udp6' : 'udp4');
  try {
    const connected = once(socket, 'connect');
    socket.connect(Number(port) || 443, remote);
    await connected;
    return socket.address().address;
  } finally {
    socket.close();
  }
}

/** The first address of the machine that is neither loopback nor link-local, IPv4 before IPv6. */
function machineAddress(): string | undefined {
  const all = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
  const usable = all.filter(({ internal, address }) => !internal && !/^(169\.254\.|fe80:)/i.test(address));
  return (usable.find(({ family }) => family === 'IPv4') ?? usable[0])?.address;
}
