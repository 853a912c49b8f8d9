import { GC_PREFIX, type Opcode, parseOpcodes } from './opcode.ts';

/** The one opcode of a single byte. */
export const GC_SHORT: readonly Opcode[] = parseOpcodes(
  'gc',
  0,
  `
  d3 ref.eq
`,
);

/** Garbage collection: here to be refused by name. */
export const GC: readonly Opcode[] = parseOpcodes(
  'gc',
  GC_PREFIX,
  `
  00 struct.new type
  01 struct.new_default type
  02 struct.get type field
  03 struct.get_s type field
  04 struct.get_u type field
  05 struct.set type field
  06 array.new type
  07 array.new_default type
  08 array.new_fixed type length
  09 array.new_data type data
  0a array.new_elem type element
  0b array.get type
  0c array.get_s type
  0d array.get_u type
  0e array.set type
  0f array.len
  10 array.fill type
  11 array.copy type type
  12 array.init_data type data
  13 array.init_elem type element
  14 ref.test heaptype
  15 ref.test_null heaptype
  16 ref.cast heaptype
  17 ref.cast_null heaptype
  18 br_on_cast cast
  19 br_on_cast_fail cast
  1a any.convert_extern
  1b extern.convert_any
  1c ref.i31
  1d i31.get_s
  1e i31.get_u
`,
);
