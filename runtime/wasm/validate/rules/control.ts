import { invalid } from '../../module-error.ts';
import { I32, type ValueType } from '../../types.ts';
import type { CodeValidator } from '../code.ts';
import { type BlockKind, type Frame, labelTypes } from '../stack.ts';
import type { Rule, Rules } from './rule.ts';

/** Opens a block of the type that the instruction names. */
export function block(kind: BlockKind): Rule {
  return (code) => {
    const { parameters, results } = code.blockType();
    code.stack.popAll(parameters);
    code.enter(kind, parameters, results);
  };
}

/** Core specification, "Validation", Instructions, Control Instructions. */
export const CONTROL_RULES: Rules = {
  unreachable: ({ stack }) => stack.setUnreachable(),
  block: block('block'),
  loop: block('loop'),
  if: (code) => {
    code.stack.pop(I32);
    block('if')(code);
  },
  else: (code) => {
    const { kind, parameters, results } = code.leave();
    if (kind !== 'if') invalid('else without if', code.reader.start);
    code.enter('else', parameters, results);
  },
  end,
  br: ({ reader, stack }) => {
    stack.popAll(labelTypes(stack.label(reader.index)));
    stack.setUnreachable();
  },
  br_if: ({ reader, stack }) => {
    stack.pop(I32);
    const types = labelTypes(stack.label(reader.index));
    stack.popAll(types);
    stack.pushAll(types);
  },
  br_table: branchTable,
  return: ({ stack, results }) => {
    stack.popAll(results);
    stack.setUnreachable();
  },
};

function end(code: CodeValidator): void {
  const frame = code.leave();
  if (frame.kind === 'if') checkWithoutElse(code, frame);
  if (code.stack.frames.length > 0) code.stack.pushAll(frame.results);
}

/** An if without else gives back what it takes. */
function checkWithoutElse(code: CodeValidator, { parameters, results }: Frame): void {
  code.enter('else', parameters, results);
  code.leave();
}

function branchTable({ reader, stack }: CodeValidator): void {
  stack.pop(I32);
  const labels = reader.labels;
  const arity = labelTypes(stack.label(labels.at(-1) ?? 0)).length;
  // Tables are long and name few labels: each is looked at once.
  for (const depth of new Set(labels)) {
    const types = labelTypes(stack.label(depth));
    if (types.length !== arity) invalid('type mismatch', reader.start, 'labels of a branch table differ in arity');
    stack.expectOnTop(types);
  }
  stack.popAll(labelTypes(stack.label(labels.at(-1) ?? 0)));
  stack.setUnreachable();
}

/** That values of these types can be what the label wants. */
export function expectLabel(code: CodeValidator, depth: number, types: readonly ValueType[]): void {
  const expected = labelTypes(code.stack.label(depth));
  const matching = (type: ValueType, index: number): boolean => code.context.types.matches(type, expected[index] ?? -1);
  if (types.length !== expected.length || !types.every(matching)) {
    invalid('type mismatch', code.reader.start, `label ${depth} takes other types`);
  }
}
