import { SocketError } from './errors.ts';

export type Family = 4 | 6;

/** An IP address as its 4 or 16 bytes in network order, with a port. */
export interface SocketAddress {
  readonly ip: Uint8Array;
  readonly port: number;
}

const HEX_GROUPS = 8;

export const familyOf = (ip: Uint8Array): Family => (ip.length === 4 ? 4 : 6);

export const anyAddress = (family: Family): Uint8Array => new Uint8Array(family === 4 ? 4 : 16);

export const loopbackAddress = (family: Family): Uint8Array =>
  Uint8Array.from(family === 4 ? [127, 0, 0, 1] : [...Array<number>(15).fill(0), 1]);

export const isAny = (ip: Uint8Array): boolean => ip.every((byte) => byte === 0);

export const sameAddress = (a: Uint8Array, b: Uint8Array): boolean =>
  a.length === b.length && a.every((byte, index) => byte === b[index]);

/** As Node and Linux take it; not shortened by '::'. */
export function formatAddress(ip: Uint8Array): string {
  if (ip.length === 4) return ip.join('.');
  const groups = Array.from({ length: HEX_GROUPS }, (_, index) =>
    (((ip[index * 2] ?? 0) << 8) | (ip[index * 2 + 1] ?? 0)).toString(16),
  );
  return groups.join(':');
}

/**
 * Reads an address in text; a zone ('%eth0') is dropped.
 * @returns undefined when it is none
 */
export function parseAddress(text: string): Uint8Array | undefined {
  const [address = ''] = text.split('%', 1);
  return address.includes(':') ? parseIPv6(address) : parseIPv4(address);
}

function parseIPv4(text: string): Uint8Array | undefined {
  const parts = text.split('.');
  if (parts.length !== 4 || !parts.every((part) => /^(0|[1-9]\d{0,2})$/.test(part))) return undefined;
  const bytes = parts.map(Number);
  return bytes.every((byte) => byte <= 255) ? Uint8Array.from(bytes) : undefined;
}

function parseIPv6(text: string): Uint8Array | undefined {
  const halves = text.split('::');
  if (halves.length > 2) return undefined;
  const [head, tail] = halves.map(groupBytes);
  if (head === undefined || (halves.length === 2 && tail === undefined)) return undefined;
  const end = tail ?? [];
  const missing = 16 - head.length - end.length;
  if (halves.length === 2 ? missing < 2 : missing !== 0) return undefined;
  return Uint8Array.from([...head, ...Array<number>(missing).fill(0), ...end]);
}

/** The bytes of what stands on one side of '::'; the last group may be an IPv4 address. */
function groupBytes(text: string): number[] | undefined {
  if (text === '') return [];
  const groups = text.split(':');
  const bytes: number[] = [];
  for (const [index, group] of groups.entries()) {
    if (group.includes('.') && index === groups.length - 1) {
      const embedded = parseIPv4(group);
      if (embedded === undefined) return undefined;
      bytes.push(...embedded);
    } else {
      if (!/^[0-9a-fA-F]{1,4}$/.test(group)) return undefined;
      const value = Number.parseInt(group, 16);
      bytes.push(value >> 8, value & 0xff);
    }
  }
  return bytes;
}

/** ::ffff:0:0/96, as dual-stack sockets have it, and 64:ff9b::/96, as NAT64 has it. */
const EMBEDDING = [
  [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff],
  [0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0],
];

/** The IPv4 address that an IPv6 one leads to; others as they are. */
export function unembedded(ip: Uint8Array): Uint8Array {
  if (ip.length === 4) return ip;
  const embeds = EMBEDDING.some((prefix) => prefix.every((byte, index) => byte === ip[index]));
  return embeds ? ip.subarray(12) : ip;
}

/** An address as a socket of this family has it: IPv4 ones mapped into IPv6. */
export function inFamily(ip: Uint8Array, family: Family): Uint8Array {
  if (familyOf(ip) === family) return ip;
  if (family === 6) return Uint8Array.from([...Array<number>(10).fill(0), 0xff, 0xff, ...ip]);
  throw new SocketError('EAFNOSUPPORT');
}

/** What Node says of a socket's end. */
export function fromNode(address: string | undefined, port: number | undefined, family: Family): SocketAddress {
  const ip = address === undefined ? undefined : parseAddress(address);
  if (ip === undefined || port === undefined) throw new SocketError('ENOTCONN');
  return { ip: inFamily(ip, family), port };
}
