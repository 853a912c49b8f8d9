import { invalid } from '../../module-error.ts';
import { FUNCREF, type FunctionType, refType, typeNames } from '../../types.ts';
import type { CodeValidator } from '../code.ts';
import { addressOf } from '../context.ts';
import type { Rules } from './rule.ts';

function call({ stack }: CodeValidator, { parameters, results }: FunctionType): void {
  stack.popAll(parameters);
  stack.pushAll(results);
}

/** A tail call: the callee's results are the caller's. */
function returnCall({ stack, context, results, reader }: CodeValidator, callee: FunctionType): void {
  const fits =
    callee.results.length === results.length &&
    callee.results.every((type, index) => context.types.matches(type, results[index] ?? -1));
  if (!fits) {
    const detail = `expected ${typeNames(results)}, callee returns ${typeNames(callee.results)}`;
    invalid('type mismatch', reader.start, detail);
  }
  stack.popAll(callee.parameters);
  stack.setUnreachable();
}

/** Takes the element's address from the stack. */
function calleeInTable({ reader, context, stack }: CodeValidator): FunctionType {
  const table = context.table(reader.index2, reader.start);
  if (!context.types.matches(table.element, FUNCREF)) stack.mismatch(FUNCREF, table.element);
  const type = context.types.at(reader.index, reader.start);
  stack.pop(addressOf(table));
  return type;
}

/** Takes the reference from the stack. */
function calleeByReference({ reader, context, stack }: CodeValidator): FunctionType {
  const type = context.types.at(reader.index, reader.start);
  stack.pop(refType(true, reader.index));
  return type;
}

/** Core specification, "Validation", Instructions: calls, and the tail calls that go with them. */
export const CALL_RULES: Rules = {
  call: (code) => call(code, code.context.functionType(code.reader.index, code.reader.start)),
  return_call: (code) => returnCall(code, code.context.functionType(code.reader.index, code.reader.start)),
  call_indirect: (code) => call(code, calleeInTable(code)),
  return_call_indirect: (code) => returnCall(code, calleeInTable(code)),
  call_ref: (code) => call(code, calleeByReference(code)),
  return_call_ref: (code) => returnCall(code, calleeByReference(code)),
};
