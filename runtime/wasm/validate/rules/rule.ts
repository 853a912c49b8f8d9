import type { CodeValidator } from '../code.ts';

/** Validates the instruction that `code.reader` stands on, and changes the stacks as it does. */
export type Rule = (code: CodeValidator) => void;

/** By the instruction's name. */
export type Rules = Readonly<Record<string, Rule>>;
