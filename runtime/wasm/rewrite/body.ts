import { InstructionReader } from '../instructions.ts';
import type { FunctionBody } from '../module.ts';
import { opcodeByName } from '../opcodes.ts';
import type { Opcode } from '../opcodes/opcode.ts';
import type { ByteWriter } from '../writer.ts';
import { type Analysis, BUDGET, callKind, weightOfCall } from './analysis.ts';
import { CHUNK_BYTES } from './bulk.ts';
import type { Helpers } from './helpers.ts';
import type { Check } from './plan.ts';

const code = (name: string): number => opcodeByName(name).code;
const LOOP = code('loop');
const ELSE = code('else');
const CATCH = code('catch');
const CATCH_ALL = code('catch_all');
const DELEGATE = code('delegate');
const END = code('end');
const I32_CONST = code('i32.const');
const MEMORY_GROW = code('memory.grow');
const TABLE_GROW = code('table.grow');
const MEMORY_FILL = code('memory.fill');
const MEMORY_COPY = code('memory.copy');
const CALL = code('call');

/** A block that is open. */
interface Frame {
  readonly loop: boolean;
  /** Whether there was a check on every way to its beginning. */
  readonly guarded: boolean;
  /** The longest distance from a check anywhere in it. */
  peak: number;
}

/** What all bodies of a module have in common. */
export interface BodyContext {
  readonly bytes: Uint8Array;
  readonly analysis: Analysis;
  readonly helpers: Helpers;
  readonly check: Check;
}

/** Told of what is written. Offsets of the written are those in the body, from its locals on. */
export interface BodyNotes {
  /** From here on the rewritten code goes on as the original at that offset of the module. */
  readonly offset: (original: number, written: number) => void;
  /** Here is a branch that is seldom taken. */
  readonly seldomTaken: (written: number) => void;
}

/** Writes one function's locals and instructions with the checks that they need. */
export class BodyRewriter {
  readonly #context: BodyContext;
  readonly #caller: number;
  readonly #reader: InstructionReader;
  readonly #out: ByteWriter;
  readonly #notes: BodyNotes;
  readonly #frames: Frame[] = [];
  /** All before this offset of the original is written. */
  #copied: number;
  /** Whether every way from the function's beginning to here has a check. */
  #guarded = false;
  /** Instructions since the last check, at most. */
  #distance = 0;
  /** The constant that the instruction before has pushed; undefined when it pushed none. */
  #constant: number | undefined;

  constructor(context: BodyContext, caller: number, body: FunctionBody, out: ByteWriter, notes: BodyNotes) {
    this.#context = context;
    this.#caller = caller;
    this.#reader = new InstructionReader(context.bytes, body.codeStart, body.end);
    this.#out = out;
    this.#notes = notes;
    this.#copied = body.localsStart;
    this.#enter(false);
  }

  run(): void {
    const reader = this.#reader;
    this.#notes.offset(this.#copied, this.#out.length);
    while (!reader.atEnd) {
      const opcode = reader.next();
      this.#advance(1);
      this.#control(opcode);
      this.#call(opcode);
      this.#replace(opcode);
      this.#constant = opcode.code === I32_CONST ? reader.i32 : undefined;
    }
    this.#copyUpTo(reader.end);
  }

  #control({ code, immediates }: Opcode): void {
    if (immediates[0] === 'blocktype') {
      this.#enter(code === LOOP);
      if (code === LOOP) this.#check(this.#reader.end);
      return;
    }
    const frame = this.#frames.at(-1);
    if (frame === undefined) return;
    if (code === ELSE || code === CATCH || code === CATCH_ALL) this.#guarded = frame.guarded;
    else if (code === END || code === DELEGATE) this.#leave(frame);
  }

  #enter(loop: boolean): void {
    // The check at a loop's header comes before all that is in it.
    this.#frames.push({ loop, guarded: this.#guarded, peak: loop ? 0 : this.#distance });
  }

  #leave({ loop, guarded, peak }: Frame): void {
    this.#frames.pop();
    // Who leaves a loop came through its header, where a check is.
    this.#guarded = guarded || loop;
    this.#distance = Math.max(this.#distance, peak);
    this.#notePeak();
  }

  #call(opcode: Opcode): void {
    const kind = callKind(opcode);
    if (kind === undefined) return;
    const { analysis } = this.#context;
    const callee = this.#reader.index;
    const cycle = analysis.cycles[this.#caller];
    const mayReturnHere = kind === 'indirect' || (cycle !== 0 && analysis.cycles[callee] === cycle);
    if (mayReturnHere && !this.#guarded) this.#check(this.#reader.start);
    this.#advance(weightOfCall(analysis, kind, callee));
  }

  /** Counts what comes; a check goes before it when it would be too much. */
  #advance(weight: number): void {
    if (this.#distance + weight > BUDGET && this.#distance > 0) this.#check(this.#reader.start);
    this.#distance += weight;
    this.#notePeak();
  }

  #notePeak(): void {
    const frame = this.#frames.at(-1);
    if (frame !== undefined && frame.peak < this.#distance) frame.peak = this.#distance;
  }

  #check(at: number): void {
    this.#copyUpTo(at);
    const { bytes, branch } = this.#context.check;
    this.#notes.seldomTaken(this.#out.length + branch);
    this.#out.bytes(bytes);
    this.#notes.offset(at, this.#out.length);
    this.#guarded = true;
    this.#distance = 0;
  }

  /** Instructions that a function of ours does instead. */
  #replace({ code }: Opcode): void {
    const { helpers } = this.#context;
    const { index, index2 } = this.#reader;
    if (code === MEMORY_GROW) this.#callInstead(helpers.growMemory(index));
    else if (code === TABLE_GROW) this.#callInstead(helpers.growTable(index));
    else if (this.#pushedShortLength()) return;
    else if (code === MEMORY_FILL) this.#callInstead(helpers.fill(index));
    else if (code === MEMORY_COPY) this.#callInstead(helpers.copy(index, index2));
  }

  #pushedShortLength(): boolean {
    return this.#constant !== undefined && this.#constant >= 0 && this.#constant <= CHUNK_BYTES;
  }

  #callInstead(helper: number): void {
    this.#copyUpTo(this.#reader.start);
    this.#out.bytes([CALL]);
    this.#out.u32(helper);
    this.#copied = this.#reader.end;
    this.#notes.offset(this.#copied, this.#out.length);
  }

  #copyUpTo(end: number): void {
    this.#out.slice(this.#context.bytes, this.#copied, end);
    this.#copied = Math.max(this.#copied, end);
  }
}
