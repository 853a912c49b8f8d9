import { opcodeByName } from '../../../../wasm/opcodes.ts';
import { NUMERIC, SATURATING, SIGN_EXTENSION } from '../../../../wasm/opcodes/numeric.ts';
import type { Opcode } from '../../../../wasm/opcodes/opcode.ts';
import { RELAXED_SIMD, SIMD } from '../../../../wasm/opcodes/simd.ts';
import { F32, F64, I32, I64, OP, V128, V128_LOAD, get, i32Const, memarg, set } from '../assembler.ts';
import type { Code } from '../assembler.ts';
import {
  type Bank,
  type FieldKind,
  type Handler,
  loadState,
  operation,
  type Operation,
  PC,
  Q0,
  storeState,
  T0,
} from '../handler.ts';
import { instruction } from './instruction.ts';

const OPERANDS = ['a', 'b', 'c'];

/** An instruction that only computes: from registers to a register, by itself. */
function computing(wasm: Opcode, bank: Bank): Operation {
  const { parameters, results } = wasm.signature ?? { parameters: [], results: [] };
  const [result = I32] = results;
  const names = parameters.map((_, index) => OPERANDS[index] ?? '');
  const fields = ['d:reg', ...names.map((name) => `${name}:reg`)].join(' ');
  const emit = (handler: Handler): Code => [
    handler.store('d', result, [
      parameters.map((type, index) => handler.value(names[index] ?? '', type)),
      instruction(wasm),
    ]),
    handler.next(),
  ];
  return operation(wasm.name, bank, fields, emit);
}

const FLOATS = ['add', 'sub', 'mul', 'div', 'eq', 'ne', 'lt', 'gt', 'le', 'ge', 'neg', 'abs', 'sqrt'];
const CONVERSIONS = [
  'f64.convert_i32_s',
  'f64.convert_i32_u',
  'f64.promote_f32',
  'f32.demote_f64',
  'f32.convert_i32_s',
];

/** The kind of an operand that is a constant of the type. */
const CONSTANTS: Readonly<Record<number, FieldKind>> = { [F32]: 'i32', [I64]: 'i64', [F64]: 'i64', [V128]: 'v128' };

/** The same with a constant on the right, as it is: see `:i` for integers of 32 bits. */
function withConstant(name: string): Operation {
  const wasm = opcodeByName(name);
  const [type = I32] = wasm.signature?.parameters ?? [];
  const emit = (h: Handler): Code => {
    const right: Code = [get(PC), loadState(type, h.at('b'))];
    return [h.store('d', wasm.signature?.results[0] ?? type, [h.value('a', type), right, instruction(wasm)]), h.next()];
  };
  return operation(`${name}:c`, 'hot', `d:reg a:reg b:${CONSTANTS[type] ?? 'i32'}`, emit);
}

/** Vectors in the hot loop; their loads and stores are there as well. */
const HOT_VECTORS = [
  ...['f32x4', 'f64x2'].flatMap((shape) => ['add', 'sub', 'mul'].map((name) => `${shape}.${name}`)),
  ...['i32x4.add', 'i32x4.sub', 'i32x4.mul', 'i16x8.add', 'i8x16.add', 'i8x16.eq', 'i8x16.lt_u'],
  ...['v128.and', 'v128.or', 'v128.xor', 'f32x4.convert_i32x4_s'],
];

const WITH_CONSTANT = [
  ...['add', 'mul', 'and', 'xor', 'div_u', 'rem_u'].map((name) => `i64.${name}`),
  ...['f64', 'f32'].flatMap((type) => ['add', 'sub', 'mul', 'div', 'lt', 'gt'].map((name) => `${type}.${name}`)),
  ...['i32x4.add', 'i32x4.sub', 'i8x16.add', 'i8x16.eq', 'i8x16.lt_u', 'v128.and', 'f32x4.mul'],
];

/** Floats and the like in the hot loop. */
export const FLOATING: readonly Operation[] = [
  ...[
    ...['f64', 'f32'].flatMap((prefix) => FLOATS.map((name) => `${prefix}.${name}`)),
    ...CONVERSIONS,
    ...HOT_VECTORS,
  ].map((name) => computing(opcodeByName(name), 'hot')),
  ...WITH_CONSTANT.map(withConstant),
];

const isComputing = ({ signature, immediates }: Opcode): boolean => signature !== undefined && immediates.length === 0;

/** Scalars that the hot loop has no handler for. @param hot names that it has */
export const scalars = (hot: ReadonlySet<string>): Operation[] =>
  [...NUMERIC, ...SIGN_EXTENSION, ...SATURATING]
    .filter((wasm) => isComputing(wasm) && !hot.has(wasm.name))
    .map((wasm) => computing(wasm, 'numbers'));

/** Lanes by their shape: how one is read from its slot and written. */
const LANE_READS: readonly (readonly [string, Code, number])[] = [
  ['i8x16.extract_lane_s', 0x2c, I32],
  ['i8x16.extract_lane_u', 0x2d, I32],
  ['i16x8.extract_lane_s', 0x2e, I32],
  ['i16x8.extract_lane_u', 0x2f, I32],
  ['i32x4.extract_lane', OP.i32Load, I32],
  ['i64x2.extract_lane', OP.i64Load, I64],
  ['f32x4.extract_lane', OP.f32Load, F32],
  ['f64x2.extract_lane', OP.f64Load, F64],
];
/** Floats as integers of their size: the bits are the same. */
const LANE_WRITES: readonly (readonly [string, Code, number])[] = [
  ['i8x16.replace_lane', OP.i32Store8, I32],
  ['i16x8.replace_lane', OP.i32Store16, I32],
  ['i32x4.replace_lane', OP.i32Store, I32],
  ['i64x2.replace_lane', OP.i64Store, I64],
  ['f32x4.replace_lane', OP.i32Store, I32],
  ['f64x2.replace_lane', OP.i64Store, I64],
];

/** 16 bytes that follow in the instruction. */
const immediate = (offset: number): Code => [get(PC), V128_LOAD, memarg(0, offset)];
const swizzle = instruction(opcodeByName('i8x16.swizzle'));
const i8x16Sub = instruction(opcodeByName('i8x16.sub'));
const i8x16Splat = instruction(opcodeByName('i8x16.splat'));
const v128Or = instruction(opcodeByName('v128.or'));

/**
 * Vectors. A lane's number is an immediate in Wasm and an operand here, so lanes are read and written in their slot; and
 * a shuffle is two swizzles, each of which gives 0 for the lanes of the other.
 */
export const VECTORS: readonly Operation[] = [
  ...[...SIMD, ...RELAXED_SIMD]
    .filter((wasm) => isComputing(wasm) && !HOT_VECTORS.includes(wasm.name))
    .map((wasm) => computing(wasm, 'vectors')),
  ...LANE_READS.map(([name, read, type]) =>
    operation(name, 'vectors', 'd:reg a:reg lane:u16', (h) => [
      h.store('d', type, [h.slot('a'), h.u16('lane'), OP.i32Add, read, memarg(0)]),
      h.next(),
    ]),
  ),
  ...LANE_WRITES.map(([name, write, type]) =>
    operation(name, 'vectors', 'd:reg a:reg b:reg lane:u16', (h) => [
      // The new lane first: it may be in the slot that is written.
      [h.value('b', type), set(type === I64 ? Q0 : T0)],
      h.store('d', V128, h.value('a', V128)),
      [h.slot('d'), h.u16('lane'), OP.i32Add, get(type === I64 ? Q0 : T0), write, memarg(0)],
      h.next(),
    ]),
  ),
  operation('i8x16.shuffle', 'vectors', 'd:reg a:reg b:reg lanes:v128', (h) => {
    const lanes = immediate(h.at('lanes'));
    return [
      h.store('d', V128, [
        [h.value('a', V128), lanes, swizzle],
        [h.value('b', V128), lanes, i32Const(16), i8x16Splat, i8x16Sub, swizzle],
        v128Or,
      ]),
      h.next(),
    ];
  }),
  operation('const:128', 'vectors', 'd:reg value:v128', (h) => [
    h.store('d', V128, immediate(h.at('value'))),
    h.next(),
  ]),
  operation('copy:128', 'vectors', 'd:reg a:reg', (h) => [h.store('d', V128, h.value('a', V128)), h.next()]),
  operation('select:128', 'vectors', 'd:reg a:reg b:reg c:reg', (h) => [
    h.store('d', V128, [[h.slot('a'), h.slot('b'), h.value('c', I32), 0x1b], V128_LOAD, memarg(0)]),
    h.next(),
  ]),
  operation('global.get:128', 'vectors', 'd:reg cell:i32', (h) => [
    h.store('d', V128, [h.i32('cell'), V128_LOAD, memarg(0)]),
    h.next(),
  ]),
  operation('global.set:128', 'vectors', 'a:reg cell:i32', (h) => [
    [h.i32('cell'), h.value('a', V128), storeState(V128)],
    h.next(),
  ]),
];
