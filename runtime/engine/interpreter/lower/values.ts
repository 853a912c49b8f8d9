import { F64, I64, V128, type ValueType } from '../../../wasm/types.ts';
import { MAX_FRAME_SLOTS, SLOT } from '../core/layout.ts';

/** How wide an instruction that moves a value is: references are handles of 32 bits. */
export type Width = 32 | 64 | 128;

export function widthOf(type: ValueType): Width {
  if (type === V128) return 128;
  return type === I64 || type === F64 ? 64 : 32;
}

/** Slots that a value takes in a frame. */
export const slotsOf = (type: ValueType): number => (type === V128 ? 2 : 1);

export const slotsOfAll = (types: readonly ValueType[]): number => types.reduce((sum, type) => sum + slotsOf(type), 0);

/** The slot behind which a frame's header is: parameters are before it, and results, which take their place. */
export function headerSlot(parameters: readonly ValueType[], results: readonly ValueType[]): number {
  return Math.max(slotsOfAll(parameters), slotsOfAll(results));
}

/** A value that is known: floats by their bits, references as handles. */
export type Constant = number | bigint | Uint8Array;

/** An instruction that is not written yet, since what follows may do its work as well: it has no effect but its value. */
export interface Pending {
  readonly operation: string;
  readonly a: Operand;
  /** A constant for the operations with `:i`. */
  readonly b: Operand | number;
}

/**
 * An entry of the operand stack. Each has a home, the slot where it is when it must be somewhere; a value that is a
 * local's, or known, or not computed yet, is not there.
 */
export interface Operand {
  readonly type: ValueType;
  readonly home: number;
  /** Where the value is: its home, or a local's slot; undefined as long as it is nowhere. */
  slot: number | undefined;
  constant: Constant | undefined;
  pending: Pending | undefined;
}

/** The register of a slot. @throws RangeError beyond the largest frame */
export function registerOf(slot: number): number {
  if (slot > MAX_FRAME_SLOTS) throw new FrameTooLargeError();
  return slot * SLOT;
}

/** A function needs more slots than registers can name. */
export class FrameTooLargeError extends Error {
  constructor() {
    super(`it needs more than ${MAX_FRAME_SLOTS} locals and operands, the most that the interpreter offers`);
    this.name = 'FrameTooLargeError';
  }
}
