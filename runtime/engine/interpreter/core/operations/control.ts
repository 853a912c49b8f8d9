import { I32, I64, OP, brIf, get, i32Const, loop, memarg, set, tee } from '../assembler.ts';
import type { Code } from '../assembler.ts';
import { FP, GAS, type Handler, loadState, operation, type Operation, PC, storeState, T0, T1, T2 } from '../handler.ts';
import { HEADER, RECORD, STACK_LIMIT, STATE_FP, TABLE } from '../layout.ts';
import { takeEdge } from './integers.ts';

/** T0 = the callee's frame, or out when no frame may begin there. */
const calleeFrame = (handler: Handler): Code => [
  [get(FP), handler.u16('base'), OP.i32Add, tee(T0)],
  [i32Const(STACK_LIMIT), OP.i32GtU, brIf(handler.labels.stackOverflow)],
];

const setFp: Code = [i32Const(0), get(FP), OP.i32Store, memarg(0, STATE_FP)];

/** Calls the function of the record in T1 with the frame T0. The operand `positions` must be the instruction's last. */
const enter = (handler: Handler): Code => [
  [get(T0), handler.u16('header'), OP.i32Add, tee(T2)],
  [get(PC), i32Const(handler.size), OP.i32Add, storeState(I32, HEADER.returnPc)],
  [get(T2), get(FP), storeState(I32, HEADER.callerFp)],
  [get(GAS), handler.i32('positions'), OP.i32Add, get(T1), loadState(I32, RECORD.positions), OP.i32Sub, set(GAS)],
  [get(T0), set(FP), setFp],
  [get(T1), loadState(I32, RECORD.code), set(PC)],
  handler.checkFuel(),
];

/** Out to JavaScript unless the record in T1 is of the type wanted and of the instance that runs. */
const checkRecord = (handler: Handler): Code => [
  [get(T1), loadState(I64, RECORD.type), handler.i64('typeInstance'), OP.i64Ne, brIf(handler.labels.system)],
];

/** Back to the caller. @param results code that puts the results in place; T0 is the header's address */
const leave = (handler: Handler, results: Code): Code => [
  [get(FP), handler.u16('header'), OP.i32Add, set(T0)],
  results,
  [get(GAS), handler.i32('positions'), OP.i32Add],
  [get(T0), loadState(I32, HEADER.returnPc), tee(PC)],
  // Each call ends with the fuel positions that are left behind it.
  [i32Const(4), OP.i32Sub, loadState(I32), OP.i32Sub, set(GAS)],
  [get(T0), loadState(I32, HEADER.callerFp), set(FP), setFp],
  handler.checkFuel(),
];

const SELECT: Code = 0x1b;

const select = (type: number, name: string): Operation =>
  operation(`select:${name}`, 'hot', 'd:reg a:reg b:reg c:reg', (handler) => [
    handler.store('d', type, [
      [handler.slot('a'), handler.slot('b'), handler.value('c', I32), SELECT],
      loadState(type),
    ]),
    handler.next(),
  ]);

const globalAccess = (type: number, name: string): Operation[] => [
  operation(`global.get:${name}`, 'hot', 'd:reg cell:i32', (handler) => [
    handler.store('d', type, [handler.i32('cell'), loadState(type)]),
    handler.next(),
  ]),
  operation(`global.set:${name}`, 'hot', 'a:reg cell:i32', (handler) => [
    [handler.i32('cell'), handler.value('a', type), storeState(type)],
    handler.next(),
  ]),
];

const copy = (type: number, name: string): Operation =>
  operation(`copy:${name}`, 'hot', 'd:reg a:reg', (handler) => [
    handler.store('d', type, handler.value('a', type)),
    handler.next(),
  ]);

/** Jumps, calls, returns, and what moves values. */
export const CONTROL: readonly Operation[] = [
  operation('jump', 'hot', 'target:i32 delta:i32', (handler) => takeEdge(handler)),
  // Behind it come `count` + 1 edges, each a target and a delta.
  operation('br_table', 'hot', 'a:reg count:i32', (handler) => [
    [handler.value('a', I32), tee(T0), handler.i32('count'), tee(T1), get(T0), get(T1), OP.i32LtU, SELECT],
    [i32Const(3), OP.i32Shl, get(PC), OP.i32Add, set(T0)],
    [get(GAS), get(T0), loadState(I32, handler.size + 4), OP.i32Sub, set(GAS)],
    [get(T0), loadState(I32, handler.size), set(PC)],
    handler.checkFuel(),
  ]),
  operation('call', 'hot', 'callee:i32 base:u16 header:u16 positions:i32', (handler) => [
    calleeFrame(handler),
    [handler.i32('callee'), set(T1)],
    enter(handler),
  ]),
  operation(
    'call_indirect',
    'hot',
    'index:reg base:u16 header:u16 table:i32 typeInstance:i64 positions:i32',
    (handler) => [
      calleeFrame(handler),
      [handler.value('index', I32), tee(T1), handler.i32('table'), tee(T2), loadState(I32, TABLE.length)],
      [OP.i32GeU, brIf(handler.labels.system)],
      [get(T2), loadState(I32, TABLE.elements), get(T1), i32Const(2), OP.i32Shl, OP.i32Add, loadState(I32), set(T1)],
      checkRecord(handler),
      enter(handler),
    ],
  ),
  operation('call_ref', 'hot', 'callee:reg base:u16 header:u16 typeInstance:i64 positions:i32', (handler) => [
    calleeFrame(handler),
    [handler.value('callee', I32), set(T1)],
    checkRecord(handler),
    enter(handler),
  ]),
  operation('return', 'hot', 'header:u16 positions:i32', (handler) => leave(handler, [])),
  operation('return:32', 'hot', 'header:u16 positions:i32 a:reg', (handler) =>
    leave(handler, [get(FP), handler.value('a', I32), storeState(I32)]),
  ),
  operation('return:64', 'hot', 'header:u16 positions:i32 a:reg', (handler) =>
    leave(handler, [get(FP), handler.value('a', I64), storeState(I64)]),
  ),
  // Zeroes a function's own locals.
  operation('enter', 'hot', 'from:u16 size:u16', (handler) => [
    [get(FP), handler.u16('from'), OP.i32Add, tee(T0), handler.u16('size'), OP.i32Add, set(T1)],
    loop(
      [get(T0), 0x42, 0x00, storeState(I64)],
      [get(T0), i32Const(8), OP.i32Add, tee(T0), get(T1), OP.i32LtU, brIf(0)],
    ),
    handler.next(),
  ]),
  copy(I32, '32'),
  copy(I64, '64'),
  operation('const:32', 'hot', 'd:reg value:i32', (handler) => [
    handler.store('d', I32, handler.i32('value')),
    handler.next(),
  ]),
  operation('const:64', 'hot', 'd:reg value:i64', (handler) => [
    handler.store('d', I64, handler.i64('value')),
    handler.next(),
  ]),
  select(I32, '32'),
  select(I64, '64'),
  ...globalAccess(I32, '32'),
  ...globalAccess(I64, '64'),
];
