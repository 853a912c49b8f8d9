import { u32 } from '../encode.ts';
import type { Module } from '../module.ts';
import { instruction } from './assembler.ts';
import { HOOKS } from './names.ts';

/** Indices of what is added: behind all that the module has, so that nothing of its own is renumbered. */
export interface Plan {
  readonly yieldType: number;
  readonly growType: number;
  /** The first type free for the functions added. */
  readonly firstType: number;
  /** The function that calls the yield hook; the others that are added follow it. */
  readonly yieldFunction: number;
  readonly hooksTable: number;
  readonly epochMemory: number;
  readonly check: Check;
}

/** `(if (i32.load EPOCH (i32.const 0)) (then (call YIELD)))`. It leaves the operands alone. */
export interface Check {
  readonly bytes: Uint8Array;
  /** Where in it the `if` is, for the hint that it is seldom taken. */
  readonly branch: number;
}

/** In a memarg's alignment: a memory index follows (multi-memory). */
const HAS_MEMORY_INDEX = 0x40;
const WORD_ALIGNMENT = 2;

export function planFor(module: Module): Plan {
  const yieldFunction = module.functions.length;
  const epochMemory = module.memories.length;
  return {
    yieldType: module.types.length,
    growType: module.types.length + 1,
    firstType: module.types.length + 2,
    yieldFunction,
    hooksTable: module.tables.length,
    epochMemory,
    check: checkFor(epochMemory, yieldFunction),
  };
}

function checkFor(epochMemory: number, yieldFunction: number): Check {
  const load = [
    ...instruction('i32.const', 0),
    ...[...instruction('i32.load'), WORD_ALIGNMENT | HAS_MEMORY_INDEX, ...u32(epochMemory), 0],
  ];
  const branch = [...instruction('if'), ...instruction('call', yieldFunction), ...instruction('end')];
  return { bytes: Uint8Array.from([...load, ...branch]), branch: load.length };
}

/** The body of the function that calls the yield hook. */
export function yieldBody({ yieldType, hooksTable }: Plan): number[] {
  return [...instruction('i32.const', HOOKS.yield), ...instruction('call_indirect', yieldType, hooksTable)];
}
