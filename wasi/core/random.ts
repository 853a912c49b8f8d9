import type * as Crypto from 'node:crypto';

/** Loaded when the first guest asks for randomness: node:crypto is 1.4 MB of every host's memory. */
const crypto = (): typeof Crypto => process.getBuiltinModule('node:crypto');

/** One call for randomness, so that a large one allocates nothing. */
const CHUNK = 65_536;
/** What is drawn ahead: most guests ask for a few bytes, and a call into node:crypto costs more than to copy them. */
const AHEAD = 4096;
/** Up to so many bytes are taken from what was drawn ahead. */
const SMALL = 256;

let ahead: Uint8Array | undefined;
let taken = AHEAD;

/** Fills the view, which may be of a guest's memory, with bytes that nobody can foretell. */
export function fillRandom(view: Uint8Array): void {
  if (view.length <= SMALL) {
    takeAhead(view);
    return;
  }
  const { randomFillSync } = crypto();
  for (let at = 0; at < view.length; at += CHUNK) randomFillSync(view.subarray(at, at + CHUNK));
}

function takeAhead(view: Uint8Array): void {
  ahead ??= new Uint8Array(AHEAD);
  if (taken + view.length > AHEAD) {
    crypto().randomFillSync(ahead);
    taken = 0;
  }
  const end = taken + view.length;
  view.set(ahead.subarray(taken, end));
  // What a guest was given is nobody else's to see.
  ahead.fill(0, taken, end);
  taken = end;
}

/** A random UUID (version 4). */
export const randomUuid = (): string => crypto().randomUUID();
