import { opcodeByName } from '../opcodes.ts';
import { CALL_RULES } from './rules/calls.ts';
import { CONTROL_RULES } from './rules/control.ts';
import { EXCEPTION_RULES } from './rules/exceptions.ts';
import { REFERENCE_RULES } from './rules/references.ts';
import type { Rule } from './rules/rule.ts';
import { VARIABLE_RULES } from './rules/variables.ts';

/** How instructions are validated whose type depends on their immediates or operands, by opcode. */
export const RULES: ReadonlyMap<number, Rule> = new Map(
  Object.entries({
    ...CONTROL_RULES,
    ...CALL_RULES,
    ...EXCEPTION_RULES,
    ...REFERENCE_RULES,
    ...VARIABLE_RULES,
  }).map(([name, rule]) => [opcodeByName(name).code, rule]),
);
