import { MISC_PREFIX, type Opcode, parseOpcodes } from './opcode.ts';

/** Loads, stores, size and growth of memories. */
export const MEMORY: readonly Opcode[] = parseOpcodes(
  'mvp',
  0,
  `
  28 i32.load memarg.4 : addr -> i32
  29 i64.load memarg.8 : addr -> i64
  2a f32.load memarg.4 : addr -> f32
  2b f64.load memarg.8 : addr -> f64
  2c i32.load8_s memarg.1 : addr -> i32
  2d i32.load8_u memarg.1 : addr -> i32
  2e i32.load16_s memarg.2 : addr -> i32
  2f i32.load16_u memarg.2 : addr -> i32
  30 i64.load8_s memarg.1 : addr -> i64
  31 i64.load8_u memarg.1 : addr -> i64
  32 i64.load16_s memarg.2 : addr -> i64
  33 i64.load16_u memarg.2 : addr -> i64
  34 i64.load32_s memarg.4 : addr -> i64
  35 i64.load32_u memarg.4 : addr -> i64
  36 i32.store memarg.4 : addr i32 ->
  37 i64.store memarg.8 : addr i64 ->
  38 f32.store memarg.4 : addr f32 ->
  39 f64.store memarg.8 : addr f64 ->
  3a i32.store8 memarg.1 : addr i32 ->
  3b i32.store16 memarg.2 : addr i32 ->
  3c i64.store8 memarg.1 : addr i64 ->
  3d i64.store16 memarg.2 : addr i64 ->
  3e i64.store32 memarg.4 : addr i64 ->
  3f memory.size memory : -> addr
  40 memory.grow memory : addr -> addr
`,
);

/** Bulk operations on memories and tables. */
export const BULK: readonly Opcode[] = parseOpcodes(
  'bulk-memory',
  MISC_PREFIX,
  `
  08 memory.init data memory : addr i32 i32 ->
  09 data.drop data : ->
  0a memory.copy memory memory
  0b memory.fill memory : addr i32 addr ->
  0c table.init element table : addr i32 i32 ->
  0d elem.drop element : ->
  0e table.copy table table
`,
);

/** Size, growth and filling of tables. */
export const TABLES: readonly Opcode[] = parseOpcodes(
  'reference-types',
  MISC_PREFIX,
  `
  0f table.grow table
  10 table.size table : -> addr
  11 table.fill table
`,
);
