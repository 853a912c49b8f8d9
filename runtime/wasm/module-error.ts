import { WasmletError } from '../../base/errors.ts';

/**
 * What is wrong with a module: `malformed` bytes are none of the binary format, an `invalid` module breaks a typing
 * rule, an `unsupported` one uses a proposal that wasmlet names and does not offer.
 */
export type ModuleFault = 'malformed' | 'invalid' | 'unsupported';

/** Why bytes are no module that can be run: the rule in the specification's own words, and where it is broken. */
export class ModuleError extends WasmletError {
  readonly fault: ModuleFault;
  /** The rule, as the specification's tests word it: 'unexpected end', 'type mismatch', … */
  readonly rule: string;
  /** Byte offset in the module. */
  readonly offset: number;

  /** @param detail what was found and what was expected, where the rule alone does not tell */
  constructor(fault: ModuleFault, rule: string, offset: number, detail?: string) {
    const text = detail === undefined ? rule : `${rule}: ${detail}`;
    super('InvalidArgument', `not a valid Wasm module: ${text} (at offset ${offset})`);
    this.name = 'ModuleError';
    this.fault = fault;
    this.rule = rule;
    this.offset = offset;
  }
}

/** @returns never; for use as an expression */
export function malformed(rule: string, offset: number, detail?: string): never {
  throw new ModuleError('malformed', rule, offset, detail);
}

/** @returns never; for use as an expression */
export function invalid(rule: string, offset: number, detail?: string): never {
  throw new ModuleError('invalid', rule, offset, detail);
}

/** @returns never; for use as an expression */
export function unsupported(what: string, offset: number): never {
  throw new ModuleError('unsupported', `${what} is not supported`, offset);
}
