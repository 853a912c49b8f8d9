import type { ValueType } from '../../../wasm/types.ts';
import type { Encoder } from './encoder.ts';
import { type Constant, type Operand, type Pending, registerOf, slotsOf, slotsOfAll, widthOf } from './values.ts';

/** The operand stack while a function is lowered: what each value is, and where. */
export class OperandStack {
  readonly #encoder: Encoder;
  readonly #operands: Operand[] = [];
  /** How many entries refer to a local's slot: most locals are set while none does. */
  readonly #uses = new Map<number, number>();
  /** The home of the next entry. */
  #next: number;
  /** All entries below are in their homes, or known. */
  #settled = 0;
  /** Slots that the frame needs at the most. */
  #slots: number;

  /** @param base the slot of the first home */
  constructor(encoder: Encoder, base: number) {
    this.#encoder = encoder;
    this.#next = base;
    this.#slots = base;
  }

  get height(): number {
    return this.#operands.length;
  }

  /** The home of the next entry. */
  get nextHome(): number {
    return this.#next;
  }

  get slots(): number {
    return this.#slots;
  }

  /** An entry whose value is in its home. */
  pushHome(type: ValueType): Operand {
    const operand = this.#push(type);
    operand.slot = operand.home;
    return operand;
  }

  pushAll(types: readonly ValueType[]): void {
    for (const type of types) this.pushHome(type);
  }

  pushLocal(type: ValueType, slot: number): void {
    this.#push(type).slot = slot;
    this.#count(slot, 1);
  }

  pushConstant(type: ValueType, constant: Constant): void {
    this.#push(type).constant = constant;
  }

  pushPending(type: ValueType, pending: Pending): void {
    const operand = this.#push(type);
    operand.pending = pending;
    this.#countPending(pending, operand.home, 1);
  }

  pop(): Operand {
    const operand = this.#operands.pop();
    if (operand === undefined) throw new RangeError('the operand stack is empty: the function was not validated');
    this.#next = operand.home;
    this.#settled = Math.min(this.#settled, this.#operands.length);
    this.#release(operand);
    return operand;
  }

  /** The topmost entries, the deepest of them first; they stay. */
  top(count: number): readonly Operand[] {
    return count === 0 ? [] : this.#operands.slice(-count);
  }

  /** The entry that is so many below the topmost. */
  peek(depth = 0): Operand | undefined {
    return this.#operands[this.#operands.length - 1 - depth];
  }

  /** Forgets all entries above. */
  cut(height: number): void {
    while (this.#operands.length > height) this.pop();
  }

  /** Makes the frame large enough for values of these types from a slot on. */
  reserve(home: number, types: readonly ValueType[]): void {
    this.#slots = Math.max(this.#slots, home + slotsOfAll(types));
  }

  /** Forgets all entries; the next one's home is this. */
  restart(home: number): void {
    this.cut(0);
    this.#next = home;
  }

  /** Puts back what was popped last. */
  pushAgain({ type, slot, constant, home }: Operand): void {
    if (constant !== undefined) this.pushConstant(type, constant);
    else if (slot !== undefined && slot !== home) this.pushLocal(type, slot);
    else this.pushHome(type);
  }

  /** The register of a value; computes it into its home if it is nowhere yet. */
  use(operand: Operand): number {
    if (operand.slot === undefined) {
      this.compute(operand, operand.home);
      operand.slot = operand.home;
      operand.constant = undefined;
      operand.pending = undefined;
    }
    return registerOf(operand.slot);
  }

  /** Puts a value into a slot, wherever it is; the entry is as before. */
  compute(operand: Operand, slot: number): void {
    const target = registerOf(slot);
    const width = widthOf(operand.type);
    if (operand.pending !== undefined) this.#computePending(operand.pending, target);
    else if (operand.constant !== undefined) this.#encoder.emit(`const:${width}`, target, operand.constant);
    else if (operand.slot !== slot) this.#encoder.emit(`copy:${width}`, target, registerOf(operand.slot ?? 0));
  }

  /** Puts an entry of the stack into its home, for good. */
  settle(operand: Operand): void {
    if (operand.slot === operand.home) return;
    this.compute(operand, operand.home);
    this.#release(operand);
    operand.slot = operand.home;
    operand.constant = undefined;
    operand.pending = undefined;
  }

  /** Puts all entries into their homes that depend on locals: behind a branch their values could be others. */
  settleAll(): void {
    for (let index = this.#settled; index < this.#operands.length; index++) {
      const operand = this.#operands[index];
      if (operand !== undefined && operand.constant === undefined) this.settle(operand);
    }
    this.#settled = this.#operands.length;
  }

  /** Before a local changes: entries that are its value keep the old one. */
  preserve(slot: number): void {
    for (let index = this.#operands.length - 1; (this.#uses.get(slot) ?? 0) > 0 && index >= 0; index--) {
      const operand = this.#operands[index];
      if (operand !== undefined && refersTo(operand, slot)) this.settle(operand);
    }
  }

  #push(type: ValueType): Operand {
    const below = this.#operands.at(-1);
    // An instruction that is not written yet may read the slot that the new entry takes.
    if (below?.pending !== undefined && readsHome(below.pending, this.#next)) this.settle(below);
    const operand: Operand = { type, home: this.#next, slot: undefined, constant: undefined, pending: undefined };
    this.#operands.push(operand);
    this.#next += slotsOf(type);
    this.#slots = Math.max(this.#slots, this.#next);
    return operand;
  }

  #computePending({ operation, a, b }: Pending, target: number): void {
    this.#encoder.emit(operation, target, this.use(a), typeof b === 'number' ? b : this.use(b));
  }

  #release(operand: Operand): void {
    if (operand.pending !== undefined) this.#countPending(operand.pending, operand.home, -1);
    else if (operand.slot !== undefined && operand.slot !== operand.home) this.#count(operand.slot, -1);
  }

  #countPending({ a, b }: Pending, home: number, change: number): void {
    for (const operand of [a, b]) {
      if (typeof operand !== 'number' && operand.slot !== undefined && operand.slot < home) {
        this.#count(operand.slot, change);
      }
    }
  }

  #count(slot: number, change: number): void {
    this.#uses.set(slot, (this.#uses.get(slot) ?? 0) + change);
  }
}

const readsHome = ({ a, b }: Pending, home: number): boolean =>
  a.slot === home || (typeof b !== 'number' && b.slot === home);

function refersTo({ slot, home, pending }: Operand, local: number): boolean {
  if (pending === undefined) return slot === local && slot !== home;
  const { a, b } = pending;
  return a.slot === local || (typeof b !== 'number' && b.slot === local);
}
