import type { Opcode } from '../../../../wasm/opcodes/opcode.ts';
import { I32, I64 } from '../../../../wasm/types.ts';
import { SAME_ACCESS, suffix } from '../../core/operations/memory.ts';
import type { Lowering } from '../function.ts';
import type { Operand } from '../values.ts';

const WAITING = /^memory\.atomic\./;

const addressTypeOf = ({ module }: Lowering, memory: number): number =>
  module.memories[memory]?.type.is64 === true ? I64 : I32;

/** The registers of an address: two when it is a sum that the access itself can make. */
function addressRegisters({ stack }: Lowering, address: Operand, summed: boolean): number[] {
  const { pending } = address;
  if (!summed || pending === undefined || typeof pending.b === 'number') return [stack.use(address)];
  return [stack.use(pending.a), stack.use(pending.b)];
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
    const far = offsetHigh !== 0;
    const summed =
      !far && /^i(32|64)\.add$/.test(address.pending?.operation ?? '') && memory === 0 && encoder.has(`${base}:add`);
    const at = addressRegisters(lowering, address, summed);
    const [only = 0] = at;
    if (far) {
      const offset = (BigInt(offsetHigh) << 32n) | BigInt(offsetLow);
      encoder.emit('address:far', address.home * 8, only, offset);
      at[0] = address.home * 8;
    }
    const name = waits ? base : `${base}${summed ? ':add' : ''}${suffix(memory)}`;
    const d = result === undefined ? [] : [lowering.push(result)];
    const tail = waits ? [memory] : hasLane ? [lane * bytes] : [];
    encoder.emit(name, ...d, ...at, ...registers, far ? 0 : offsetLow, ...tail);
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
