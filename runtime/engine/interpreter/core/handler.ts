import { F32, F64, I32, I64, OP, V128_LOAD, V128_STORE, br, brIf, get, i32Const, memarg, set } from './assembler.ts';
import type { Code } from './assembler.ts';
import { STATE_PC } from './layout.ts';

/** Locals of every function of the core. */
export const PC = 0;
export const FP = 1;
export const GAS = 2;
/** Free for a handler's own use: three i32, then two i64. */
export const T0 = 3;
export const T1 = 4;
export const T2 = 5;
export const Q0 = 6;
export const Q1 = 7;
export const SCRATCH: readonly number[] = [I32, I32, I32, I64, I64];

/** Bytes of an operand: `reg` is a slot by its byte offset from the frame. */
const FIELD_SIZES = { reg: 2, u16: 2, i32: 4, i64: 8, v128: 16 } as const;
export type FieldKind = keyof typeof FIELD_SIZES;

export interface Field {
  readonly name: string;
  readonly kind: FieldKind;
  /** Byte offset from the instruction's first. */
  readonly offset: number;
}

/** How an instruction is laid out: its opcode in two bytes, then its operands, without gaps. */
export class Format {
  readonly fields: readonly Field[];
  readonly size: number;
  readonly #offsets = new Map<string, number>();

  /** @param text `d:reg a:reg offset:i32` */
  constructor(text: string) {
    let offset = 2;
    this.fields = text.split(' ').flatMap((word) => {
      const [name, kind] = word.split(':');
      if (name === undefined || kind === undefined || !isFieldKind(kind)) return [];
      const field = { name, kind, offset };
      this.#offsets.set(name, offset);
      offset += FIELD_SIZES[kind];
      return [field];
    });
    this.size = offset;
  }

  at(name: string): number {
    const offset = this.#offsets.get(name);
    if (offset === undefined) throw new RangeError(`an instruction has no operand ${name}`);
    return offset;
  }
}

const isFieldKind = (kind: string): kind is FieldKind => Object.hasOwn(FIELD_SIZES, kind);

/** How many blocks must be left, from a handler's outermost level, to get to the places that all handlers share. */
export interface Labels {
  /** The next instruction. */
  readonly next: number;
  /** Leave: what is at pc needs JavaScript. */
  readonly system: number;
  /** Leave: the fuel does not reach to the function's end. */
  readonly fuel: number;
  readonly stackOverflow: number;
  /** Trap as a memory access out of bounds. */
  readonly outOfBounds: number;
}

const LOADS = new Map<number, Code>([
  [I32, OP.i32Load],
  [I64, OP.i64Load],
  [F32, OP.f32Load],
  [F64, OP.f64Load],
]);
const STORES = new Map<number, Code>([
  [I32, OP.i32Store],
  [I64, OP.i64Store],
  [F32, OP.f32Store],
  [F64, OP.f64Store],
]);

/** Loads a value of the type from the address on the stack of the state memory. */
export const loadState = (type: number, offset = 0): Code => [LOADS.get(type) ?? V128_LOAD, memarg(0, offset)];
/** Stores the value of the type that is on the stack, behind its address. */
export const storeState = (type: number, offset = 0): Code => [STORES.get(type) ?? V128_STORE, memarg(0, offset)];

/** What the code of a handler is made from. */
export class Handler {
  readonly format: Format;
  readonly labels: Labels;

  constructor(format: Format, labels: Labels) {
    this.format = format;
    this.labels = labels;
  }

  /** The address of the slot that an operand names. */
  slot(name: string): Code {
    return [get(FP), this.u16(name), OP.i32Add];
  }

  /** The value in the slot that an operand names. */
  value(name: string, type: number): Code {
    return [this.slot(name), loadState(type)];
  }

  u16(name: string): Code {
    return [get(PC), OP.i32Load16U, memarg(0, this.format.at(name))];
  }

  i32(name: string): Code {
    return [get(PC), loadState(I32, this.format.at(name))];
  }

  i64(name: string): Code {
    return [get(PC), loadState(I64, this.format.at(name))];
  }

  /** Stores what `value` pushes into an operand's slot. */
  store(name: string, type: number, value: Code): Code {
    return [this.slot(name), value, storeState(type)];
  }

  /** On to the instruction behind. @param depth how many blocks of its own the handler is in */
  next(depth = 0): Code {
    return [get(PC), i32Const(this.format.size), OP.i32Add, set(PC), br(this.labels.next + depth)];
  }

  /** Behind an edge, at its target: on, or out when the fuel does not reach to the function's end. */
  checkFuel(depth = 0): Code {
    return [get(GAS), i32Const(0), OP.i32LtS, brIf(this.labels.fuel + depth), br(this.labels.next + depth)];
  }

  /** Notes where a trap will have happened. */
  readonly savePc: Code = [i32Const(0), get(PC), OP.i32Store, memarg(0, STATE_PC)];
}

/**
 * An instruction of the interpreter. `bank` is where its handler is: in the hot loop, in a function that the loop calls
 * (`numbers`, `vectors`, `memory`), or in JavaScript (`system`).
 */
export interface Operation {
  readonly name: string;
  readonly format: Format;
  readonly bank: Bank;
  readonly emit: (handler: Handler) => Code;
}

export type Bank = 'hot' | 'system' | 'numbers' | 'vectors' | 'memory';

const formats = new Map<string, Format>();

/** @param fields see Format */
export function operation(name: string, bank: Bank, fields: string, emit: Operation['emit']): Operation {
  let format = formats.get(fields);
  if (format === undefined) formats.set(fields, (format = new Format(fields)));
  return { name, bank, format, emit };
}
