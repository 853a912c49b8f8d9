import { type Opcode, parseOpcodes } from './opcode.ts';

/** Control, calls, and variables of the first release. */
export const CONTROL: readonly Opcode[] = parseOpcodes(
  'mvp',
  0,
  `
  00 unreachable
  01 nop : ->
  02 block blocktype
  03 loop blocktype
  04 if blocktype
  05 else
  0b end
  0c br label
  0d br_if label
  0e br_table labels
  0f return
  10 call function
  11 call_indirect type table
  1a drop
  1b select
  20 local.get local
  21 local.set local
  22 local.tee local
  23 global.get global
  24 global.set global
`,
);

/** Opcodes of one byte of the reference types. */
export const REFERENCES: readonly Opcode[] = parseOpcodes(
  'reference-types',
  0,
  `
  1c select_typed types
  25 table.get table
  26 table.set table
  d0 ref.null heaptype
  d1 ref.is_null
  d2 ref.func function
`,
);

/** Tail calls. */
export const TAIL_CALLS: readonly Opcode[] = parseOpcodes(
  'tail-calls',
  0,
  `
  12 return_call function
  13 return_call_indirect type table
`,
);

/** Typed function references. */
export const FUNCTION_REFERENCES: readonly Opcode[] = parseOpcodes(
  'function-references',
  0,
  `
  14 call_ref type
  15 return_call_ref type
  d4 ref.as_non_null
  d5 br_on_null label
  d6 br_on_non_null label
`,
);

/** Exceptions with exnref, as version 3.0 has them. */
export const EXCEPTIONS: readonly Opcode[] = parseOpcodes(
  'exceptions',
  0,
  `
  08 throw tag
  0a throw_ref
  1f try_table blocktype catches
`,
);

/** Exceptions as browsers had them first: not in the specification, but toolchains still make them and V8 runs them. */
export const LEGACY_EXCEPTIONS: readonly Opcode[] = parseOpcodes(
  'legacy-exceptions',
  0,
  `
  06 try blocktype
  07 catch tag
  09 rethrow label
  18 delegate label
  19 catch_all
`,
);
