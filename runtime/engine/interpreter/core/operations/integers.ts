import { opcodeByName } from '../../../../wasm/opcodes.ts';
import { I32, I64, OP, get, set, when } from '../assembler.ts';
import type { Code } from '../assembler.ts';
import { GAS, type Handler, operation, type Operation, PC } from '../handler.ts';
import { instruction } from './instruction.ts';

/** Integers are most of what programs do: all in the hot loop, with a register or a constant on the right. */

const ARITHMETIC = ['add', 'sub', 'mul', 'and', 'or', 'xor', 'shl', 'shr_s', 'shr_u', 'rotl', 'rotr'];
const DIVISION = ['div_s', 'div_u', 'rem_s', 'rem_u'];
const COMPARISON = ['eq', 'ne', 'lt_s', 'lt_u', 'gt_s', 'gt_u', 'le_s', 'le_u', 'ge_s', 'ge_u'];

/** What is not here as an operation with a constant is lowered to another: subtracting is adding the negative. */
const WITHOUT_CONSTANT = new Set(['sub', 'rotr', ...DIVISION]);

const TYPES = [
  ['i32', I32],
  ['i64', I64],
] as const;

/** The constant on the right: 32 bits, extended by their sign. */
const constant = (handler: Handler, type: number): Code => [handler.i32('b'), type === I64 ? OP.i64ExtendI32S : []];

/** Takes an edge: on at `target`, paid by `delta`. @param depth how many blocks of its own the handler is in */
export const takeEdge = (handler: Handler, depth = 0): Code => [
  [get(GAS), handler.i32('delta'), OP.i32Sub, set(GAS)],
  [handler.i32('target'), set(PC)],
  handler.checkFuel(depth),
];

function binary(prefix: string, type: number, name: string): Operation[] {
  const wasm = opcodeByName(`${prefix}.${name}`);
  const result = COMPARISON.includes(name) ? I32 : type;
  const traps = DIVISION.includes(name);
  const emit = (handler: Handler, right: Code): Code => [
    traps ? handler.savePc : [],
    handler.store('d', result, [handler.value('a', type), right, instruction(wasm)]),
    handler.next(),
  ];
  const registers = operation(wasm.name, 'hot', 'd:reg a:reg b:reg', (h) => emit(h, h.value('b', type)));
  if (WITHOUT_CONSTANT.has(name)) return [registers];
  const fields = 'd:reg a:reg b:i32';
  const withConstant = operation(`${wasm.name}:i`, 'hot', fields, (h) => emit(h, constant(h, type)));
  return [registers, withConstant];
}

function branch(prefix: string, type: number, name: string): Operation[] {
  const wasm = opcodeByName(`${prefix}.${name}`);
  const emit = (handler: Handler, right: Code): Code => [
    [handler.value('a', type), right, instruction(wasm)],
    when(takeEdge(handler, 1)),
    handler.next(),
  ];
  const [registers, constants] = ['a:reg b:reg target:i32 delta:i32', 'a:reg b:i32 target:i32 delta:i32'] as const;
  return [
    operation(`br:${wasm.name}`, 'hot', registers, (h) => emit(h, h.value('b', type))),
    operation(`br:${wasm.name}:i`, 'hot', constants, (h) => emit(h, constant(h, type))),
  ];
}

/** Unary instructions that programs use all the time; the others are in the bank of numbers. */
const UNARY = [
  'i32.wrap_i64',
  'i64.extend_i32_s',
  'i64.extend_i32_u',
  'i32.extend8_s',
  'i32.extend16_s',
  'i64.extend32_s',
];

const unary = (name: string): Operation => {
  const wasm = opcodeByName(name);
  const { parameters, results } = wasm.signature ?? { parameters: [], results: [] };
  const [from = I32] = parameters;
  const [result = I32] = results;
  const emit = (handler: Handler): Code => [
    handler.store('d', result, [handler.value('a', from), instruction(wasm)]),
    handler.next(),
  ];
  return operation(name, 'hot', 'd:reg a:reg', emit);
};

export const INTEGERS: readonly Operation[] = [
  ...TYPES.flatMap(([prefix, type]) => [
    ...[...ARITHMETIC, ...DIVISION, ...COMPARISON].flatMap((name) => binary(prefix, type, name)),
    ...COMPARISON.flatMap((name) => branch(prefix, type, name)),
  ]),
  ...UNARY.map(unary),
];
