import { readSync, writeSync } from 'node:fs';
import { encodeMessage, MessageReader } from '../framing.ts';
import { MAX_START_BYTES, SUPERVISOR_FD } from './protocol.ts';
import type { HostAnswer, HostReady, HostReport, HostRequest } from './protocol.ts';

/** A request mostly fits into one read. */
const READ_BYTES = 64 * 1024;

/** @returns the request; undefined when the supervisor went before that: the host has nothing to live for then */
export function receiveRequest(): HostRequest | undefined {
  const reader = new MessageReader(MAX_START_BYTES);
  const chunk = Buffer.allocUnsafeSlow(READ_BYTES);
  for (;;) {
    const length = readSync(SUPERVISOR_FD, chunk);
    if (length === 0) return undefined;
    const [message] = reader.push(chunk.subarray(0, length));
    if (message) return message as HostRequest;
  }
}

/**
 * Tells the supervisor something. The socket blocks: a supervisor that does not read holds its host up.
 * @returns false when there is no supervisor any more
 */
export function tell(message: HostReady | HostAnswer | HostReport): boolean {
  const bytes = Buffer.from(encodeMessage(message));
  try {
    for (let sent = 0; sent < bytes.length;) sent += writeSync(SUPERVISOR_FD, bytes, sent);
    return true;
  } catch {
    return false;
  }
}
