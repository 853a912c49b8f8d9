import type { Opcode } from '../../../../wasm/opcodes/opcode.ts';
import { I32, I64 } from '../../../../wasm/types.ts';
import { SAME_ACCESS, suffix } from '../../core/operations/memory.ts';
import type { Lowering } from '../function.ts';
import { type Operand, registerOf } from '../values.ts';

const WAITING = /^memory\.atomic\./;

const addressTypeOf = ({ module }: Lowering, memory: number): number =>
  module.memories[memory]?.type.is64 === true ? I64 : I32;

/** How an access of the first memory can make its address itself. */
interface Address {
  readonly variant: '' | ':add' | ':wrap';
  readonly registers: readonly number[];
  /** The constant in place of the offset. */
  readonly offset: number;
}

/** An addition that is not written yet becomes part of the access. */
function addressOf({ encoder, reader, stack }: Lowering, address: Operand, base: string): Address {
  const { memory, offsetLow, offsetHigh } = reader;
  const { pending } = address;
  if (pending !== undefined && memory === 0 && offsetHigh === 0 && encoder.has(`${base}:wrap`)) {
    const { operation, a, b } = pending;
    if (typeof b === 'number' && /^i(32|64)\.add:i$/.test(operation) && offsetLow === 0) {
      return { variant: ':wrap', registers: [stack.use(a)], offset: b };
    }
    if (typeof b !== 'number' && /^i(32|64)\.add$/.test(operation)) {
      return { variant: ':add', registers: [stack.use(a), stack.use(b)], offset: offsetLow };
    }
  }
  return { variant: '', registers: [stack.use(address)], offset: offsetHigh === 0 ? offsetLow : 0 };
}

/** A load or store, plain or atomic, of any memory. */
export function memoryAccess(opcode: Opcode): (lowering: Lowering) => void {
  const { signature, immediates, bytes } = opcode;
  const values = (signature?.parameters.length ?? 1) - 1;
  const result = signature?.results[0];
  const base = SAME_ACCESS.get(opcode.name) ?? opcode.name;
  const hasLane = immediates.includes('lane');
  const waits = WAITING.test(opcode.name);
  return (lowering) => {
    const { encoder, reader, stack } = lowering;
    const { memory, offsetLow, offsetHigh, lane } = reader;
    const operands = Array.from({ length: values }, () => stack.pop()).reverse();
    const address = stack.pop();
    const registers = operands.map((operand) => stack.use(operand));
    const { variant, registers: at, offset } = addressOf(lowering, address, base);
    let from = at;
    if (offsetHigh !== 0) {
      from = [registerOf(address.home)];
      encoder.emit('address:far', ...from, ...at, (BigInt(offsetHigh) << 32n) | BigInt(offsetLow));
    }
    const name = waits ? base : `${base}${variant}${suffix(memory)}`;
    const d = result === undefined ? [] : [lowering.push(result)];
    const tail = waits ? [memory] : hasLane ? [lane * bytes] : [];
    encoder.emit(name, ...d, ...from, ...registers, offset, ...tail);
  };
}

function copy(lowering: Lowering): void {
  const { encoder, reader } = lowering;
  const { index, index2 } = reader;
  const registers = lowering.take(3);
  if (index === index2) encoder.emit(`memory.copy${suffix(index)}`, ...registers);
  else encoder.emit('memory.copy:between', ...registers, index, index2);
}

export const MEMORY_RULES: readonly (readonly [string, (lowering: Lowering) => void])[] = [
  [
    'memory.size',
    (lowering) => {
      const { index } = lowering.reader;
      lowering.encoder.emit(`memory.size${suffix(index)}`, lowering.push(addressTypeOf(lowering, index)));
    },
  ],
  [
    'memory.grow',
    (lowering) => {
      const { index } = lowering.reader;
      const [n = 0] = lowering.take(1);
      lowering.encoder.emit('memory.grow', lowering.push(addressTypeOf(lowering, index)), n, index);
    },
  ],
  [
    'memory.fill',
    (lowering) => lowering.encoder.emit(`memory.fill${suffix(lowering.reader.index)}`, ...lowering.take(3)),
  ],
  ['memory.copy', copy],
  [
    'memory.init',
    (lowering) => {
      const { index, index2 } = lowering.reader;
      lowering.encoder.emit('memory.init', ...lowering.take(3), index, index2);
    },
  ],
  ['data.drop', ({ encoder, reader }) => encoder.emit('data.drop', reader.index)],
  ['atomic.fence', () => undefined],
];
