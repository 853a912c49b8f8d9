import { signed, u32 } from '../encode.ts';
import { opcodeByName } from '../opcodes.ts';

const PREFIX = 0x1000;
const EMPTY_BLOCK = 0x40;

/**
 * Instructions of the functions that the pass adds, as bytes: `instruction('call', 3)`. Immediates are indices; a
 * constant's is a number with a sign, and a block's is left out (it takes and gives nothing).
 */
export function instruction(name: string, ...immediates: (number | bigint)[]): number[] {
  const { code, immediates: kinds } = opcodeByName(name);
  const head = code < PREFIX ? [code] : [Math.floor(code / PREFIX), ...u32(code % PREFIX)];
  if (kinds[0] === 'blocktype') return [...head, EMPTY_BLOCK];
  const constant = kinds[0] === 'i32' || kinds[0] === 'i64';
  return [...head, ...immediates.flatMap((value) => (constant ? signed(value) : u32(Number(value))))];
}
