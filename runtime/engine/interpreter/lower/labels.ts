import type { ValueType } from '../../../wasm/types.ts';
import type { Target } from './encoder.ts';

/** Where an exception goes on that came out of a range of a function's code. */
export interface Handler {
  /** The tag that it catches, by its address; undefined for all. */
  readonly tag: number | undefined;
  readonly target: Target;
  /** The slot from which on the payload is put. */
  readonly slot: number;
  /** Whether the exception itself is put, too: behind the payload (exnref), or before it (for rethrow). */
  readonly reference: 'none' | 'behind' | 'before';
}

export interface ProtectedRange {
  /** Offsets in the code. */
  readonly start: number;
  end: number;
  /** How many blocks are around. */
  readonly depth: number;
  readonly handlers: Handler[];
  /** Of a delegating try: the block to whose handlers it delegates, by how many blocks are around that. */
  delegate: number | undefined;
}

export type LabelKind = 'function' | 'block' | 'loop' | 'if' | 'else' | 'try_table' | 'try' | 'catch';

/** A block that is open. */
export interface Label {
  kind: LabelKind;
  readonly parameters: readonly ValueType[];
  readonly results: readonly ValueType[];
  /** Entries of the operand stack below its parameters. */
  readonly height: number;
  /** The home of the first of its parameters or results. */
  readonly home: number;
  /** Where a branch to it goes. */
  readonly target: Target;
  /** Of an if: where it goes on when the condition is false. */
  readonly otherwise: Target | undefined;
  /** Of try_table and try. */
  range: ProtectedRange | undefined;
  /** Whether a catch clause branches to it, by code that is written behind the function. */
  awaited: boolean;
}

/** What a branch to the label takes along. */
export const branchTypes = ({ kind, parameters, results }: Label): readonly ValueType[] =>
  kind === 'loop' ? parameters : results;
