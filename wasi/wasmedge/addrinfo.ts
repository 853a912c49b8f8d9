import type { GuestMemory } from '../core/guest-memory.ts';
import { errnoFor, SUCCESS } from '../preview1/errno.ts';
import type { Preview1Functions } from '../preview1/function.ts';
import type { Preview1State } from '../preview1/state.ts';
import {
  anyAddress,
  familyOf,
  formatAddress,
  loopbackAddress,
  parseAddress,
  type Family,
  type SocketAddress,
} from '../sockets/address.ts';
import type { Network } from '../sockets/network.ts';
import {
  EAI,
  lookUpByServers,
  lookUpInHosts,
  parseResolvConf,
  ResolveError,
  resolverConfig,
  type ResolverConfig,
} from '../sockets/resolve.ts';
import { FAMILY, familyNumber } from './address.ts';
import { SOCK } from './options.ts';

/** WasmEdge: `aiflags`. */
const FLAG = { PASSIVE: 1, NUMERICHOST: 4, NUMERICSERV: 8 } as const;
const KNOWN_FLAGS = 0x7f;

/** WasmEdge: `addrinfo` and `sockaddr`; offsets in docs/sockets.md. */
const ADDRINFO_SIZE = 28;
const SOCKADDR_SIZE = 12;
/** The port and the address of `sockaddr_in`; of `sockaddr_in6` port, flow, address and scope. */
const DATA_SIZE = { 4: 6, 6: 26 } as const;
/** Linux: sizeof(struct sockaddr_in), sizeof(struct sockaddr_in6). */
const ADDRLEN = { 4: 16, 6: 28 } as const;
const PROTOCOL = { TCP: 1, UDP: 2 } as const;

const MAX_NAME = 255;
const MAX_RESULTS = 64;
/** Of /etc/hosts and /etc/resolv.conf. */
const MAX_FILE = 1024 * 1024;

/** Of services(5), those that programs name. */
const SERVICES: ReadonlyMap<string, number> = new Map(
  Object.entries({ ftp: 21, ssh: 22, smtp: 25, domain: 53, http: 80, ntp: 123, ldap: 389, https: 443, ldaps: 636 }),
);

interface Hints {
  readonly flags: number;
  readonly families: readonly Family[];
  readonly type: number;
}

function hintsAt(memory: GuestMemory, pointer: number): Hints {
  if (pointer === 0) return { flags: 0, families: [4, 6], type: SOCK.ANY };
  memory.check(pointer, ADDRINFO_SIZE);
  const flags = memory.u16(pointer);
  const family = memory.u8((pointer >>> 0) + 2);
  if ((flags & ~KNOWN_FLAGS) !== 0) throw new ResolveError(EAI.BADFLAGS, `flags ${flags}`);
  const families: Record<number, readonly Family[]> = {
    [FAMILY.UNSPECIFIED]: [4, 6],
    [FAMILY.INET4]: [4],
    [FAMILY.INET6]: [6],
  };
  const wanted = families[family];
  if (wanted === undefined) throw new ResolveError(EAI.FAMILY, `family ${family}`);
  return { flags, families: wanted, type: memory.u8((pointer >>> 0) + 3) };
}

/** A name as a guest gives it: with its NUL, or without. */
const nameAt = (memory: GuestMemory, pointer: number, length: number): string =>
  length === 0 ? '' : (memory.string(pointer, Math.min(length >>> 0, MAX_NAME + 1)).split('\0', 1)[0] ?? '');

function portOf(service: string, { flags }: Hints): number {
  if (service === '') return 0;
  if (/^\d{1,5}$/.test(service) && Number(service) <= 0xffff) return Number(service);
  const port = (flags & FLAG.NUMERICSERV) === 0 ? SERVICES.get(service.toLowerCase()) : undefined;
  if (port === undefined) throw new ResolveError(EAI.SERVICE, `no service ${service}`);
  return port;
}

/** A file of the guest's tree; undefined when there is none. */
function readGuestFile({ tree }: Preview1State, path: string): string | undefined {
  const options = { read: true, write: false, create: false, exclusive: false, truncate: false, directory: false };
  const mode = { append: false, dsync: false, sync: false };
  try {
    const file = tree.open({ directory: tree.root, path }, 'follow', { ...options, ...mode });
    if (file.kind === 'stream' || file.kind === 'signals') return undefined;
    try {
      if (file.kind !== 'file') return undefined;
      const bytes = new Uint8Array(Math.min(MAX_FILE, Number(file.stat().size)));
      return new TextDecoder().decode(bytes.subarray(0, file.read([bytes])));
    } finally {
      file.close();
    }
  } catch (error) {
    errnoFor(error);
    return undefined;
  }
}

/**
 * Which servers are asked. Those that the guest itself can name must be such as it may reach; the pod's and the node's
 * are the operator's choice.
 */
function configFor(state: Preview1State, { settings, policy }: Network): ResolverConfig {
  const text = readGuestFile(state, 'etc/resolv.conf');
  const own = text === undefined ? undefined : parseResolvConf(text);
  if (own !== undefined && own.servers.length > 0) {
    const permitted = own.servers.filter((server) => settings.dns?.servers.includes(server) ?? false);
    for (const server of own.servers) {
      const ip = parseAddress(server);
      if (ip !== undefined && !permitted.includes(server)) policy.check({ ip, port: 53 });
    }
    return own;
  }
  const { servers = [], searches = [], options = [] } = settings.dns ?? {};
  return resolverConfig(servers, searches, options);
}

/** Where pods share a network namespace, a guest's questions go out from its pod's address, as all that it sends. */
function throughNetwork(config: ResolverConfig, network: Network): ResolverConfig {
  const { sources } = network;
  if (sources === undefined) return config;
  const servers = config.servers.flatMap((server) => {
    const ip = parseAddress(server);
    const route = ip && network.findRoute(ip);
    return route ? [formatAddress(route.target)] : [];
  });
  return { ...config, servers, sources };
}

async function resolve(state: Preview1State, network: Network, node: string, hints: Hints): Promise<Uint8Array[]> {
  const fits = (ip: Uint8Array): boolean => hints.families.includes(familyOf(ip));
  if (node === '') {
    const passive = (hints.flags & FLAG.PASSIVE) !== 0;
    return hints.families.map((family) => (passive ? anyAddress(family) : loopbackAddress(family)));
  }
  const literal = parseAddress(node);
  if (literal !== undefined) {
    if (!fits(literal)) throw new ResolveError(EAI.NONAME, `${node} is of another family`);
    return [literal];
  }
  if ((hints.flags & FLAG.NUMERICHOST) !== 0) throw new ResolveError(EAI.NONAME, `${node} is no address`);
  const listed = lookUpInHosts(readGuestFile(state, 'etc/hosts') ?? '', node).filter(fits);
  if (listed.length > 0) return listed;
  return await lookUpByServers(node, hints.families, throughNetwork(configFor(state, network), network));
}

/** `sa_data` of sockaddr_in or sockaddr_in6. */
function dataOf({ ip, port }: SocketAddress): Uint8Array {
  const family = familyOf(ip);
  const data = new Uint8Array(DATA_SIZE[family]);
  data.set([port >> 8, port & 0xff]);
  data.set(ip, family === 4 ? 2 : 6);
  return data;
}

/** Fills one `addrinfo` that the guest has laid out. @returns false when its buffer is too small for this address */
function fill(memory: GuestMemory, at: number, address: SocketAddress, type: number): boolean {
  const family = familyOf(address.ip);
  const sockaddr = memory.u32(at + 12);
  memory.check(sockaddr, SOCKADDR_SIZE);
  const data = dataOf(address);
  const room = memory.u32(sockaddr + 4);
  // The crate gives 14 for its buffers of 26 bytes, which is enough for IPv4 alone.
  if (room < data.length) return false;
  memory.setBytes(memory.u32(sockaddr + 8), data);
  memory.setU32(sockaddr, familyNumber(family));
  memory.setU32(sockaddr + 4, data.length);
  memory.setU16(at, 0);
  memory.setU8(at + 2, familyNumber(family));
  memory.setU8(at + 3, type);
  memory.setU32(at + 4, type === SOCK.DGRAM ? PROTOCOL.UDP : PROTOCOL.TCP);
  memory.setU32(at + 8, ADDRLEN[family]);
  memory.setU32(at + 20, 0);
  return true;
}

interface Call {
  readonly node: string;
  readonly service: string;
  readonly hints: Hints;
  readonly results: number;
  readonly most: number;
  readonly countOut: number;
}

async function answer(state: Preview1State, network: Network, call: Call): Promise<void> {
  const { memory } = state;
  const port = portOf(call.service, call.hints);
  const found = await resolve(state, network, call.node, call.hints);
  const type = call.hints.type === SOCK.DGRAM ? SOCK.DGRAM : SOCK.STREAM;
  let at = memory.u32(call.results);
  let count = 0;
  for (const ip of found) {
    if (count >= call.most || at === 0) break;
    memory.check(at, ADDRINFO_SIZE);
    if (!fill(memory, at, { ip, port }, type)) continue;
    count++;
    const next = memory.u32(at + 24);
    // stealthrocket/net links each entry to itself.
    if (next === at) break;
    at = next;
  }
  if (count === 0) throw new ResolveError(EAI.MEMORY, 'no room for any address');
  memory.setU32(call.countOut, count);
}

function errnoOfFailure(error: unknown): number {
  return error instanceof ResolveError ? error.errno : errnoFor(error);
}

export function addressInfoFunctions(state: Preview1State, network: Network): Preview1Functions {
  const { memory } = state;
  const call = (
    ...[node, nodeLength, service, serviceLength, hints, results, most, countOut]: [
      number,
      number,
      number,
      number,
      number,
      number,
      number,
      number,
    ]
  ): number | Promise<number> => {
    try {
      memory.check(results, 4);
      memory.check(countOut, 4);
      const request = {
        node: nameAt(memory, node, nodeLength),
        service: nameAt(memory, service, serviceLength),
        hints: hintsAt(memory, hints),
        results,
        most: Math.min(most >>> 0, MAX_RESULTS),
        countOut,
      };
      if (request.most === 0) return EAI.MEMORY;
      if (request.node === '' && request.service === '') return EAI.NONAME;
      if (request.node.length > MAX_NAME) return EAI.NONAME;
      return answer(state, network, request).then(() => SUCCESS, errnoOfFailure);
    } catch (error) {
      return errnoOfFailure(error);
    }
  };
  return {
    /** WasmEdge: `sock_getaddrinfo`. */
    sock_getaddrinfo: { suspends: true, call },
  };
}
