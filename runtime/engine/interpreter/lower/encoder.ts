import { KNOWN, OPCODE_SIZE, type Operation } from '../core/handler.ts';
import type { InstructionSet } from '../core/operations.ts';

/** Where the code is to branch to; known once it is bound. */
export interface Target {
  /** Offset in the code, and position in fuel; undefined until it is bound. */
  bound: { readonly offset: number; readonly position: number } | undefined;
  /** Edges to it that are written already: their place in the code, and the position behind the branch. */
  readonly edges: { readonly at: number; readonly position: number }[];
}

export const newTarget = (): Target => ({ bound: undefined, edges: [] });

/** For each instruction in turn: its offset in the code, its fuel position, and its offset in the module. */
export interface PositionMap {
  readonly offsets: number[];
  readonly positions: number[];
  readonly sources: number[];
  /** What else of the module is in an instruction: the instruction's number, and an offset in the module. */
  readonly joined: { readonly instruction: number; readonly source: number }[];
}

const EDGE_SIZE = 8;

type Immediate = number | bigint | Uint8Array;

/** Of instructions in one, one at the most traps or calls, and the whole comes from where that does. */
const MAY_TRAP = /load|store|div|rem/;

/** Writes instructions. Addresses within the code are relative until `link`. */
export class Encoder {
  /** The fuel position behind the Wasm instruction that is being lowered. */
  after = 0;
  /** Offset in the module of the Wasm instruction that is being lowered. */
  source = 0;
  readonly map: PositionMap = { offsets: [], positions: [], sources: [], joined: [] };
  /** The first register that holds operands, each of which is read once. */
  operands = Infinity;
  readonly #instructions: InstructionSet;
  #bytes = new Uint8Array(256);
  #view = new DataView(this.#bytes.buffer);
  #length = 0;
  /** Where the next instruction begins to be paid. */
  #from = 0;
  /** Where the last instruction names its result, as long as nothing can come between it and what is next. */
  #result = -1;
  /** The last instruction, as long as it can be joined with the next. */
  #last: { readonly name: string; readonly start: number; readonly result: number } | undefined;
  readonly #relocations: number[] = [];
  /** Operands that say how much of the function is left: their place, and the position behind the instruction. */
  readonly #positions: { readonly at: number; readonly position: number }[] = [];

  constructor(instructions: InstructionSet) {
    this.#instructions = instructions;
  }

  get length(): number {
    return this.#length;
  }

  has(name: string): boolean {
    return this.#instructions.has(name);
  }

  /**
   * Writes an instruction.
   * @param operands in the order of its format; `positions` and edges are none of them
   */
  emit(name: string, ...operands: readonly Immediate[]): void {
    if (this.#join(name, operands)) return;
    const code = this.#instructions.code(name);
    const start = this.#reserve(OPCODE_SIZE);
    this.#view.setUint16(start, code, true);
    this.#note(start);
    this.#put(this.#instructions.operations[code] as Operation, operands);
    this.#last = { name, start, result: this.#result };
  }

  /** Makes the last instruction do the work of this one, too. @returns whether there is one that does that of both */
  #join(name: string, operands: readonly Immediate[]): boolean {
    if (this.#last === undefined) return false;
    const result = this.#last.result < 0 ? undefined : this.#view.getUint16(this.#last.result, true);
    const { start } = this.#last;
    for (const { code, second, takes, drops } of this.#instructions.chains(this.#last.name, name)) {
      if (takes !== undefined && operands[takes] !== result) continue;
      if (drops && (result ?? 0) < this.operands) continue;
      this.#view.setUint16(start, code, true);
      this.#noteJoined(MAY_TRAP.test(this.#last.name));
      this.#from = this.after;
      if (drops) this.#drop(this.#last.result);
      this.#put(second, takes === undefined ? operands : operands.toSpliced(takes, 1));
      this.#last = { name: this.#instructions.operations[code]?.name ?? '', start, result: this.#result };
      return true;
    }
    return false;
  }

  /** Leaves out the operand of the last instruction that is there. */
  #drop(at: number): void {
    this.#bytes.copyWithin(at, at + 2, this.#length);
    this.#length -= 2;
  }

  /** Writes the operands of an instruction whose opcode is written. */
  #put({ name, format: { fields, size } }: Operation, operands: readonly Immediate[]): void {
    const start = this.#reserve(size - OPCODE_SIZE) - OPCODE_SIZE;
    let next = 0;
    for (const { name: field, kind, offset } of fields) {
      if (field === 'positions') this.#positions.push({ at: start + offset, position: this.after });
      else if (!KNOWN.has(field)) this.#write(kind, start + offset, operands[next++] ?? 0);
    }
    if (next !== operands.length) throw new RangeError(`${name} takes ${next} operands`);
    this.#result = fields[0]?.name === 'd' ? start + OPCODE_SIZE : -1;
  }

  /** Writes an instruction that ends with an edge. */
  emitBranch(name: string, target: Target, ...operands: readonly number[]): void {
    this.emit(name, ...operands);
    this.#result = -1;
    this.#edge(this.#length - EDGE_SIZE, target);
  }

  /** Writes a table of branches; the last is the default. */
  emitTable(index: number, targets: readonly Target[]): void {
    this.emit('br_table', index, targets.length - 1);
    this.#result = -1;
    this.#last = undefined;
    for (const target of targets) this.#edge(this.#reserve(EDGE_SIZE), target);
  }

  /** What the last instruction has computed is read more than once. */
  keep(): void {
    this.#last = undefined;
  }

  /** The target is here. */
  bind(target: Target): void {
    this.#last = undefined;
    this.#result = -1;
    this.#from = this.after;
    const bound = { offset: this.#length, position: this.after };
    target.bound = bound;
    for (const { at, position } of target.edges) this.#writeEdge(at, bound, position);
  }

  /**
   * Makes the last instruction write its result to another register.
   * @returns whether it could: it is the one that wrote `from`, and no branch can come in behind it
   */
  redirect(from: number, to: number): boolean {
    if (this.#result < 0 || this.#view.getUint16(this.#result, true) !== from) return false;
    this.#view.setUint16(this.#result, to, true);
    this.#result = -1;
    return true;
  }

  /** The function is complete: what is left of it behind its calls and returns is known. */
  finish(): void {
    for (const { at, position } of this.#positions) this.#view.setInt32(at, this.after - position, true);
  }

  /** The code as it is at that address; once. */
  link(address: number): Uint8Array {
    for (const at of this.#relocations) this.#view.setUint32(at, this.#view.getUint32(at, true) + address, true);
    return this.#bytes.subarray(0, this.#length);
  }

  #note(start: number): void {
    this.map.offsets.push(start);
    this.map.positions.push(this.#from);
    this.map.sources.push(this.source);
    this.#from = this.after;
  }

  /** The last instruction does the work of one more. @param traps whether it is itself what may trap */
  #noteJoined(traps: boolean): void {
    const { sources, joined } = this.map;
    const instruction = sources.length - 1;
    joined.push({ instruction, source: traps ? this.source : (sources[instruction] ?? 0) });
    if (!traps) sources[instruction] = this.source;
  }

  #edge(at: number, target: Target): void {
    if (target.bound === undefined) target.edges.push({ at, position: this.after });
    else this.#writeEdge(at, target.bound, this.after);
    this.#relocations.push(at);
  }

  #writeEdge(at: number, bound: { readonly offset: number; readonly position: number }, position: number): void {
    this.#view.setUint32(at, bound.offset, true);
    this.#view.setInt32(at + 4, position - bound.position, true);
  }

  #reserve(size: number): number {
    const start = this.#length;
    this.#length += size;
    if (this.#length > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(this.#bytes.length * 2, this.#length));
      grown.set(this.#bytes);
      this.#bytes = grown;
      this.#view = new DataView(grown.buffer);
    }
    return start;
  }

  #write(kind: string, at: number, value: Immediate): void {
    if (value instanceof Uint8Array) this.#bytes.set(value, at);
    else if (kind === 'i64') this.#view.setBigInt64(at, BigInt.asIntN(64, BigInt(value)), true);
    else if (kind === 'i32') this.#view.setInt32(at, Number(value), true);
    else this.#view.setUint16(at, Number(value), true);
  }
}
