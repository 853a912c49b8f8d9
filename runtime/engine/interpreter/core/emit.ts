import {
  I32,
  OP,
  RETURN,
  UNREACHABLE,
  assemble,
  block,
  br,
  brTable,
  get,
  i32Const,
  loop,
  memarg,
} from './assembler.ts';
import type { AssembledFunction, Code } from './assembler.ts';
import { FP, GAS, Handler, type Labels, type Operation, PC, SCRATCH } from './handler.ts';
import { STATE_FP, STATE_GAS, STATE_PC } from './layout.ts';
import { BANKS, type InstructionSet, memoriesOf, type Shape } from './operations.ts';

/** Why the core came back. */
export const LEFT = { fuel: 0, system: 1, stackOverflow: 2, stepped: 3 } as const;

/**
 * The core for guests of this shape: `run(pc, fp, gas)` until it must come back, `step` for one instruction alone.
 * Both return why (LEFT), with pc, fp and gas in the state memory. A trap of the guest's is one of the core's.
 */
export function emitCore(instructions: InstructionSet, shape: Shape): Uint8Array<ArrayBuffer> {
  const memories = [
    { name: 'state', is64: false, shared: false },
    ...memoriesOf(shape).map((memory, index) => ({ name: `memory${index}`, ...memory })),
  ];
  return assemble(memories, [loopFunction(instructions, 'run'), loopFunction(instructions, 'step')]);
}

const save = (reason: number): Code => [
  [i32Const(0), get(PC), OP.i32Store, memarg(0, STATE_PC)],
  [i32Const(0), get(FP), OP.i32Store, memarg(0, STATE_FP)],
  [i32Const(0), get(GAS), OP.i32Store, memarg(0, STATE_GAS)],
  [i32Const(reason), RETURN],
];

/** As long as memories have 2^32 bytes at the most, 8 bytes at the last address are beyond any. */
const trapOutOfBounds: Code = [i32Const(-1), OP.i64Load, memarg(1, 0xffff_ffff), 0x1a, UNREACHABLE];
const trapOutOfBounds64: Code = [0x42, 0x7f, OP.i64Load, memarg(1, 0xffff_ffff), 0x1a, UNREACHABLE];

/**
 * Blocks one in another, the first handler behind the innermost: a dispatch leaves as many as the handler's number.
 */
function nest(dispatch: Code, handlers: readonly Code[]): Code {
  return handlers.reduce((inner, handler) => [block(inner), handler], dispatch);
}

function loopFunction(instructions: InstructionSet, name: 'run' | 'step'): AssembledFunction {
  const { operations } = instructions;
  const hot = operations.filter(({ bank }) => bank === 'hot');
  const banks = BANKS.filter((bank) => bank !== 'hot');
  const blocks = hot.length + banks.length;
  const labelOf = (operation: Operation, code: number): number =>
    operation.bank === 'hot' ? code : hot.length + banks.indexOf(operation.bank);
  const dispatch = [[get(PC), OP.i32Load16U, memarg(0)], brTable(operations.map(labelOf), hot.length)];
  // Behind its own block a handler is in as many blocks as there are handlers after it.
  const handlers = hot.map((operation, index) => operation.emit(new Handler(operation, labelsAt(blocks - index - 1))));
  const bankCalls = banks.map((bank, index) => {
    const depth = banks.length - index - 1;
    if (bank === 'system') return br(labelsAt(depth).system);
    return bankDispatch(instructions, bank, depth);
  });
  const body = nest(dispatch, [...handlers, ...bankCalls]);
  return {
    parameters: [I32, I32, I32],
    results: [I32],
    locals: SCRATCH,
    exportName: name,
    body: [
      block(
        block(
          block(
            block(name === 'run' ? loop(body, UNREACHABLE) : block(body, UNREACHABLE), save(LEFT.stepped)),
            save(LEFT.fuel),
          ),
          save(LEFT.system),
        ),
        save(LEFT.stackOverflow),
      ),
      instructions.is64 ? trapOutOfBounds64 : trapOutOfBounds,
    ],
  };
}

/** @param next how deep the loop's own label is */
const labelsAt = (next: number): Labels => ({
  next,
  fuel: next + 1,
  system: next + 2,
  stackOverflow: next + 3,
  outOfBounds: next + 4,
});

function bankDispatch({ operations }: InstructionSet, bank: string, depth: number): Code {
  const first = operations.findIndex((operation) => operation.bank === bank);
  const own = operations.filter((operation) => operation.bank === bank);
  if (own.length === 0) return UNREACHABLE;
  const handlers = own.map((operation, index) =>
    operation.emit(new Handler(operation, labelsAt(depth + own.length - index - 1))),
  );
  const dispatch = [
    [i32Const(0), get(PC), OP.i32Store, memarg(0, STATE_PC)],
    [get(PC), OP.i32Load16U, memarg(0), i32Const(first), OP.i32Sub],
    brTable(
      own.map((_, index) => index),
      own.length - 1,
    ),
  ];
  return nest(dispatch, handlers);
}
