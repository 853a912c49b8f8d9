import {
  CONTROL,
  EXCEPTIONS,
  FUNCTION_REFERENCES,
  LEGACY_EXCEPTIONS,
  REFERENCES,
  TAIL_CALLS,
} from './opcodes/control.ts';
import { GC, GC_SHORT } from './opcodes/gc.ts';
import { BULK, MEMORY, TABLES } from './opcodes/memory.ts';
import { NUMERIC, SATURATING, SIGN_EXTENSION } from './opcodes/numeric.ts';
import type { Opcode } from './opcodes/opcode.ts';
import { RELAXED_SIMD, SIMD } from './opcodes/simd.ts';
import { THREADS } from './opcodes/threads.ts';

/**
 * Every instruction of WebAssembly as Node 26 runs it: the one table that decoder, validator, rewriter, interpreter and
 * documentation go by. Core specification 3.0, "Index of Instructions"; and the threads proposal and legacy exceptions,
 * which are not part of it.
 */
export const OPCODES: readonly Opcode[] = [
  ...CONTROL,
  ...REFERENCES,
  ...TAIL_CALLS,
  ...FUNCTION_REFERENCES,
  ...EXCEPTIONS,
  ...LEGACY_EXCEPTIONS,
  ...MEMORY,
  ...BULK,
  ...TABLES,
  ...NUMERIC,
  ...SIGN_EXTENSION,
  ...SATURATING,
  ...SIMD,
  ...RELAXED_SIMD,
  ...THREADS,
  ...GC_SHORT,
  ...GC,
];

const byCode: ReadonlyMap<number, Opcode> = new Map(OPCODES.map((opcode) => [opcode.code, opcode]));
const byName: ReadonlyMap<string, Opcode> = new Map(OPCODES.map((opcode) => [opcode.name, opcode]));

/** Opcodes of one byte, found without a look-up in a map: they are nearly all of any module. */
export const SHORT_OPCODES: readonly (Opcode | undefined)[] = Array.from({ length: 256 }, (_, code) =>
  byCode.get(code),
);

/** @param code see Opcode.code */
export function opcodeByCode(code: number): Opcode | undefined {
  return byCode.get(code);
}

/** @throws RangeError for a name that no instruction has: a fault of the caller */
export function opcodeByName(name: string): Opcode {
  const opcode = byName.get(name);
  if (opcode === undefined) throw new RangeError(`no instruction is named ${name}`);
  return opcode;
}
