import { EXN, heapOf, isRef } from '../../../wasm/types.ts';
import { GuestTrap } from '../../engine.ts';
import { SLOT } from '../core/layout.ts';
import type { CatchRange } from '../lower/function.ts';
import { slotsOfAll } from '../lower/values.ts';
import { type Code, instructionAt } from './code.ts';
import { framesFrom } from './frames.ts';
import type { Machine } from './machine.ts';
import type { Operands } from './operands.ts';
import type { GuestException } from './exception-table.ts';

const UNCAUGHT = 'exception that the guest did not catch';

/** What comes out of a guest that did not catch it. */
export class UncaughtException extends GuestTrap {
  readonly exception: GuestException;

  constructor(exception: GuestException, frames: readonly string[]) {
    super(UNCAUGHT, frames);
    this.exception = exception;
  }
}
const NULL_TRAP = 'rethrowing null value';

function throwTag(machine: Machine, operands: Operands): void {
  const { store } = machine;
  const tag = operands.u32('tag');
  const base = operands.slot('base');
  const size = slotsOfAll(store.tags[tag]?.type.parameters ?? []) * SLOT;
  unwind(machine, { tag, payload: store.state.bytes.slice(base, base + size) });
}

function throwReference(machine: Machine, operands: Operands): void {
  const exception = machine.store.exceptions.get(operands.value('a'));
  if (exception === undefined) throw machine.trap(NULL_TRAP);
  unwind(machine, exception);
}

type CatchHandler = CatchRange['handlers'][number];

/** The handler for an exception at a place in a function: of the innermost range that has one for its tag. */
function handlerAt(ranges: readonly CatchRange[], offset: number, tag: number): CatchHandler | undefined {
  let outermost = Infinity;
  for (const { start, end, depth, delegate, handlers } of innermostFirst(ranges)) {
    if (offset < start || offset >= end || depth > outermost) continue;
    if (delegate !== undefined) outermost = delegate;
    const found = handlers.find((handler) => handler.tag === undefined || handler.tag === tag);
    if (found !== undefined) return found;
  }
  return undefined;
}

const innermostFirst = (ranges: readonly CatchRange[]): CatchRange[] => [...ranges].sort((a, b) => b.depth - a.depth);

/**
 * Takes an exception to where it is caught.
 * @throws GuestTrap when nobody does
 */
export function unwind(machine: Machine, exception: GuestException): void {
  const { store } = machine;
  // What was paid up to the throw: behind it, where the function would have gone on.
  const left = machine.gas + fuelBehind(machine, machine.pc);
  for (const { code, fp, pc } of framesFrom(store, machine.pc, machine.fp)) {
    if (!code.catches) continue;
    const { ranges } = store.code.describe(code);
    const handler = handlerAt(ranges, pc - code.start, exception.tag);
    if (handler === undefined) continue;
    deliver(machine, exception, handler, fp);
    machine.instance = code.instance;
    machine.pc = code.start + handler.offset;
    machine.fp = fp;
    machine.gas = left - fuelAt(machine, code, handler.offset);
    return;
  }
  throw new UncaughtException(exception, machine.trap(UNCAUGHT).frames);
}

/** Puts the values of an exception where its handler expects them. */
function deliver(
  machine: Machine,
  exception: GuestException,
  { slot, reference, tag }: CatchHandler,
  fp: number,
): void {
  const { state } = machine.store;
  let at = fp + slot * SLOT;
  if (reference === 'before') {
    state.setU32(at, machine.keep(exception));
    at += SLOT;
  }
  const payload = tag === undefined ? new Uint8Array(0) : exception.payload;
  state.bytes.set(payload, at);
  if (reference === 'behind') state.setU32(at + payload.length, machine.keep(exception));
}

/** Fuel positions from an instruction to the function's end. */
export function fuelAt(machine: Machine, code: Code, offset: number): number {
  const lowered = machine.store.code.describe(code);
  return lowered.positions - (lowered.map.positions[instructionAt(lowered, offset)] ?? 0);
}

function fuelBehind(machine: Machine, pc: number): number {
  const code = machine.store.code.at(pc);
  if (code === undefined) return 0;
  const lowered = machine.store.code.describe(code);
  const next = lowered.map.positions[instructionAt(lowered, pc - code.start) + 1];
  return next === undefined ? 0 : lowered.positions - next;
}

export const EXCEPTIONS: readonly (readonly [string, (machine: Machine, operands: Operands) => void])[] = [
  ['throw', throwTag],
  ['throw_ref', throwReference],
];

export const isExceptionReference = (type: number): boolean => isRef(type) && heapOf(type) === EXN;
