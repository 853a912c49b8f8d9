import { invalid } from '../module-error.ts';
import { InstructionReader } from '../instructions.ts';
import type { Expression, Module } from '../module.ts';
import { opcodeByName } from '../opcodes.ts';
import type { Opcode } from '../opcodes/opcode.ts';
import type { ValueType } from '../types.ts';
import { CodeValidator } from './code.ts';
import type { ModuleContext } from './context.ts';
import { Locals } from './locals.ts';

const code = (name: string): number => opcodeByName(name).code;
const GLOBAL_GET = code('global.get');
const REF_FUNC = code('ref.func');
/** Core specification, "Validation", Constant Expressions (with extended const). */
const CONSTANT = new Set(
  [
    ...['i32.const', 'i64.const', 'f32.const', 'f64.const', 'v128.const', 'ref.null', 'ref.func', 'global.get', 'end'],
    ...['i32.add', 'i32.sub', 'i32.mul', 'i64.add', 'i64.sub', 'i64.mul'],
  ].map(code),
);

const NO_LOCALS = new Locals([], []);

/**
 * That an expression is constant and gives one value of the type.
 * @param globals how many globals it may read: those before it
 */
export function validateConstant(
  context: ModuleContext,
  expression: Expression,
  type: ValueType,
  globals: number,
): void {
  new CodeValidator(context, expression, NO_LOCALS, [type]).run((code, opcode) =>
    requireConstant(code, opcode, globals),
  );
}

function requireConstant({ reader, context }: CodeValidator, { code, name }: Opcode, globals: number): void {
  if (!CONSTANT.has(code)) invalid('constant expression required', reader.start, name);
  if (code !== GLOBAL_GET) return;
  if (reader.index >= globals) invalid('unknown global', reader.start, String(reader.index));
  if (context.global(reader.index, reader.start).mutable) {
    invalid('constant expression required', reader.start, 'a global that changes');
  }
}

/** Functions that a constant expression names. */
export function functionsNamedIn({ bytes }: Module, { start, end }: Expression): number[] {
  const reader = new InstructionReader(bytes, start, end);
  const found: number[] = [];
  while (!reader.atEnd) if (reader.next().code === REF_FUNC) found.push(reader.index);
  return found;
}
