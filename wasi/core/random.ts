import type * as Crypto from 'node:crypto';

/** Loaded when the first guest asks for randomness: node:crypto is 1.4 MB of every host's memory. */
const crypto = (): typeof Crypto => process.getBuiltinModule('node:crypto');

/** One call for randomness, so that a large one allocates nothing. */
const CHUNK = 65_536;

/** Fills the view, which may be of a guest's memory, with bytes that nobody can foretell. */
export function fillRandom(view: Uint8Array): void {
  const { randomFillSync } = crypto();
  for (let at = 0; at < view.length; at += CHUNK) randomFillSync(view.subarray(at, at + CHUNK));
}

/** A random UUID (version 4). */
export const randomUuid = (): string => crypto().randomUUID();
