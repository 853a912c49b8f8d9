import type { GuestMemory } from '../core/guest-memory.ts';
import { PosixError } from '../core/posix-error.ts';
import { familyOf, type Family, type SocketAddress } from '../sockets/address.ts';

/** WasmEdge's address family. */
export const FAMILY = { UNSPECIFIED: 0, INET4: 1, INET6: 2 } as const;

export const familyNumber = (family: Family): number => (family === 4 ? FAMILY.INET4 : FAMILY.INET6);

/** The buffer of the second version, which begins with the family. */
const TAGGED_SIZE = 128;
const TAG_SIZE = 2;
const IPV4_SIZE = 4;
const IPV6_SIZE = 16;

interface Buffer {
  readonly pointer: number;
  readonly size: number;
}

/** `{ buf: u32, size: u32 }` */
const bufferAt = (memory: GuestMemory, pointer: number): Buffer => ({
  pointer: memory.u32(pointer),
  size: memory.u32((pointer >>> 0) + 4),
});

function addressSize(family: number): number {
  if (family === FAMILY.INET4) return IPV4_SIZE;
  if (family === FAMILY.INET6) return IPV6_SIZE;
  throw new PosixError('EINVAL');
}

/**
 * Reads an address: 4 or 16 bytes, or 128 that begin with the family.
 * @throws PosixError EINVAL, EFAULT
 */
export function readAddress(memory: GuestMemory, pointer: number, port: number): SocketAddress {
  const buffer = bufferAt(memory, pointer);
  if (port < 0 || port > 0xffff) throw new PosixError('EINVAL');
  if (buffer.size === IPV4_SIZE || buffer.size === IPV6_SIZE) {
    return { ip: memory.view(buffer.pointer, buffer.size).slice(), port };
  }
  if (buffer.size !== TAGGED_SIZE) throw new PosixError('EINVAL');
  memory.check(buffer.pointer, TAGGED_SIZE);
  const size = addressSize(memory.u16(buffer.pointer));
  return { ip: memory.view(buffer.pointer + TAG_SIZE, size).slice(), port };
}

/**
 * Checks, before anything is done that could not be undone, that an address could be written.
 * @throws PosixError EINVAL for a buffer of another size than 4, 16 or 128; EFAULT
 */
export function checkAddressBuffer(memory: GuestMemory, pointer: number): void {
  const { pointer: bytes, size } = bufferAt(memory, pointer);
  if (size !== IPV4_SIZE && size !== IPV6_SIZE && size !== TAGGED_SIZE) throw new PosixError('EINVAL');
  memory.check(bytes, size);
}

/**
 * Writes an address: with its family into 128 bytes, alone into fewer.
 * @throws PosixError EINVAL an address of IPv6 into 4 bytes
 */
export function writeAddress(memory: GuestMemory, pointer: number, { ip }: SocketAddress): void {
  const { pointer: bytes, size } = bufferAt(memory, pointer);
  if (size === TAGGED_SIZE) {
    memory.setU16(bytes, familyNumber(familyOf(ip)));
    memory.setBytes(bytes + TAG_SIZE, ip);
    return;
  }
  if (size < ip.length) throw new PosixError('EINVAL');
  memory.setBytes(bytes, ip);
}
