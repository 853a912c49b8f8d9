/** For tests: numbers that look random and are the same for the same seed (mulberry32). */
export function randomFrom(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * below);
  };
}

/** Values that break length checks: the ends of LEB128 numbers, and opcodes that begin something long. */
const NASTY = [0x00, 0x01, 0x7f, 0x80, 0xff, 0x0e, 0x41, 0x0b, 0x40, 0xfc, 0xfd, 0xfe];

/** For tests: a copy of a module with a few bytes changed, put in, taken out or cut off. */
export function mutated(bytes: Uint8Array, random: (below: number) => number): Uint8Array<ArrayBuffer> {
  const copy = [...bytes];
  for (let left = 1 + random(4); left > 0; left--) {
    const at = random(copy.length);
    const byte = random(2) === 0 ? random(256) : (NASTY[random(NASTY.length)] ?? 0);
    const kind = random(8);
    if (kind === 0) copy.length = at;
    else if (kind === 1) copy.splice(at, 0, byte);
    else if (kind === 2) copy.splice(at, 1 + random(8));
    else copy[at] = byte;
  }
  return Uint8Array.from(copy);
}
