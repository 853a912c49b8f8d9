import { crc32 } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { randomFrom } from '../../../wasm/test-random.ts';
import { newCore, newMemory } from '../machine/native.ts';
import { State } from '../machine/state.ts';
import { coreFor } from './core.ts';
import type { Field, Operation } from './handler.ts';
import { RECORD, STACK_START, STATE_FP, STATE_GAS, STATE_PC } from './layout.ts';

/** Operands with values of their own; all others are at random. */
const FIXED: Readonly<Record<string, number>> = {
  ...{ base: 600, header: 400, from: 64, size: 32, positions: 9, count: 1, delta: 3 },
};
const REGISTERS = 12;
/** Where the parts write what the whole does not write at all. */
const NOWHERE = 1000;
const FRAME = 1024;
const FUEL = 1000;
const SEEDS = 20;

const { instructions, module } = coreFor([{ is64: false, shared: false }]);
const state = new State();
const memory = newMemory({ initial: 1 });
const guest = new Uint8Array(memory.buffer as ArrayBuffer);
const core = newCore(module, state.memory, [memory]);
const places = state.allocate(64);
const target = state.allocate(64);
/** The code ends here, and edges of tables follow. */
const end = state.allocate(512) + 256;

const operation = (name: string): Operation => {
  const found = instructions.operations[instructions.code(name)];
  if (found === undefined) throw new RangeError(name);
  return found;
};

type Value = number | bigint | Uint8Array;
/** An operand, and its value. */
type Operand = readonly [field: Field, value: Value];

function write(operands: readonly Operand[], name: string, at: number): void {
  state.view.setUint16(at, instructions.code(name), true);
  for (const [{ kind, offset }, value] of operands) {
    if (value instanceof Uint8Array) state.bytes.set(value, at + offset);
    else if (kind === 'i64') state.view.setBigInt64(at + offset, BigInt(value), true);
    else if (kind === 'i32') state.view.setInt32(at + offset, Number(value), true);
    else state.view.setUint16(at + offset, Number(value), true);
  }
}

function valueOf({ name, kind }: Field, random: (below: number) => number): Value {
  if (name === 'target') return target;
  if (name === 'callee' || name === 'cell') return places;
  const fixed = FIXED[name];
  if (fixed !== undefined) return fixed;
  if (kind === 'reg') return random(REGISTERS) * 16;
  if (kind === 'i64') return BigInt(random(2 ** 30)) << BigInt(random(24));
  return kind === 'v128' ? Uint8Array.from({ length: 16 }, () => random(256)) : random(64);
}

/** A frame of numbers that are small as any type, and what calls, returns, tables and globals need. */
function prepare(seed: number): void {
  const random = randomFrom(seed);
  state.bytes.fill(0, STACK_START, STACK_START + 2 * FRAME);
  for (let at = 0; at < REGISTERS * 16; at += 8) {
    state.setU32(STACK_START + at, random(2000));
    state.setU32(STACK_START + at + 4, random(2) === 0 ? 0 : 0x3ff0_0000 + random(0x40_0000));
  }
  state.setU32(STACK_START + 400, target + 4);
  state.setU32(STACK_START + 404, STACK_START);
  state.setU32(places + RECORD.code, target);
  state.setU32(places + RECORD.positions, 5);
  for (let edge = 0; edge < 2; edge++) state.setU32(end + edge * 8, target + edge);
  for (let at = 0; at < 4096; at++) guest[at] = random(64);
}

/** Runs so many instructions. @returns all that can be seen of it */
function run(begin: number, count: number): string {
  let [pc, fp, gas] = [begin, STACK_START, FUEL];
  let left = -1;
  try {
    for (let n = 0; n < count; n++) {
      left = core.step(pc, fp, gas);
      [pc, fp, gas] = [state.u32(STATE_PC), state.u32(STATE_FP), state.view.getInt32(STATE_GAS, true)];
    }
  } catch (error) {
    return String(error);
  }
  state.bytes.fill(0, STACK_START + NOWHERE, STACK_START + NOWHERE + 16);
  const frames = crc32(state.bytes.subarray(STACK_START, STACK_START + 2 * FRAME));
  return [left, pc, fp, gas, state.i64(places), frames, crc32(guest.subarray(0, 4096))].join();
}

interface Written {
  readonly whole: { readonly begin: number };
  readonly parts: { readonly begin: number; readonly code: Uint8Array };
}

/** Writes a chain, or its parts one by one, so that both end at the same place. @returns where each begins; the parts are to be put there */
function writeBoth(chain: Operation, random: (below: number) => number): Written {
  const steps = chain.chain?.steps ?? [];
  const written = steps.map(({ operation: { name } }) => operation(name));
  const fields = [...chain.format.fields];
  const whole: Operand[] = [];
  const whole0 = end - chain.format.size;
  const parts0 = end - written.reduce((sum, { format }) => sum + format.size, 0);
  let at = parts0;
  let result: Value = 0;
  const parts = steps.map(({ takes, drops }, index) => {
    const { name, format } = written[index] as Operation;
    const operands = format.fields.map((field): Operand => {
      if (field.name === takes) return [field, result];
      if (field.name === 'd' && drops) return [field, NOWHERE];
      const value = valueOf(field, random);
      whole.push([fields.shift() as Field, value]);
      return [field, value];
    });
    const begin = at;
    at += format.size;
    result = operands.find(([field]) => field.name === 'd')?.[1] ?? 0;
    return { name, operands, begin };
  });
  for (const { name, operands, begin } of parts) write(operands, name, begin);
  const code = state.bytes.slice(parts0, end);
  write(whole, chain.name, whole0);
  return { whole: { begin: whole0 }, parts: { begin: parts0, code } };
}

/** Whether the whole leaves everything as its parts do. */
function agrees(chain: Operation, seed: number): boolean {
  const { whole, parts } = writeBoth(chain, randomFrom(seed));
  prepare(seed);
  const got = run(whole.begin, 1);
  state.bytes.set(parts.code, parts.begin);
  prepare(seed);
  return got === run(parts.begin, chain.chain?.steps.length ?? 0);
}

const chains = instructions.operations.filter(({ chain }) => chain !== undefined);

describe('an instruction that does the work of several', () => {
  test('does what they do', () => {
    const differing = chains.filter(
      (chain) => !Array.from({ length: SEEDS }, (_, seed) => agrees(chain, seed)).every(Boolean),
    );
    expect(differing.map(({ name }) => name)).toEqual([]);
  });

  test('traps in one place at the most, branches at its end only, and needs no JavaScript', () => {
    for (const { chain } of chains) {
      const names = chain?.steps.map(({ operation: { name } }) => name) ?? [];
      expect(names.filter((name) => /load|store|div_|rem_/.test(name)).length).toBeLessThan(2);
      expect(names.slice(0, -1).filter((name) => /^(br|jump|call|return)/.test(name))).toEqual([]);
      expect(names.filter((name) => /^(call_|throw|table|memory)/.test(name))).toEqual([]);
    }
  });
});
