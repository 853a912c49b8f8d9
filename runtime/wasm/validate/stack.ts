import { LIMITS } from '../limits.ts';
import { invalid, unsupported } from '../module-error.ts';
import { typeName, typeNames, type ValueType } from '../types.ts';
import { type TypeSpace, UNKNOWN } from './type-space.ts';

export type BlockKind = 'function' | 'block' | 'loop' | 'if' | 'else' | 'try_table' | 'try' | 'catch' | 'catch_all';

/** A block that is open. */
export interface Frame {
  readonly kind: BlockKind;
  readonly parameters: readonly ValueType[];
  readonly results: readonly ValueType[];
  /** How many operands there are beneath it. */
  readonly height: number;
  /** How many locals were initialised before it. */
  readonly initialised: number;
  /** After an instruction that never goes on: whatever operands are asked for are there. */
  unreachable: boolean;
}

/** What a branch to a block must have for it: for loops the parameters, for others the results. */
export function labelTypes({ kind, parameters, results }: Frame): readonly ValueType[] {
  return kind === 'loop' ? parameters : results;
}

/** The two stacks of the validation algorithm (core specification, appendix, "Validation Algorithm"). */
export class ValidationStack {
  readonly frames: Frame[] = [];
  readonly #operands: ValueType[] = [];
  readonly #types: TypeSpace;
  /** Offset of the instruction that is validated: errors name it. */
  offset = 0;

  constructor(types: TypeSpace) {
    this.#types = types;
  }

  get height(): number {
    return this.#operands.length;
  }

  push(type: ValueType): void {
    this.#operands.push(type);
  }

  pushAll(types: readonly ValueType[]): void {
    for (const type of types) this.#operands.push(type);
  }

  /** Takes an operand of any type. */
  popAny(expected: ValueType = UNKNOWN): ValueType {
    const frame = this.top();
    if (this.#operands.length > frame.height) return this.#operands.pop() ?? UNKNOWN;
    if (frame.unreachable) return UNKNOWN;
    return invalid('type mismatch', this.offset, `expected ${typeName(expected)}, but there is no operand`);
  }

  pop(expected: ValueType): ValueType {
    const found = this.popAny(expected);
    if (found !== expected && !this.#types.matches(found, expected)) this.mismatch(expected, found);
    return found;
  }

  popAll(expected: readonly ValueType[]): void {
    for (let index = expected.length - 1; index >= 0; index--) this.pop(expected[index] ?? UNKNOWN);
  }

  mismatch(expected: ValueType, found: ValueType): never {
    return invalid('type mismatch', this.offset, `expected ${typeName(expected)}, found ${typeName(found)}`);
  }

  /**
   * That the operands on top are of these types, and leaves them there. In unreachable code operands that are not there
   * count as what they should be.
   */
  expectOnTop(expected: readonly ValueType[]): void {
    const kept: ValueType[] = [];
    for (let index = expected.length - 1; index >= 0; index--) kept.push(this.pop(expected[index] ?? UNKNOWN));
    while (kept.length > 0) this.push(kept.pop() ?? UNKNOWN);
  }

  enter(kind: BlockKind, parameters: readonly ValueType[], results: readonly ValueType[], initialised: number): void {
    if (this.frames.length >= LIMITS.nesting) unsupported(`nesting of ${LIMITS.nesting} blocks`, this.offset);
    this.frames.push({ kind, parameters, results, height: this.height, initialised, unreachable: false });
    this.pushAll(parameters);
  }

  /** Closes the block on top, which must have left its results and nothing more. */
  leave(): Frame {
    const frame = this.top();
    this.popAll(frame.results);
    if (this.height !== frame.height) {
      const left = this.#operands.slice(frame.height);
      invalid('type mismatch', this.offset, `block leaves ${typeNames(left)} too many`);
    }
    this.frames.pop();
    return frame;
  }

  top(): Frame {
    return this.frames.at(-1) ?? invalid('unexpected end', this.offset);
  }

  /** What a branch to the block so many levels out leads to. @throws ModuleError 'unknown label' */
  label(depth: number): Frame {
    return this.frames[this.frames.length - 1 - depth] ?? invalid('unknown label', this.offset, String(depth));
  }

  setUnreachable(): void {
    const frame = this.top();
    this.#operands.length = frame.height;
    frame.unreachable = true;
  }
}
