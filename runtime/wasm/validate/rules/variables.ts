import { invalid } from '../../module-error.ts';
import { I32, isRef, typeName } from '../../types.ts';
import type { CodeValidator } from '../code.ts';
import { UNKNOWN } from '../type-space.ts';
import type { Rules } from './rule.ts';

/** Core specification, "Validation", Instructions: parametric and variable instructions. */
export const VARIABLE_RULES: Rules = {
  drop: ({ stack }) => {
    stack.popAny();
  },
  select,
  select_typed: ({ context, reader, stack }) => {
    const [type] = reader.types;
    if (type === undefined || reader.types.length !== 1) invalid('invalid result arity', reader.start);
    context.checkValueType(type, reader.start);
    stack.popAll([type, type, I32]);
    stack.push(type);
  },
  'local.get': (code) => {
    const type = code.local();
    const { index, start } = code.reader;
    if (!code.locals.hasValue(index, type)) invalid('uninitialized local', start, String(index));
    code.stack.push(type);
  },
  'local.set': (code) => {
    const type = code.local();
    code.stack.pop(type);
    code.locals.give(code.reader.index, type);
  },
  'local.tee': (code) => {
    const type = code.local();
    code.stack.pop(type);
    code.stack.push(type);
    code.locals.give(code.reader.index, type);
  },
  'global.get': ({ context, reader, stack }) => {
    stack.push(context.global(reader.index, reader.start).type);
  },
  'global.set': ({ context, reader, stack }) => {
    const { type, mutable } = context.global(reader.index, reader.start);
    if (!mutable) invalid('immutable global', reader.start, String(reader.index));
    stack.pop(type);
  },
};

/** Without a type it is for numbers and vectors alone. */
function select({ stack, reader }: CodeValidator): void {
  stack.pop(I32);
  const second = stack.popAny();
  const first = stack.popAny();
  const type = first === UNKNOWN ? second : first;
  if (isRef(first) || isRef(second))
    invalid('type mismatch', reader.start, `select of ${typeName(type)} names no type`);
  if (second !== UNKNOWN && second !== type) stack.mismatch(type, second);
  stack.push(type);
}
