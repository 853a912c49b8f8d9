import { invalid } from '../../module-error.ts';
import { heapOf, I32, isRef, refType, typeName, type ValueType } from '../../types.ts';
import type { CodeValidator } from '../code.ts';
import { addressOf, narrower } from '../context.ts';
import { labelTypes } from '../stack.ts';
import { UNKNOWN } from '../type-space.ts';
import type { Rules } from './rule.ts';

/** Takes a reference of any type. @returns UNKNOWN in unreachable code */
function popReference({ stack, reader }: CodeValidator): ValueType {
  const type = stack.popAny();
  if (type !== UNKNOWN && !isRef(type)) invalid('type mismatch', reader.start, `no reference: ${typeName(type)}`);
  return type;
}

const withoutNull = (type: ValueType): ValueType => (type === UNKNOWN ? UNKNOWN : refType(false, heapOf(type)));

/** Core specification, "Validation", Instructions: references, tables and bulk copies. */
export const REFERENCE_RULES: Rules = {
  'ref.null': ({ context, reader, stack }) => {
    context.checkHeapType(reader.heapType, reader.start);
    stack.push(refType(true, reader.heapType));
  },
  'ref.is_null': (code) => {
    popReference(code);
    code.stack.push(I32);
  },
  'ref.func': ({ context, reader, stack }) => {
    const type = context.typeOfFunction(reader.index, reader.start);
    if (!context.declared.has(reader.index)) {
      invalid('undeclared function reference', reader.start, String(reader.index));
    }
    stack.push(refType(false, type));
  },
  'ref.as_non_null': (code) => {
    code.stack.push(withoutNull(popReference(code)));
  },
  br_on_null: (code) => {
    const { stack, reader } = code;
    const type = popReference(code);
    const types = labelTypes(stack.label(reader.index));
    stack.popAll(types);
    stack.pushAll(types);
    stack.push(withoutNull(type));
  },
  br_on_non_null: (code) => {
    const { stack, reader } = code;
    const type = withoutNull(popReference(code));
    const types = labelTypes(stack.label(reader.index));
    const last = types.at(-1);
    if (last === undefined || !isRef(last)) {
      invalid('type mismatch', reader.start, `label ${reader.index} takes no reference`);
    }
    if (!code.context.types.matches(type, last)) stack.mismatch(last, type);
    const others = types.slice(0, -1);
    stack.popAll(others);
    stack.pushAll(others);
  },
  'table.get': ({ context, reader, stack }) => {
    const table = context.table(reader.index, reader.start);
    stack.pop(addressOf(table));
    stack.push(table.element);
  },
  'table.set': ({ context, reader, stack }) => {
    const table = context.table(reader.index, reader.start);
    stack.pop(table.element);
    stack.pop(addressOf(table));
  },
  'table.grow': ({ context, reader, stack }) => {
    const table = context.table(reader.index, reader.start);
    stack.popAll([table.element, addressOf(table)]);
    stack.push(addressOf(table));
  },
  'table.fill': ({ context, reader, stack }) => {
    const table = context.table(reader.index, reader.start);
    stack.popAll([addressOf(table), table.element, addressOf(table)]);
  },
  'table.copy': ({ context, reader, stack }) => {
    const target = context.table(reader.index, reader.start);
    const source = context.table(reader.index2, reader.start);
    if (!context.types.matches(source.element, target.element)) stack.mismatch(target.element, source.element);
    const [to, from] = [addressOf(target), addressOf(source)];
    stack.popAll([to, from, narrower(to, from)]);
  },
  'memory.copy': ({ context, reader, stack }) => {
    const to = addressOf(context.memory(reader.index, reader.start));
    const from = addressOf(context.memory(reader.index2, reader.start));
    stack.popAll([to, from, narrower(to, from)]);
  },
};
