import type { InstructionSet } from '../core/operations.ts';
import { InstructionReader } from '../../../wasm/instructions.ts';
import type { Module } from '../../../wasm/module.ts';
import type { FunctionType, ValueType } from '../../../wasm/types.ts';
import { type BlockType } from '../../../wasm/type-reader.ts';
import { Encoder, newTarget, type PositionMap, type Target } from './encoder.ts';
import { branchTypes, type Label, type LabelKind, type ProtectedRange } from './labels.ts';
import { ruleFor } from './rules.ts';
import { OperandStack } from './stack.ts';
import { headerSlot, type Operand, registerOf, slotsOf, slotsOfAll, widthOf } from './values.ts';

/** Where an instance has what its code names: addresses in the state memory. */
export interface Addresses {
  readonly module: Module;
  readonly instructions: InstructionSet;
  /** The record that calls go to. */
  function(index: number): number;
  /** The record that a reference to the function holds. */
  reference(index: number): number;
  global(index: number): number;
  table(index: number): number;
  tag(index: number): number;
  /** What an indirect call compares: the type of that index, and the instance. */
  typeInstance(type: number): bigint;
}

/** Where in the code an exception can be caught. */
export interface CatchRange {
  readonly start: number;
  readonly end: number;
  readonly depth: number;
  readonly delegate: number | undefined;
  readonly handlers: readonly {
    readonly tag: number | undefined;
    readonly offset: number;
    readonly slot: number;
    readonly reference: 'none' | 'behind' | 'before';
  }[];
}

/** A function as code, its addresses relative to its first byte until `link`. */
export interface LoweredFunction {
  readonly length: number;
  link(address: number): Uint8Array;
  /** All fuel that can be used without going back. */
  readonly positions: number;
  readonly map: PositionMap;
  readonly ranges: readonly CatchRange[];
  /** The slot of each local, parameters first. */
  readonly locals: readonly { readonly type: ValueType; readonly slot: number }[];
  readonly headerSlot: number;
  /** Slots of a frame. */
  readonly slots: number;
}

/** Instructions that are no work: all others cost one. */
const FREE = new Set([
  'block',
  'loop',
  'try',
  'try_table',
  'catch',
  'catch_all',
  'else',
  'end',
  'delegate',
  'nop',
  'drop',
]);

/**
 * Lowers one function of a validated module: structured control becomes edges, the operand stack registers.
 * @param index of the function, imported ones counted
 * @throws FrameTooLargeError
 */
export function lowerFunction(addresses: Addresses, index: number): LoweredFunction {
  return new Lowering(addresses, index).run();
}

/** The state of one function's lowering, and what all rules use. */
export class Lowering {
  readonly addresses: Addresses;
  readonly module: Module;
  readonly type: FunctionType;
  readonly reader: InstructionReader;
  readonly encoder: Encoder;
  readonly stack: OperandStack;
  readonly locals: { readonly type: ValueType; readonly slot: number }[] = [];
  readonly header: number;
  readonly labels: Label[] = [];
  readonly ranges: ProtectedRange[] = [];
  /** Code of catch clauses: written behind the function. */
  readonly landings: {
    readonly target: Target;
    readonly types: readonly ValueType[];
    readonly home: number;
    readonly label: Label;
  }[] = [];
  /** Blocks opened in code that cannot be reached; -1 in code that can. */
  dead = -1;

  constructor(addresses: Addresses, index: number) {
    const { module } = addresses;
    this.addresses = addresses;
    this.module = module;
    const body = module.bodies[index - module.imported.function];
    if (body === undefined) throw new RangeError(`function ${index} has no body`);
    this.type = this.functionType(index);
    this.reader = new InstructionReader(module.bytes, body.codeStart, body.end);
    this.encoder = new Encoder(addresses.instructions);
    this.header = headerSlot(this.type.parameters, this.type.results);
    let slot = 0;
    for (const type of this.type.parameters) slot = this.#addLocal(type, slot);
    const first = this.header + 1;
    slot = first;
    for (const { count, type } of body.locals) for (let n = 0; n < count; n++) slot = this.#addLocal(type, slot);
    this.stack = new OperandStack(this.encoder, slot);
    this.labels.push(this.#label('function', { parameters: [], results: this.type.results }, slot));
    this.encoder.operands = registerOf(slot);
    if (slot > first) this.encoder.emit('enter', registerOf(first), registerOf(slot) - registerOf(first));
  }

  #addLocal(type: ValueType, slot: number): number {
    this.locals.push({ type, slot });
    return slot + slotsOf(type);
  }

  run(): LoweredFunction {
    const { reader, encoder } = this;
    while (this.labels.length > 0) {
      const opcode = reader.next();
      encoder.source = reader.start;
      if (this.dead >= 0 && this.#skip(opcode.name, opcode.immediates[0] === 'blocktype')) continue;
      if (!FREE.has(opcode.name)) encoder.after++;
      ruleFor(opcode)(this);
    }
    for (const landing of this.landings) this.#land(landing);
    encoder.finish();
    return {
      length: encoder.length,
      link: (address) => encoder.link(address),
      positions: encoder.after,
      map: encoder.map,
      ranges: this.ranges.map((range) => ({
        ...range,
        handlers: range.handlers.map(({ target, ...rest }) => ({ ...rest, offset: target.bound?.offset ?? 0 })),
      })),
      locals: this.locals,
      headerSlot: this.header,
      slots: this.stack.slots,
    };
  }

  functionType(index: number): FunctionType {
    return this.typeAt(this.module.functions[index]?.type ?? -1);
  }

  typeAt(index: number): FunctionType {
    const type = this.module.types[index];
    if (type === undefined) throw new RangeError(`there is no type ${index}`);
    return type;
  }

  /** The block that a branch of this depth goes to. */
  labelAt(depth: number): Label {
    const label = this.labels[this.labels.length - 1 - depth];
    if (label === undefined) throw new RangeError(`there is no block ${depth}`);
    return label;
  }

  blockType(type: BlockType): FunctionType {
    if ('index' in type) return this.typeAt(type.index);
    return { parameters: [], results: type.result === undefined ? [] : [type.result] };
  }

  /** Opens a block; its parameters are on the stack and stay there. */
  open(kind: LabelKind, type: FunctionType): Label {
    this.stack.settleAll();
    for (const operand of this.stack.top(type.parameters.length)) this.stack.settle(operand);
    const home = this.stack.nextHome - slotsOfAll(type.parameters);
    const label = this.#label(kind, type, home);
    this.labels.push(label);
    return label;
  }

  #label(kind: LabelKind, { parameters, results }: FunctionType, home: number): Label {
    return {
      kind,
      parameters,
      results,
      height: this.stack.height - parameters.length,
      home,
      target: newTarget(),
      otherwise: kind === 'if' ? newTarget() : undefined,
      range: undefined,
      awaited: false,
    };
  }

  /** The code that follows cannot be reached, up to the end of the innermost block. */
  die(): void {
    this.dead = 0;
  }

  /** @returns whether the instruction is to be left out */
  #skip(name: string, opens: boolean): boolean {
    if (opens) {
      this.dead++;
      return true;
    }
    const closes = name === 'end' || name === 'delegate';
    if (this.dead > 0) {
      if (closes) this.dead--;
      return true;
    }
    return !closes && name !== 'else' && name !== 'catch' && name !== 'catch_all';
  }

  /** Whether the topmost values already are where a branch to the label wants them. */
  inPlace(label: Label): boolean {
    const types = branchTypes(label);
    const operands = this.stack.top(types.length);
    return (operands[0]?.home ?? label.home) === label.home && operands.every(({ slot, home }) => slot === home);
  }

  /** Puts the topmost values where a branch to the label wants them; the stack is as before. */
  moveTo(label: Label): void {
    this.#moveFrom(this.stack.top(branchTypes(label).length), label.home);
  }

  #moveFrom(operands: readonly Operand[], home: number): void {
    let slot = home;
    for (const operand of operands) {
      this.stack.compute(operand, slot);
      slot += slotsOf(operand.type);
    }
  }

  /** Branches, with the topmost values. */
  branch(label: Label): void {
    if (label.kind === 'function') this.return();
    else {
      if (!this.inPlace(label)) this.moveTo(label);
      this.encoder.emitBranch('jump', label.target);
    }
  }

  /** Returns the topmost values. */
  return(): void {
    const { results } = this.type;
    const operands = this.stack.top(results.length);
    const header = registerOf(this.header);
    const [only] = operands;
    if (operands.length === 1 && only !== undefined && widthOf(only.type) !== 128) {
      this.encoder.emit(`return:${widthOf(only.type)}`, header, this.stack.use(only));
      return;
    }
    // Through their homes: a result's place can be a parameter that another result is.
    for (const operand of operands) this.stack.settle(operand);
    this.#moveFrom(operands, 0);
    this.encoder.emit('return', header);
  }

  #land({ target, types, home, label }: Lowering['landings'][number]): void {
    this.encoder.bind(target);
    this.stack.restart(home);
    this.stack.pushAll(types);
    this.branch(label);
  }

  /** The register for a result, which is the topmost entry from now on. */
  push(type: ValueType): number {
    return registerOf(this.stack.pushHome(type).home);
  }

  /** Registers of the topmost values, which are taken. The first is the deepest. */
  take(count: number): number[] {
    const operands = Array.from({ length: count }, () => this.stack.pop()).reverse();
    return operands.map((operand) => this.stack.use(operand));
  }

  /** Arguments of a call: in their homes, one behind another, and taken. @returns the register of the first */
  takeArguments(types: readonly ValueType[]): number {
    for (const operand of this.stack.top(types.length)) this.stack.settle(operand);
    this.stack.cut(this.stack.height - types.length);
    return registerOf(this.stack.nextHome);
  }
}
