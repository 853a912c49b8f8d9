import { InstructionReader } from '../../../wasm/instructions.ts';
import type { Expression, Module } from '../../../wasm/module.ts';
import type { Constant } from '../lower/values.ts';

/** What constant expressions can refer to. */
export interface ConstantScope {
  readonly module: Module;
  /** The value of a global, as bits. */
  globalValue(index: number): Constant;
  /** The record of a function. */
  function(index: number): number;
}

const dataOf = ({ raw }: InstructionReader): DataView => new DataView(raw.buffer, raw.byteOffset, raw.byteLength);

type Step = (reader: InstructionReader, scope: ConstantScope, stack: Constant[]) => void;

const push =
  (value: (reader: InstructionReader, scope: ConstantScope) => Constant): Step =>
  (reader, scope, stack) =>
    void stack.push(value(reader, scope));

function binary32(compute: (a: number, b: number) => number): Step {
  return (_reader, _scope, stack) => {
    const [b, a] = [stack.pop(), stack.pop()];
    stack.push(compute(Number(a), Number(b)) | 0);
  };
}

function binary64(compute: (a: bigint, b: bigint) => bigint): Step {
  return (_reader, _scope, stack) => {
    const [b, a] = [stack.pop(), stack.pop()] as bigint[];
    stack.push(BigInt.asIntN(64, compute(a ?? 0n, b ?? 0n)));
  };
}

/** Core specification 3.0, "Constant Expressions". */
const STEPS: ReadonlyMap<string, Step> = new Map([
  ['i32.const', push(({ i32 }) => i32)],
  ['i64.const', push(({ i64 }) => i64)],
  ['f32.const', push((reader) => dataOf(reader).getInt32(0, true))],
  ['f64.const', push((reader) => dataOf(reader).getBigInt64(0, true))],
  ['v128.const', push(({ raw }) => raw.slice())],
  ['ref.null', push(() => 0)],
  ['ref.func', push(({ index }, scope) => scope.function(index))],
  ['global.get', push(({ index }, scope) => scope.globalValue(index))],
  ['i32.add', binary32((a, b) => a + b)],
  ['i32.sub', binary32((a, b) => a - b)],
  ['i32.mul', binary32(Math.imul)],
  ['i64.add', binary64((a, b) => a + b)],
  ['i64.sub', binary64((a, b) => a - b)],
  ['i64.mul', binary64((a, b) => a * b)],
]);

/** The value of a constant expression of a validated module, as bits. */
export function evaluate(expression: Expression, scope: ConstantScope): Constant {
  const reader = new InstructionReader(scope.module.bytes, expression.start, expression.end);
  const stack: Constant[] = [];
  for (;;) {
    const { name } = reader.next();
    if (name === 'end') break;
    const step = STEPS.get(name);
    if (step === undefined) throw new RangeError(`${name} is no constant instruction`);
    step(reader, scope, stack);
  }
  return stack[0] ?? 0;
}
