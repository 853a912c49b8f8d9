import { type FunctionType, I64 } from '../../../../wasm/types.ts';
import { newTarget } from '../encoder.ts';
import type { Lowering } from '../function.ts';
import { headerSlot, type Operand, registerOf, slotsOfAll } from '../values.ts';

const headerOf = ({ parameters, results }: FunctionType): number => registerOf(headerSlot(parameters, results));

/**
 * The register of a table's index, as 32 bits: with table64 what does not fit becomes the largest, which is beyond any
 * table.
 */
function tableIndex(lowering: Lowering, index: Operand): number {
  const { encoder, stack } = lowering;
  if (index.type !== I64) return stack.use(index);
  stack.compute(index, index.home);
  encoder.keep();
  const register = registerOf(index.home);
  const upper = registerOf(index.home + 1);
  const fits = newTarget();
  encoder.emit('i64.shr_u:i', upper, register, 32);
  encoder.emitBranch('br:i64.eq:i', fits, upper, 0);
  encoder.emit('const:32', register, -1);
  encoder.bind(fits);
  return register;
}

function call(lowering: Lowering): void {
  const { encoder, reader, stack, addresses } = lowering;
  const callee = reader.index;
  const type = lowering.functionType(callee);
  const base = lowering.takeArguments(type.parameters);
  encoder.emit('call', addresses.function(callee), base, headerOf(type));
  stack.pushAll(type.results);
}

function callIndirect(lowering: Lowering): void {
  const { encoder, reader, stack, addresses } = lowering;
  const { index: typeIndex, index2: table } = reader;
  const type = lowering.typeAt(typeIndex);
  const index = tableIndex(lowering, stack.pop());
  const base = lowering.takeArguments(type.parameters);
  encoder.emit(
    'call_indirect',
    ...[index, base, headerOf(type), addresses.table(table), addresses.typeInstance(typeIndex)],
  );
  stack.pushAll(type.results);
}

function callRef(lowering: Lowering): void {
  const { encoder, reader, stack, addresses } = lowering;
  const typeIndex = reader.index;
  const type = lowering.typeAt(typeIndex);
  const callee = stack.use(stack.pop());
  const base = lowering.takeArguments(type.parameters);
  encoder.emit('call_ref', callee, base, headerOf(type), addresses.typeInstance(typeIndex));
  stack.pushAll(type.results);
}

/** Arguments of a tail call: where they begin, and how many bytes they are. */
function tailArguments(lowering: Lowering, { parameters }: FunctionType): [base: number, size: number, header: number] {
  const base = lowering.takeArguments(parameters);
  return [base, registerOf(slotsOfAll(parameters)), registerOf(lowering.header)];
}

function returnCall(lowering: Lowering): void {
  const { encoder, reader, addresses } = lowering;
  const callee = reader.index;
  const tail = tailArguments(lowering, lowering.functionType(callee));
  encoder.emit('return_call', addresses.function(callee), ...tail);
  lowering.die();
}

function returnCallIndirect(lowering: Lowering): void {
  const { encoder, reader, stack, addresses } = lowering;
  const { index: typeIndex, index2: table } = reader;
  const index = tableIndex(lowering, stack.pop());
  const tail = tailArguments(lowering, lowering.typeAt(typeIndex));
  const type = addresses.typeInstance(typeIndex);
  encoder.emit('return_call_indirect', index, ...tail, addresses.table(table), type);
  lowering.die();
}

function returnCallRef(lowering: Lowering): void {
  const { encoder, reader, stack, addresses } = lowering;
  const typeIndex = reader.index;
  const callee = stack.use(stack.pop());
  const tail = tailArguments(lowering, lowering.typeAt(typeIndex));
  encoder.emit('return_call_ref', callee, ...tail, addresses.typeInstance(typeIndex));
  lowering.die();
}

export const CALL_RULES: readonly (readonly [string, (lowering: Lowering) => void])[] = [
  ['call', call],
  ['call_indirect', callIndirect],
  ['call_ref', callRef],
  ['return_call', returnCall],
  ['return_call_indirect', returnCallIndirect],
  ['return_call_ref', returnCallRef],
];
