import { encodeModule, encodeName, signed, u32 } from '../../wasm/encode.ts';
import { opcodeByName, OPCODES } from '../../wasm/opcodes.ts';
import type { Opcode } from '../../wasm/opcodes/opcode.ts';
import { F32, F64, I32, I64, type ValueType } from '../../wasm/types.ts';

/** A number below the bound, at random. */
export type Random = (below: number) => number;

const NUMBERS = [I32, I64, F32, F64] as const;
const ADDRESS = -1;
/** The first are the parameters. */
const LOCALS: readonly ValueType[] = [I32, F64, I64, F32, I32, I64, I32];
const PARAMETERS = 2;
/** Behind them, for NaNs to be made the same: what bits they have is not determined. */
const SCRATCH_F32 = LOCALS.length;
const SCRATCH_F64 = LOCALS.length + 1;
const GLOBALS: readonly ValueType[] = [I32, I64, F64];
const FUNCTIONS = 4;
/** The last global: calls go on as long as there is some of it, so every program ends. */
const TICKS = GLOBALS.length;
const VOID = 0x40;

const code = (name: string, ...immediates: number[]): number[] => {
  const { code: number } = opcodeByName(name);
  const head = number < 0x1000 ? [number] : [number >> 12, ...u32(number & 0xfff)];
  return [...head, ...immediates.flatMap(u32)];
};

const isScalar = ({ feature, signature, immediates }: Opcode): boolean =>
  ['mvp', 'sign-extension', 'saturating-conversion'].includes(feature) &&
  signature !== undefined &&
  signature.results.length === 1 &&
  immediates.length === 0;

/** Instructions that compute a number, by the type of their result. */
const COMPUTING = new Map(
  NUMBERS.map((type) => [type, OPCODES.filter((op) => isScalar(op) && op.signature?.results[0] === type)]),
);
const LOADS = new Map(
  NUMBERS.map((type) => [
    type,
    OPCODES.filter(
      ({ feature, immediates, signature }) =>
        feature === 'mvp' && immediates[0] === 'memarg' && signature?.results[0] === type,
    ),
  ]),
);
const STORES = OPCODES.filter(
  ({ feature, immediates, signature }) =>
    feature === 'mvp' && immediates[0] === 'memarg' && signature?.results.length === 0,
);

/** Whole numbers at the edges of what is treated alike, and NaNs by their bits. */
const EDGES_32 = [0, 1, -1, 2, 7, 31, 32, 255, 65_535, 0x7fff_ffff, -0x8000_0000, 0x7fc0_0000, 0x3f80_0000, -0x40_0000];
const EDGES_64 = [
  0n,
  1n,
  -1n,
  63n,
  64n,
  0x7fff_ffffn,
  -0x8000_0000n,
  2n ** 63n - 1n,
  -(2n ** 63n),
  0x3ff0_0000_0000_0000n,
];

/** Makes any NaN that one. */
const oneNaN = (prefix: string, local: number, nan: number[]): number[] => [
  ...[...code('local.tee', local), ...nan],
  ...[...code('local.get', local), ...code('local.get', local), ...code(`${prefix}.eq`), ...code('select')],
];

/** Writes one function at random; everything in it is well typed. */
class Writer {
  readonly #random: Random;
  /** Blocks that are open: what a branch to each takes along; undefined for a loop. */
  readonly #labels: (ValueType | undefined)[] = [];
  #budget: number;

  constructor(random: Random, budget: number) {
    this.#random = random;
    this.#budget = budget;
  }

  /** An expression of the type. */
  value(type: ValueType): number[] {
    if (this.#budget-- <= 0) return this.#leaf(type);
    switch (this.#random(9)) {
      case 0:
      case 1:
        return this.#leaf(type);
      case 2:
        return this.#load(type);
      case 3:
        return this.#block(type);
      case 4:
        return [...this.value(type), ...this.value(type), ...this.value(I32), ...code('select')];
      case 5:
        return type === I32 ? this.#call() : this.#leaf(type);
      case 6:
        return [...this.value(type), ...code('local.tee', this.#localOf(type))];
      default:
        return this.#compute(type);
    }
  }

  /** Something that leaves nothing behind. */
  statement(): number[] {
    if (this.#budget-- <= 0) return [];
    const type = this.#any(NUMBERS);
    switch (this.#random(7)) {
      case 0:
        return this.#store();
      case 1: {
        const global = this.#random(GLOBALS.length);
        return [...this.value(GLOBALS[global] ?? I32), ...code('global.set', global)];
      }
      case 2:
        return this.#loop();
      case 3:
        return [
          ...this.value(I32),
          0x04,
          VOID,
          ...this.#statements(undefined),
          ...code('else'),
          ...this.#statements(undefined),
          0x0b,
        ];
      case 4:
        return this.#branch();
      default:
        return [...this.value(type), ...code('local.set', this.#localOf(type))];
    }
  }

  #any<Thing>(things: readonly Thing[]): Thing {
    return things[this.#random(things.length)] as Thing;
  }

  #localOf(type: ValueType): number {
    return this.#any([...LOCALS.keys()].filter((index) => LOCALS[index] === type));
  }

  #leaf(type: ValueType): number[] {
    if (this.#random(2) === 0) return code('local.get', this.#localOf(type));
    if (type === I32) return [0x41, ...signed(this.#any(EDGES_32))];
    if (type === I64) return [0x42, ...signed(this.#any(EDGES_64))];
    if (type === F32) return [0x41, ...signed(this.#any(EDGES_32)), ...code('f32.reinterpret_i32')];
    return [0x42, ...signed(this.#any(EDGES_64)), ...code('f64.reinterpret_i64')];
  }

  #compute(type: ValueType): number[] {
    const opcode = this.#any(COMPUTING.get(type as (typeof NUMBERS)[number]) ?? []);
    const computed = [...(opcode.signature?.parameters ?? []).flatMap((one) => this.value(one)), ...code(opcode.name)];
    if (type === F32) return [...computed, ...oneNaN('f32', SCRATCH_F32, [0x43, 0, 0, 0xc0, 0x7f])];
    if (type === F64) return [...computed, ...oneNaN('f64', SCRATCH_F64, [0x44, 0, 0, 0, 0, 0, 0, 0xf8, 0x7f])];
    return computed;
  }

  /** Mostly within the memory. */
  #address(): number[] {
    if (this.#random(30) === 0) return this.value(I32);
    const mask = [...this.value(I32), 0x41, ...signed(0xfff), ...code('i32.and')];
    return this.#random(2) === 0 ? mask : [...mask, 0x41, ...signed(this.#random(5000)), ...code('i32.add')];
  }

  #load(type: ValueType): number[] {
    const opcode = this.#any(LOADS.get(type as (typeof NUMBERS)[number]) ?? []);
    return [...this.#address(), ...code(opcode.name, 0, this.#random(3) * 1000)];
  }

  #store(): number[] {
    const opcode = this.#any(STORES);
    const [, type = I32] = opcode.signature?.parameters ?? [ADDRESS];
    return [...this.#address(), ...this.value(type), ...code(opcode.name, 0, this.#random(3) * 1000)];
  }

  #block(type: ValueType): number[] {
    this.#labels.push(type);
    const body = [...this.statement(), ...this.value(type)];
    const leave = this.#random(2) === 0 ? [...this.value(I32), ...code('br_if', 0)] : [];
    this.#labels.pop();
    return [0x02, type, ...body, ...leave, 0x0b];
  }

  #statements(type: ValueType | undefined): number[] {
    this.#labels.push(type);
    const body = Array.from({ length: 1 + this.#random(3) }, () => this.statement()).flat();
    this.#labels.pop();
    return body;
  }

  /** Goes round as long as there are ticks. */
  #loop(): number[] {
    const body = this.#statements(undefined);
    return [0x03, VOID, ...body, ...this.#tick(), ...this.value(I32), ...code('i32.and'), ...code('br_if', 0), 0x0b];
  }

  /** Whether there are ticks left, one less. */
  #tick(): number[] {
    const take = [...code('global.get', TICKS), 0x41, 1, ...code('i32.sub'), ...code('global.set', TICKS)];
    return [...take, ...code('global.get', TICKS), 0x41, 0, ...code('i32.gt_s')];
  }

  #branch(): number[] {
    const bare = [...this.#labels.keys()].filter((depth) => this.#labels.at(-1 - depth) === undefined);
    // Forward only: a label of a loop is not kept apart here, and would go round without a tick.
    if (bare.length === 0) return [];
    const values = [...this.value(I32), ...code('drop')];
    return [0x02, VOID, ...values, ...this.value(I32), ...code('br_if', 0), ...this.statement(), 0x0b];
  }

  #call(): number[] {
    const args = [...this.value(I32), ...this.value(F64)];
    const target =
      this.#random(2) === 0
        ? code('call', this.#random(FUNCTIONS))
        : [...this.value(I32), 0x41, FUNCTIONS - 1, ...code('i32.and'), ...code('call_indirect', 0, 0)];
    return [...this.#tick(), 0x04, I32, ...args, ...target, ...code('else'), ...this.value(I32), 0x0b];
  }
}

/**
 * A valid module that always ends: functions of type [i32 f64] -> [i32], the first of them exported as `main`, a
 * memory, and globals that are exported as `g0` and so on.
 */
export function randomModule(random: Random): Uint8Array<ArrayBuffer> {
  const bodies = Array.from({ length: FUNCTIONS }, () => {
    const writer = new Writer(random, 20 + random(60));
    const statements = Array.from({ length: 1 + random(5) }, () => writer.statement()).flat();
    const own = [...LOCALS.slice(PARAMETERS), F32, F64];
    return [own.length, ...own.flatMap((type) => [1, type]), ...statements, ...writer.value(I32), 0x0b];
  });
  const globals = [...GLOBALS, I32].map((type, index) => [type, 1, ...initial(type, index === TICKS ? 60 : 0), 0x0b]);
  return encodeModule([
    [1, [1, 0x60, 2, I32, F64, 1, I32]],
    [3, [FUNCTIONS, ...Array.from({ length: FUNCTIONS }, () => 0)]],
    [4, [1, 0x70, 0, FUNCTIONS]],
    [5, [1, 1, 1, 2]],
    [6, [globals.length, ...globals.flat()]],
    [
      7,
      [
        1 + GLOBALS.length + 1,
        ...encodeName('main'),
        0,
        0,
        ...encodeName('memory'),
        2,
        0,
        ...GLOBALS.flatMap((_, index) => [...encodeName(`g${index}`), 3, index]),
      ],
    ],
    [9, [1, 0, 0x41, 0, 0x0b, FUNCTIONS, ...Array.from({ length: FUNCTIONS }, (_, index) => index)]],
    [10, [FUNCTIONS, ...bodies.flatMap((body) => [...u32(body.length), ...body])]],
  ]);
}

function initial(type: ValueType, value: number): number[] {
  if (type === I32) return [0x41, ...signed(value)];
  if (type === I64) return [0x42, ...signed(value)];
  return type === F32 ? [0x43, 0, 0, 0, 0] : [0x44, 0, 0, 0, 0, 0, 0, 0, 0];
}
