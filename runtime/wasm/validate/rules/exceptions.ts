import type { Catch } from '../../instructions.ts';
import { invalid } from '../../module-error.ts';
import { EXN, EXNREF, refType, type ValueType } from '../../types.ts';
import type { CodeValidator } from '../code.ts';
import { block, expectLabel } from './control.ts';
import type { Rules } from './rule.ts';

/** Core specification, "Validation", Instructions: exceptions; and the legacy ones, as V8 has them. */
export const EXCEPTION_RULES: Rules = {
  throw: ({ stack, context, reader }) => {
    stack.popAll(context.tag(reader.index, reader.start).parameters);
    stack.setUnreachable();
  },
  throw_ref: ({ stack, context, reader }) => {
    context.useExceptions('exnref', reader.start);
    stack.pop(EXNREF);
    stack.setUnreachable();
  },
  try_table: (code) => {
    code.context.useExceptions('exnref', code.reader.start);
    for (const clause of code.reader.catches) checkCatch(code, clause);
    block('try_table')(code);
  },
  try: (code) => {
    code.context.useExceptions('legacy', code.reader.start);
    block('try')(code);
  },
  catch: (code) => {
    const { results } = leaveTryOrCatch(code);
    const { parameters } = code.context.tag(code.reader.index, code.reader.start);
    code.enter('catch', [], results);
    code.stack.pushAll(parameters);
  },
  catch_all: (code) => {
    const { results } = leaveTryOrCatch(code);
    code.enter('catch_all', [], results);
  },
  delegate: (code) => {
    const { kind, results } = code.leave();
    if (kind !== 'try') invalid('delegate without try', code.reader.start);
    code.stack.label(code.reader.index);
    code.stack.pushAll(results);
  },
  rethrow: ({ stack, reader }) => {
    const { kind } = stack.label(reader.index);
    if (kind !== 'catch' && kind !== 'catch_all') invalid('invalid rethrow label', reader.start);
    stack.setUnreachable();
  },
};

/** Where a clause leads, there must be room for what it brings: the tag's values, and the exception itself. */
function checkCatch(code: CodeValidator, { kind, tag, label }: Catch): void {
  const values: readonly ValueType[] = tag === undefined ? [] : code.context.tag(tag, code.reader.start).parameters;
  const exception = kind === 'catch_ref' || kind === 'catch_all_ref' ? [refType(false, EXN)] : [];
  expectLabel(code, label, [...values, ...exception]);
}

function leaveTryOrCatch(code: CodeValidator): ReturnType<CodeValidator['leave']> {
  const frame = code.leave();
  if (frame.kind !== 'try' && frame.kind !== 'catch') invalid('catch without try', code.reader.start);
  return frame;
}
