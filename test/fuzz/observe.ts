import { hash } from 'node:crypto';
import type { Module } from '../../runtime/wasm/module.ts';
import {
  EXNREF,
  F32,
  F64,
  type FunctionType,
  heapOf,
  I32,
  I64,
  isNullable,
  isRef,
  typeIndexOf,
  V128,
} from '../../runtime/wasm/types.ts';
import type { Exports, Imports, SpecEngine } from '../spec/engine.ts';
import { exactCall } from '../spec/exact-call.ts';
import type { Bits } from '../spec/values.ts';
import type { Random } from './modules.ts';

/** A call that is made of a module. */
export interface PlannedCall {
  readonly name: string;
  readonly type: FunctionType;
  readonly args: readonly Bits[];
}

/** What a module is put through. */
export interface Plan {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly module: Module;
  readonly calls: readonly PlannedCall[];
  /** A global that is set to this before each call. */
  readonly refill?: { readonly name: string; readonly amount: number };
}

/** What was seen of it: how each call ended, and all state behind them. */
export interface Observation {
  /** 'instantiated', or why it was not; then one for each call. */
  readonly outcomes: readonly string[];
  readonly state: readonly string[];
}

/** Numbers at the edges of what is treated alike. */
const EDGES_32 = [
  0, 1, -1, 2, 7, 31, 32, 255, 1000, 65_535, 65_536, 0x7fff_ffff, -0x8000_0000, 0x3f80_0000, 0x7fc0_0000,
];
const EDGES_64 = [0n, 1n, -1n, 63n, 64n, 65_536n, 0xffff_ffffn, 2n ** 63n - 1n, -(2n ** 63n), 0x3ff0_0000_0000_0000n];

function argumentOf(type: number, random: Random): Bits {
  if (isRef(type)) return null;
  const any = (bits: 32 | 64): bigint => {
    if (random(3) === 0) return (BigInt(random(2 ** 32)) << 32n) | BigInt(random(2 ** 32));
    return bits === 32 ? BigInt(EDGES_32[random(EDGES_32.length)] ?? 0) : (EDGES_64[random(EDGES_64.length)] ?? 0n);
  };
  if (type === I32 || type === F32) return BigInt.asUintN(32, any(32));
  if (type === I64 || type === F64) return BigInt.asUintN(64, any(64));
  return BigInt.asUintN(128, (any(64) << 64n) | BigInt.asUintN(64, any(64)));
}

/** Whether JavaScript can call a function of the type at all, through an adapter where it needs one. */
export function isCallable({ parameters, results }: FunctionType): boolean {
  const all = [...parameters, ...results];
  if (parameters.some((type) => isRef(type) && !isNullable(type))) return false;
  if (all.some((type) => isRef(type) && typeIndexOf(heapOf(type)) !== undefined)) {
    return !all.some((type) => [V128, F32, F64, EXNREF].includes(type));
  }
  // What an exception is cannot be said, only whether it is there.
  return !all.some((type) => isRef(type) && ![0x70, 0x6f].includes(heapOf(type) & 0xff) && type !== EXNREF);
}

export function planCall(name: string, type: FunctionType, random: Random): PlannedCall {
  return { name, type, args: type.parameters.map((one) => argumentOf(one, random)) };
}

/** The end of the stack is not at the same place everywhere, and what a call did before it is not compared. */
export const EXHAUSTED = 'exhausted';
/** Ends that another engine would not come to. */
export const INCOMPARABLE: ReadonlySet<string> = new Set([EXHAUSTED, 'trap: all fuel consumed']);

function failure({ RuntimeError, Exception, LinkError }: SpecEngine, error: unknown): string {
  if (error instanceof Exception) return 'exception';
  const { message } = error as Error;
  if (/call stack/.test(message)) return EXHAUSTED;
  if (error instanceof RuntimeError) return `trap: ${KINDS.find(([words]) => words.test(message))?.[1] ?? message}`;
  if (error instanceof LinkError) return 'cannot be linked';
  return `thrown: ${message}`;
}

/** Traps that engines have other words for, or of which two are one where the address is both: beyond and unaligned. */
const KINDS: readonly (readonly [words: RegExp, kind: string])[] = [
  [/memory access out of bounds|unaligned accesses|data segment \d+ is out of bounds/, 'memory'],
  [/table index is out of bounds|table initializer \d+: table index|element segment \d+ is out of bounds/, 'table'],
  [/signature mismatch/, 'signature'],
];

/** What functions of the host give: an errno, so that no program tries for ever. */
const ERRNO = 28;

/** Functions of the host: they note how they are called, and fail. */
function hostOf({ imports, types, functions }: Module, calls: string[]): Imports {
  const host: Record<string, Record<string, unknown>> = {};
  let next = 0;
  for (const { module, name, kind } of imports) {
    if (kind !== 'function') continue;
    const results = types[functions[next++]?.type ?? -1]?.results ?? [];
    (host[module] ??= {})[name] = (...args: unknown[]) => {
      calls.push(`${name}(${args.map(String).join()})`);
      const [first, ...others] = results.map((type) => (isRef(type) ? null : type === I64 ? 0n : ERRNO));
      return others.length > 0 ? [first, ...others] : first;
    };
  }
  return host;
}

/**
 * Puts a module through its plan on an engine.
 * @param most calls at the most
 */
export function observe(engine: SpecEngine, plan: Plan, most = Infinity): Observation {
  const hostCalls: string[] = [];
  let exports: Exports;
  try {
    const compiled = new engine.Module(plan.bytes);
    ({ exports } = new engine.Instance(compiled, hostOf(plan.module, hostCalls)));
  } catch (error) {
    return { outcomes: [failure(engine, error)], state: [] };
  }
  const outcomes = ['instantiated'];
  for (const { name, type, args } of plan.calls) {
    if (outcomes.length >= most) break;
    if (plan.refill !== undefined) (exports[plan.refill.name] as { value: unknown }).value = plan.refill.amount;
    const outcome = attempt(engine, () => exactCall(engine, exports[name] as () => unknown, type)(args));
    outcomes.push(
      `${outcome}${hostCalls
        .splice(0)
        .map((one) => ` ${one}`)
        .join('')}`,
    );
    if (INCOMPARABLE.has(outcome)) return { outcomes, state: [] };
  }
  return { outcomes, state: stateOf(plan.module, exports) };
}

function attempt(engine: SpecEngine, call: () => readonly Bits[]): string {
  try {
    return call().map(shown).join();
  } catch (error) {
    return failure(engine, error);
  }
}

const shown = (bits: Bits): string => (typeof bits === 'bigint' ? bits.toString(16) : typeof bits);

/** Of a memory: some programs, mutated, make theirs as large as can be. */
const COMPARED = 4 * 1024 * 1024;

/** All memories, globals and tables that are exported. */
function stateOf({ exports: list, globals }: Module, exports: Exports): string[] {
  return list.flatMap(({ name, kind, index }) => {
    const one = exports[name] as { readonly buffer: ArrayBuffer; readonly value: unknown; readonly length: number };
    if (kind === 'memory') {
      const seen = new Uint8Array(one.buffer, 0, Math.min(one.buffer.byteLength, COMPARED));
      return [`${name}: ${one.buffer.byteLength} ${hash('sha1', seen)}`];
    }
    if (kind === 'table') return [`${name}: ${one.length}`];
    const type = globals[index]?.type.type;
    if (kind !== 'global' || type === V128 || type === EXNREF) return [];
    return [`${name}: ${['number', 'bigint'].includes(typeof one.value) ? String(one.value) : typeof one.value}`];
  });
}
