import { readFileSync } from 'node:fs';
import { systemCall } from '../../sandbox/linux/call.ts';
import { MAX_DESCRIPTORS } from '../../../wasi/core/descriptor-table.ts';

/** Descriptors that are the host's own: its sockets, and a log and some folders for each guest. */
const OWN_DESCRIPTORS = 64;
const OWN_PER_GUEST = 16;
const LEAST_PER_GUEST = 64;

/** What a guest may well want: a server with some hundred connections. */
const WANTED_PER_GUEST = 256;
const RLIMIT_NOFILE = 7;

/** Lets a host that many share have more descriptors than one with a single guest. Takes a right that only root has. */
export function raiseDescriptorLimit(pid: number, guests: number): void {
  const wanted = OWN_DESCRIPTORS + guests * (OWN_PER_GUEST + WANTED_PER_GUEST);
  const limit = Buffer.alloc(16);
  limit.writeBigUInt64LE(BigInt(wanted), 0);
  limit.writeBigUInt64LE(BigInt(wanted), 8);
  try {
    systemCall('prlimit64', pid, RLIMIT_NOFILE, limit, 0);
  } catch {
    // Without the right, or not on Linux: each guest then has fewer.
  }
}

/**
 * How many descriptors each guest of a shared host may have open, so that all of them together stay within those of the
 * process.
 * @param pid of the host; a confined one cannot look at its own limits
 * @param guests at the most at a time
 */
export function descriptorsPerGuest(pid: number, guests: number): number {
  const [, soft = ''] = /^Max open files\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/limits`, 'utf8')) ?? [];
  const each = Math.floor((Number(soft) - OWN_DESCRIPTORS) / guests) - OWN_PER_GUEST;
  return Math.min(Math.max(each, LEAST_PER_GUEST), MAX_DESCRIPTORS);
}
