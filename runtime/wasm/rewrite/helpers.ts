import { encodeValueType, u32 } from '../encode.ts';
import { LIMITS, MAX_PAGES_32, MAX_PAGES_64 } from '../limits.ts';
import type { Module } from '../module.ts';
import { I32, I64, type Limits, type ValueType } from '../types.ts';
import { instruction } from './assembler.ts';
import { copyBody, fillBody } from './bulk.ts';
import { GROW_MEMORY, GROW_TABLE, HOOKS } from './names.ts';
import type { Plan } from './plan.ts';

/** A function that takes the place of an instruction: it has the type of that instruction. */
export interface Helper {
  readonly index: number;
  /** In the type section's form. */
  readonly type: readonly number[];
  /** Locals and instructions, without the closing `end`. */
  readonly body: readonly number[];
}

export const addressType = ({ is64 }: Limits): ValueType => (is64 ? I64 : I32);

function functionType(parameters: readonly ValueType[], results: readonly ValueType[]): number[] {
  return [0x60, ...vector(parameters), ...vector(results)];
}

function vector(types: readonly ValueType[]): number[] {
  return [...u32(types.length), ...types.flatMap(encodeValueType)];
}

/** Makes the functions that replace instructions, each when it is first needed. */
export class Helpers {
  readonly all: Helper[] = [];
  readonly #byKey = new Map<string, Helper>();
  readonly #module: Module;
  readonly #plan: Plan;

  constructor(module: Module, plan: Plan) {
    this.#module = module;
    this.#plan = plan;
  }

  /** @returns the index of the function to call instead of `memory.grow memory` */
  growMemory(memory: number): number {
    const limits = this.#module.memories[memory]?.type;
    if (limits === undefined) throw new RangeError(`no memory ${memory}`);
    const address = addressType(limits);
    const largest = limits.is64 ? MAX_PAGES_64 : MAX_PAGES_32;
    return this.#helper(`memory.grow ${memory}`, [address], [address], () =>
      growBody(this.#plan, {
        instructions: ['memory.size', 'memory.grow'],
        index: memory,
        kind: GROW_MEMORY,
        address,
        max: smaller(limits.max, largest),
        operands: [0],
      }),
    );
  }

  /** @returns the index of the function to call instead of `table.grow table` */
  growTable(table: number): number {
    const type = this.#module.tables[table]?.type;
    if (type === undefined) throw new RangeError(`no table ${table}`);
    const address = addressType(type);
    return this.#helper(`table.grow ${table}`, [type.element, address], [address], () =>
      growBody(this.#plan, {
        instructions: ['table.size', 'table.grow'],
        index: table,
        kind: GROW_TABLE,
        address,
        max: smaller(type.max, BigInt(LIMITS.tableElements)),
        operands: [0, 1],
      }),
    );
  }

  /** @returns the index of the function to call instead of `memory.fill memory` */
  fill(memory: number): number {
    const address = this.#address(memory);
    return this.#helper(`memory.fill ${memory}`, [address, I32, address], [], () =>
      fillBody(this.#plan.check.bytes, { index: memory, address }),
    );
  }

  /** @returns the index of the function to call instead of `memory.copy target source` */
  copy(target: number, source: number): number {
    const to = { index: target, address: this.#address(target) };
    const from = { index: source, address: this.#address(source) };
    const length = to.address === I64 && from.address === I64 ? I64 : I32;
    return this.#helper(`memory.copy ${target} ${source}`, [to.address, from.address, length], [], () =>
      copyBody(this.#plan.check.bytes, to, from),
    );
  }

  #address(memory: number): ValueType {
    const found = this.#module.memories[memory];
    if (found === undefined) throw new RangeError(`no memory ${memory}`);
    return addressType(found.type);
  }

  #helper(key: string, parameters: ValueType[], results: ValueType[], body: () => number[]): number {
    const known = this.#byKey.get(key);
    if (known !== undefined) return known.index;
    const index = this.#plan.yieldFunction + 1 + this.all.length;
    const helper = { index, type: functionType(parameters, results), body: body() };
    this.#byKey.set(key, helper);
    this.all.push(helper);
    return index;
  }
}

const smaller = (declared: bigint | undefined, largest: bigint): bigint =>
  declared === undefined || declared > largest ? largest : declared;

interface Growth {
  readonly instructions: readonly [size: string, grow: string];
  readonly index: number;
  readonly kind: number;
  readonly address: ValueType;
  readonly max: bigint;
  /** Parameters of the growing instruction; the last is the delta. */
  readonly operands: readonly number[];
}

/** -1 when `delta > max - size`; else what the growth gives, once the hook has allowed it. */
function growBody(plan: Plan, { instructions: [size, grow], index, kind, address, max, operands }: Growth): number[] {
  const type = address === I64 ? 'i64' : 'i32';
  const bits = address === I64 ? 64 : 32;
  const delta = instruction('local.get', operands.at(-1) ?? 0);
  return [
    ...[...delta, ...instruction(`${type}.const`, BigInt.asIntN(bits, max)), ...instruction(size, index)],
    ...[...instruction(`${type}.sub`), ...instruction(`${type}.gt_u`), ...instruction('if')],
    ...[...instruction(`${type}.const`, -1), ...instruction('return'), ...instruction('end')],
    ...[...instruction('i32.const', kind), ...instruction('i32.const', index), ...delta],
    ...instruction(`f64.convert_${type}_u`),
    ...[...instruction('i32.const', HOOKS.grow), ...instruction('call_indirect', plan.growType, plan.hooksTable)],
    ...[...operands.flatMap((operand) => instruction('local.get', operand)), ...instruction(grow, index)],
  ];
}
