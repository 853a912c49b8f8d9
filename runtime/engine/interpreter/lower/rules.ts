import type { Opcode } from '../../../wasm/opcodes/opcode.ts';
import type { Lowering } from './function.ts';
import { CALL_RULES } from './rules/calls.ts';
import { CONTROL_RULES } from './rules/control.ts';
import { EXCEPTION_RULES } from './rules/exceptions.ts';
import { MEMORY_RULES, memoryAccess } from './rules/memory.ts';
import { numeric, NUMERIC_RULES } from './rules/numeric.ts';
import { REFERENCE_RULES } from './rules/references.ts';
import { VARIABLE_RULES } from './rules/variables.ts';

/** Lowers the instruction that the reader has just read. */
export type Rule = (lowering: Lowering) => void;

const NAMED: ReadonlyMap<string, Rule> = new Map([
  ...CONTROL_RULES,
  ...CALL_RULES,
  ...EXCEPTION_RULES,
  ...VARIABLE_RULES,
  ...REFERENCE_RULES,
  ...MEMORY_RULES,
  ...NUMERIC_RULES,
]);

const rules = new Map<Opcode, Rule>();

/** @throws RangeError for an instruction that validation lets through and nobody lowers: a fault of ours */
export function ruleFor(opcode: Opcode): Rule {
  let rule = rules.get(opcode);
  if (rule === undefined) rules.set(opcode, (rule = findRule(opcode)));
  return rule;
}

function findRule(opcode: Opcode): Rule {
  const named = NAMED.get(opcode.name);
  if (named !== undefined) return named;
  if (opcode.signature === undefined) throw new RangeError(`no rule lowers ${opcode.name}`);
  return opcode.immediates[0] === 'memarg' ? memoryAccess(opcode) : numeric(opcode);
}
