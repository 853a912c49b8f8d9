import { readFileSync } from 'node:fs';
import { MAX_DESCRIPTORS } from '../../../wasi/core/descriptor-table.ts';

/** Descriptors that are the host's own: its sockets, and a log and some folders for each guest. */
const OWN_DESCRIPTORS = 64;
const OWN_PER_GUEST = 16;
const LEAST_PER_GUEST = 64;

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
