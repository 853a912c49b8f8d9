import { opcodeByName } from '../../../../wasm/opcodes.ts';
import type { Opcode } from '../../../../wasm/opcodes/opcode.ts';
import { I32, I64, OP, V128, brIf, get, memarg, set, tee } from '../assembler.ts';
import type { Code } from '../assembler.ts';
import { type Bank, type Handler, operation, type Operation, Q0, Q1, T0, T1 } from '../handler.ts';
import { instruction } from './instruction.ts';

/** A guest's memory, as the core has it: index 0 is the state memory, the guest's own come after. */
export interface GuestMemoryShape {
  readonly is64: boolean;
  readonly shared: boolean;
}

const HOT_LOADS = [
  ...['i32.load', 'i32.load8_s', 'i32.load8_u', 'i32.load16_s', 'i32.load16_u'],
  ...['i64.load', 'i64.load8_s', 'i64.load8_u', 'i64.load16_s', 'i64.load16_u', 'i64.load32_s', 'i64.load32_u'],
  ...['f32.load', 'f64.load', 'v128.load'],
];
const HOT_STORES = ['i32.store', 'i64.store', 'i32.store8', 'i32.store16', 'f32.store', 'f64.store', 'v128.store'];

/** Instructions that do to a slot's bytes what another does: the low bits of an i64. */
export const SAME_ACCESS: ReadonlyMap<string, string> = new Map([
  ['i64.store8', 'i32.store8'],
  ['i64.store16', 'i32.store16'],
  ['i64.store32', 'i32.store'],
]);

/**
 * How an access has its address: a register and an offset, which trap when their sum is beyond all addresses (`plain`);
 * the sum of two registers and an offset (`add`); or a register and a constant that was added to it before, with no
 * offset (`wrap`).
 */
type Mode = 'plain' | 'add' | 'wrap';

const MODES = {
  plain: { suffix: '', fields: 'a:reg' },
  add: { suffix: ':add', fields: 'a:reg b:reg' },
  wrap: { suffix: ':wrap', fields: 'a:reg' },
} as const;

/** Puts the address in T0, or Q0 with memory64. */
function address(handler: Handler, { is64 }: GuestMemoryShape, mode: Mode = 'plain'): Code {
  const type = is64 ? I64 : I32;
  const add = is64 ? OP.i64Add : OP.i32Add;
  const base = [handler.value('a', type), mode === 'add' ? [handler.value('b', type), add] : []];
  const extend = mode === 'wrap' ? OP.i64ExtendI32S : OP.i64ExtendI32U;
  const offset = [handler.i32('offset'), is64 ? extend : []];
  const sum = [base, offset, add, tee(is64 ? Q0 : T0)];
  if (mode === 'wrap') return [handler.savePc, sum, DROP];
  return [handler.savePc, sum, [offset, is64 ? OP.i64LtU : OP.i32LtU, brIf(handler.labels.outOfBounds)]];
}

const DROP: Code = 0x1a;
const addressLocal = ({ is64 }: GuestMemoryShape): Code => get(is64 ? Q0 : T0);

const resultOf = (wasm: Opcode): number => wasm.signature?.results[0] ?? I32;
const valueOf = (wasm: Opcode): number => wasm.signature?.parameters[1] ?? I32;

/** `@1` and so on for memories but the first. */
export const suffix = (index: number): string => (index === 0 ? '' : `@${index}`);

interface Place {
  readonly shape: GuestMemoryShape;
  readonly index: number;
  readonly bank: Bank;
}

const access = ({ index }: Place): Code => memarg(index + 1);

function load(name: string, place: Place, mode: Mode = 'plain'): Operation {
  const wasm = opcodeByName(name);
  const { suffix: variant, fields } = MODES[mode];
  const result = resultOf(wasm);
  const emit = (handler: Handler): Code => [
    address(handler, place.shape, mode),
    handler.store('d', result, [addressLocal(place.shape), instruction(wasm), access(place)]),
    handler.next(),
  ];
  const named = `${name}${variant}${suffix(place.index)}`;
  return operation(named, place.bank, `d:reg ${fields} offset:i32`, emit);
}

function store(name: string, place: Place, mode: Mode = 'plain'): Operation {
  const wasm = opcodeByName(name);
  const { suffix: variant, fields } = MODES[mode];
  const emit = (handler: Handler): Code => [
    address(handler, place.shape, mode),
    [addressLocal(place.shape), handler.value('v', valueOf(wasm)), instruction(wasm), access(place)],
    handler.next(),
  ];
  const named = `${name}${variant}${suffix(place.index)}`;
  return operation(named, place.bank, `${fields} v:reg offset:i32`, emit);
}

const VECTOR_LOADS = [
  ...['v128.load8x8_s', 'v128.load8x8_u', 'v128.load16x4_s', 'v128.load16x4_u', 'v128.load32x2_s'],
  ...['v128.load32x2_u', 'v128.load8_splat', 'v128.load16_splat', 'v128.load32_splat', 'v128.load64_splat'],
  ...['v128.load32_zero', 'v128.load64_zero'],
];

/** How one lane of so many bits is loaded and stored, and the type it then has. */
const LANES = [
  [8, OP.i32Load8U, OP.i32Store8, I32],
  [16, OP.i32Load16U, OP.i32Store16, I32],
  [32, OP.i32Load, OP.i32Store, I32],
  [64, OP.i64Load, OP.i64Store, I64],
] as const;

/** A lane is a part of its slot: `lane` is its byte offset. */
function laneAccess(place: Place): Operation[] {
  return LANES.flatMap(([bits, loadLane, storeLane, type]) => {
    const keep = type === I64 ? Q1 : T1;
    return [
      operation(
        `v128.load${bits}_lane${suffix(place.index)}`,
        place.bank,
        'd:reg a:reg v:reg offset:i32 lane:u16',
        (h) => [
          address(h, place.shape),
          [addressLocal(place.shape), loadLane, access(place), set(keep)],
          h.store('d', V128, h.value('v', V128)),
          [h.slot('d'), h.u16('lane'), OP.i32Add, get(keep), storeLane, memarg(0)],
          h.next(),
        ],
      ),
      operation(`v128.store${bits}_lane${suffix(place.index)}`, place.bank, 'a:reg v:reg offset:i32 lane:u16', (h) => [
        address(h, place.shape),
        [
          addressLocal(place.shape),
          h.slot('v'),
          h.u16('lane'),
          OP.i32Add,
          loadLane,
          memarg(0),
          storeLane,
          access(place),
        ],
        h.next(),
      ]),
    ];
  });
}

const vectorAccess = (place: Place): Operation[] => [
  ...VECTOR_LOADS.map((name) => load(name, place)),
  ...laneAccess(place),
];

/** size, fill and copy; growth is JavaScript's. */
function bulk(place: Place): Operation[] {
  const type = place.shape.is64 ? I64 : I32;
  const at = suffix(place.index);
  return [
    operation(`memory.size${at}`, place.bank, 'd:reg', (h) => [h.store('d', type, [0x3f, place.index + 1]), h.next()]),
    operation(`memory.fill${at}`, place.bank, 'a:reg v:reg n:reg', (h) => [
      [h.value('a', type), h.value('v', I32), h.value('n', type), 0xfc, 11, place.index + 1],
      h.next(),
    ]),
    operation(`memory.copy${at}`, place.bank, 'a:reg b:reg n:reg', (h) => [
      [h.value('a', type), h.value('b', type), h.value('n', type), 0xfc, 10, place.index + 1, place.index + 1],
      h.next(),
    ]),
  ];
}

const ATOMIC = /^i(32|64)\.atomic\./;

/** Atomic loads, stores and read-modify-writes. Their address must be aligned, which the instruction checks itself. */
function atomic(wasm: Opcode, place: Place): Operation {
  const { parameters, results } = wasm.signature ?? { parameters: [], results: [] };
  const operands = parameters.slice(1).map((type, index) => ({ type, name: index === 0 ? 'v' : 'w' }));
  const fields = [...(results.length > 0 ? ['d:reg'] : []), 'a:reg', ...operands.map(({ name }) => `${name}:reg`)];
  const alignment = Math.log2(wasm.bytes);
  return operation(`${wasm.name}${suffix(place.index)}`, place.bank, [...fields, 'offset:i32'].join(' '), (h) => {
    const code: Code = [
      addressLocal(place.shape),
      operands.map(({ name, type }) => h.value(name, type)),
      instruction(wasm),
      memarg(place.index + 1, 0, alignment),
    ];
    return [address(h, place.shape), results.length > 0 ? h.store('d', results[0] ?? I32, code) : code, h.next()];
  });
}

/** The first memory's common accesses, in the hot loop. */
export function hotMemory(shape: GuestMemoryShape): Operation[] {
  const place: Place = { shape, index: 0, bank: 'hot' };
  return (['plain', 'add', 'wrap'] as const).flatMap((mode) => [
    ...HOT_LOADS.map((name) => load(name, place, mode)),
    ...HOT_STORES.map((name) => store(name, place, mode)),
  ]);
}

/** The first memory's other accesses. */
export const coldMemory = (shape: GuestMemoryShape, atomics: readonly Opcode[]): Operation[] => [
  ...vectorAccess({ shape, index: 0, bank: 'vectors' }),
  ...bulk({ shape, index: 0, bank: 'numbers' }),
  ...atomics.filter(({ name }) => ATOMIC.test(name)).map((wasm) => atomic(wasm, { shape, index: 0, bank: 'memory' })),
];

/** All accesses to a further memory. @param index 1 or more */
export function furtherMemory(shape: GuestMemoryShape, index: number, atomics: readonly Opcode[]): Operation[] {
  const place: Place = { shape, index, bank: 'memory' };
  return [
    ...HOT_LOADS.map((name) => load(name, place)),
    ...HOT_STORES.map((name) => store(name, place)),
    ...vectorAccess(place),
    ...bulk(place),
    ...atomics.filter(({ name }) => ATOMIC.test(name)).map((wasm) => atomic(wasm, place)),
  ];
}
