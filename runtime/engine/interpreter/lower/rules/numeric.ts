import type { Opcode } from '../../../../wasm/opcodes/opcode.ts';
import { F32, F64, I32, I64, V128, type ValueType } from '../../../../wasm/types.ts';
import { mirrored, negated } from '../comparisons.ts';
import type { Lowering } from '../function.ts';
import type { Operand } from '../values.ts';

/** A constant that an operation can hold: 32 bits, extended by their sign. */
function smallConstant({ constant }: Operand): number | undefined {
  if (typeof constant === 'number') return constant;
  if (typeof constant === 'bigint' && BigInt.asIntN(32, constant) === constant) return Number(constant);
  return undefined;
}

const COMMUTATIVE = new Set(['add', 'mul', 'and', 'or', 'xor', 'eq', 'ne']);

/** Operations that may wait until it is known what their result is for: they have no effect, and no cost if it is never used. */
const isPending = (operation: string): boolean => operation.includes('.add') || negated(operation) !== undefined;

/** An integer operation on two operands: with a constant on the right where there is one. */
function integerBinary(opcode: Opcode): (lowering: Lowering) => void {
  const { name, signature } = opcode;
  const [prefix = '', verb = ''] = name.split('.');
  const result = signature?.results[0] ?? I32;
  return (lowering) => {
    const { encoder, stack } = lowering;
    let right = stack.pop();
    let left = stack.pop();
    let operation = name;
    if (smallConstant(left) !== undefined && smallConstant(right) === undefined) {
      const other = COMMUTATIVE.has(verb) ? name : mirrored(name);
      if (other !== undefined) {
        [left, right] = [right, left];
        operation = other;
      }
    }
    let constant = smallConstant(right);
    if (verb === 'sub' && constant !== undefined && constant !== -0x8000_0000) {
      operation = `${prefix}.add`;
      constant = constant === 0 ? 0 : -constant;
    }
    if (constant !== undefined && encoder.has(`${operation}:i`)) operation += ':i';
    else if (right.constant !== undefined && encoder.has(`${operation}:c`)) {
      const a = stack.use(left);
      encoder.emit(`${operation}:c`, lowering.push(result), a, right.constant);
      return;
    } else constant = undefined;
    emitBinary(lowering, { operation, left, right, constant, result });
  };
}

interface Binary {
  readonly operation: string;
  readonly left: Operand;
  readonly right: Operand;
  readonly constant: number | undefined;
  readonly result: ValueType;
}

function emitBinary(lowering: Lowering, { operation, left, right, constant, result }: Binary): void {
  const { encoder, stack } = lowering;
  const a = stack.use(left);
  const b = constant ?? stack.use(right);
  if (isPending(operation)) stack.pushPending(result, { operation, a: left, b: constant ?? right });
  else encoder.emit(operation, lowering.push(result), a, b);
}

function eqz(prefix: string): (lowering: Lowering) => void {
  return (lowering) => {
    const { stack } = lowering;
    const operand = stack.pop();
    const { pending } = operand;
    const inverse = pending === undefined ? undefined : negated(pending.operation);
    if (pending !== undefined && inverse !== undefined) stack.pushPending(I32, { ...pending, operation: inverse });
    else {
      stack.use(operand);
      stack.pushPending(I32, { operation: `${prefix}.eq:i`, a: operand, b: 0 });
    }
  };
}

/** Conversions that change no bits of a slot. */
function reinterpret(type: ValueType): (lowering: Lowering) => void {
  return (lowering) => {
    const { stack } = lowering;
    const operand = stack.pop();
    if (operand.constant !== undefined) stack.pushConstant(type, operand.constant);
    else {
      stack.use(operand);
      stack.pushAgain({ ...operand, type });
    }
  };
}

/** An instruction that only computes. */
export function numeric(opcode: Opcode): (lowering: Lowering) => void {
  const { name, signature, immediates } = opcode;
  const result = signature?.results[0] ?? I32;
  const count = signature?.parameters.length ?? 0;
  if (count === 2 && /^i(32|64)\./.test(name)) return integerBinary(opcode);
  if (immediates[0] === 'lane') return lane(opcode);
  return (lowering) => {
    const { encoder, stack } = lowering;
    const constant = count === 2 && encoder.has(`${name}:c`) ? stack.peek()?.constant : undefined;
    if (constant !== undefined) stack.pop();
    const registers = lowering.take(constant === undefined ? count : 1);
    if (constant === undefined) encoder.emit(name, lowering.push(result), ...registers);
    else encoder.emit(`${name}:c`, lowering.push(result), ...registers, constant);
  };
}

/** An instruction on one lane, which is named by its byte offset in the slot. */
function lane({ name, signature, lanes }: Opcode): (lowering: Lowering) => void {
  const result = signature?.results[0] ?? I32;
  const count = signature?.parameters.length ?? 1;
  return (lowering) => {
    const registers = lowering.take(count);
    const offset = lowering.reader.lane * (16 / lanes);
    lowering.encoder.emit(name, lowering.push(result), ...registers, offset);
  };
}

const dataOf = ({ reader: { raw } }: Lowering): DataView => new DataView(raw.buffer, raw.byteOffset, raw.byteLength);

export const NUMERIC_RULES: readonly (readonly [string, (lowering: Lowering) => void])[] = [
  ['i32.const', ({ stack, reader }) => stack.pushConstant(I32, reader.i32)],
  ['i64.const', ({ stack, reader }) => stack.pushConstant(I64, reader.i64)],
  ['f32.const', (lowering) => lowering.stack.pushConstant(F32, dataOf(lowering).getInt32(0, true))],
  ['f64.const', (lowering) => lowering.stack.pushConstant(F64, dataOf(lowering).getBigInt64(0, true))],
  ['v128.const', ({ stack, reader }) => stack.pushConstant(V128, reader.raw.slice())],
  ['i32.eqz', eqz('i32')],
  ['i64.eqz', eqz('i64')],
  ['i32.reinterpret_f32', reinterpret(I32)],
  ['i64.reinterpret_f64', reinterpret(I64)],
  ['f32.reinterpret_i32', reinterpret(F32)],
  ['f64.reinterpret_i64', reinterpret(F64)],
  [
    'i8x16.shuffle',
    (lowering) => {
      const lanes = lowering.reader.raw.slice();
      const [a = 0, b = 0] = lowering.take(2);
      lowering.encoder.emit('i8x16.shuffle', lowering.push(V128), a, b, lanes);
    },
  ],
];
