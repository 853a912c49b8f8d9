import { FUNCREF, I32, I64, refType } from '../../../../wasm/types.ts';
import { newTarget } from '../encoder.ts';
import type { Lowering } from '../function.ts';
import type { Operand } from '../values.ts';
import { conditionalBranch } from './control.ts';

/** Whether a reference is null, as a comparison that a branch can take over. @returns an operand that is not on the stack */
function isNull({ encoder, stack }: Lowering, reference: Operand): Operand {
  stack.use(reference);
  encoder.keep();
  const pending = { operation: 'i32.eq:i', a: reference, b: 0 };
  return { type: I32, home: reference.home, slot: undefined, constant: undefined, pending };
}

function brOnNull(lowering: Lowering): void {
  const { stack, reader } = lowering;
  const reference = stack.pop();
  conditionalBranch(lowering, isNull(lowering, reference), lowering.labelAt(reader.index));
  stack.pushAgain(reference);
}

function brOnNonNull(lowering: Lowering): void {
  const { stack, reader } = lowering;
  const reference = stack.peek();
  if (reference === undefined) return;
  stack.settle(reference);
  conditionalBranch(lowering, isNull(lowering, reference), lowering.labelAt(reader.index), true);
  stack.pop();
}

const addressType = (is64: boolean | undefined): number => (is64 === true ? I64 : I32);

/** Instructions on tables: JavaScript's, so their operands only need to be somewhere. */
function tableRule(name: string, operands: number, result: 'none' | 'element' | 'address') {
  return (lowering: Lowering): void => {
    const { reader, module, addresses, encoder } = lowering;
    const type = module.tables[reader.index]?.type;
    const registers = lowering.take(operands);
    const address = addresses.table(reader.index);
    if (result === 'none') encoder.emit(name, ...registers, address);
    else {
      const d = lowering.push(result === 'element' ? (type?.element ?? FUNCREF) : addressType(type?.is64));
      encoder.emit(name, d, ...registers, address);
    }
  };
}

export const REFERENCE_RULES: readonly (readonly [string, (lowering: Lowering) => void])[] = [
  ['ref.null', ({ stack, reader }) => stack.pushConstant(refType(true, reader.heapType), 0)],
  ['ref.func', ({ stack, reader, addresses }) => stack.pushConstant(FUNCREF, addresses.reference(reader.index))],
  [
    'ref.is_null',
    (lowering) => {
      const { pending } = isNull(lowering, lowering.stack.pop());
      if (pending !== undefined) lowering.stack.pushPending(I32, pending);
    },
  ],
  [
    'ref.as_non_null',
    (lowering) => {
      const { encoder, stack } = lowering;
      const reference = stack.pop();
      const fine = newTarget();
      const register = stack.use(reference);
      encoder.keep();
      encoder.emitBranch('br:i32.ne:i', fine, register, 0);
      encoder.emit('ref.as_non_null', register);
      encoder.bind(fine);
      stack.pushAgain(reference);
    },
  ],
  ['br_on_null', brOnNull],
  ['br_on_non_null', brOnNonNull],
  ['table.get', tableRule('table.get', 1, 'element')],
  ['table.set', tableRule('table.set', 2, 'none')],
  ['table.size', tableRule('table.size', 0, 'address')],
  ['table.grow', tableRule('table.grow', 2, 'address')],
  ['table.fill', tableRule('table.fill', 3, 'none')],
  [
    'table.copy',
    (lowering) => {
      const { index, index2 } = lowering.reader;
      const [to, from] = [lowering.addresses.table(index), lowering.addresses.table(index2)];
      lowering.encoder.emit('table.copy', ...lowering.take(3), to, from);
    },
  ],
  [
    'table.init',
    (lowering) => {
      const { index, index2 } = lowering.reader;
      lowering.encoder.emit('table.init', ...lowering.take(3), index, lowering.addresses.table(index2));
    },
  ],
  ['elem.drop', ({ encoder, reader }) => encoder.emit('elem.drop', reader.index)],
];
