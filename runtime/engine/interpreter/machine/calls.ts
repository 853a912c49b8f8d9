import { HEADER, RECORD, SLOT, STACK_LIMIT, TABLE } from '../core/layout.ts';
import { slotsOfAll } from '../lower/values.ts';
import type { Machine } from './machine.ts';
import type { Operands } from './operands.ts';

export const STACK_TRAP = 'call stack exhausted';
const NULL_TRAP = 'dereferencing a null pointer';
const SIGNATURE_TRAP = 'function signature mismatch';
const INDEX_TRAP = 'table index is out of bounds';

/** A call's frame: what the core does for calls that it makes itself. */
interface Call {
  readonly record: number;
  readonly fp: number;
  readonly returnPc: number;
  readonly callerFp: number;
  /** Fuel positions that are left behind the call. */
  readonly positions: number;
}

export function enter(machine: Machine, { record, fp, returnPc, callerFp, positions }: Call): void {
  const { state } = machine.store;
  if (fp > STACK_LIMIT) throw machine.trap(STACK_TRAP);
  const header = fp + state.u32(record + RECORD.header);
  state.setU32(header + HEADER.returnPc, returnPc);
  state.setU32(header + HEADER.callerFp, callerFp);
  machine.gas += positions - state.u32(record + RECORD.positions);
  machine.fp = fp;
  machine.pc = state.u32(record + RECORD.code);
}

/** The callee of an indirect call whose quick check failed. @throws GuestTrap */
function indirectCallee(machine: Machine, operands: Operands): number {
  const { state } = machine.store;
  const table = operands.u32('table');
  const index = operands.value('index');
  if (index >= state.u32(table + TABLE.length)) throw machine.trap(INDEX_TRAP);
  const record = state.u32(state.u32(table + TABLE.elements) + index * 4);
  checkType(machine, operands, record);
  return record;
}

function checkType(machine: Machine, operands: Operands, record: number): void {
  const wanted = Number(BigInt.asUintN(32, operands.i64('typeInstance')));
  if (machine.store.state.u32(record + RECORD.type) !== wanted) throw machine.trap(SIGNATURE_TRAP);
}

function referredCallee(machine: Machine, operands: Operands): number {
  const record = operands.value('callee');
  if (record === 0) throw machine.trap(NULL_TRAP);
  checkType(machine, operands, record);
  return record;
}

function call(machine: Machine, operands: Operands, callee: number): void {
  enter(machine, {
    record: machine.store.callable(machine.instance.id, callee),
    fp: operands.slot('base'),
    returnPc: machine.pc + operands.size,
    callerFp: machine.fp,
    positions: operands.u32('positions'),
  });
}

/** A tail call: the callee takes the place of the frame, and returns to whom that would have returned. */
function tailCall(machine: Machine, operands: Operands, callee: number): void {
  const { state } = machine.store;
  const header = operands.slot('header');
  const returnPc = state.u32(header + HEADER.returnPc);
  const callerFp = state.u32(header + HEADER.callerFp);
  const base = operands.slot('base');
  state.bytes.copyWithin(machine.fp, base, base + operands.u16('size'));
  enter(machine, {
    record: machine.store.callable(machine.instance.id, callee),
    fp: machine.fp,
    returnPc,
    callerFp,
    positions: operands.u32('positions'),
  });
}

/** From a stub of the caller's instance into the function of another: its frame is behind the stub's. */
function cross(machine: Machine, operands: Operands): void {
  const { store } = machine;
  const { state } = store;
  const record = operands.u32('record');
  const fp = machine.fp + state.u32(record + RECORD.header) + HEADER.size;
  const size = slotsOfAll(store.typeOf(record).parameters) * SLOT;
  state.bytes.copyWithin(fp, machine.fp, machine.fp + size);
  const instance = store.instanceOf(record);
  if (instance === undefined) throw new RangeError('a crossing leads to no instance');
  enter(machine, {
    record,
    fp,
    returnPc: machine.pc + operands.size,
    callerFp: machine.fp,
    positions: operands.u32('positions'),
  });
  machine.instance = instance;
}

/** Back in the stub: the results go where its own are. */
function crossBack(machine: Machine, operands: Operands): void {
  const { store } = machine;
  const { state } = store;
  const crossing = operands.u32('record');
  const from = machine.fp + state.u32(crossing + RECORD.header) + HEADER.size;
  const size = slotsOfAll(store.typeOf(crossing).results) * SLOT;
  state.bytes.copyWithin(machine.fp, from, from + size);
  leaveCrossing(machine, crossing);
  machine.pc += operands.size;
}

/** The instance that the stub is of runs on. */
export function leaveCrossing(machine: Machine, crossing: number): void {
  const instance = machine.store.instanceOf(crossing);
  if (instance === undefined) throw new RangeError('a crossing is of no instance');
  machine.instance = instance;
}

export const CALLS: readonly (readonly [string, (machine: Machine, operands: Operands) => void])[] = [
  ['call_indirect', (machine, operands) => call(machine, operands, indirectCallee(machine, operands))],
  ['call_ref', (machine, operands) => call(machine, operands, referredCallee(machine, operands))],
  ['return_call', (machine, operands) => tailCall(machine, operands, operands.u32('callee'))],
  ['return_call_indirect', (machine, operands) => tailCall(machine, operands, indirectCallee(machine, operands))],
  ['return_call_ref', (machine, operands) => tailCall(machine, operands, referredCallee(machine, operands))],
  ['cross', cross],
  ['crossBack', crossBack],
];
