import {
  F32,
  F64,
  I32,
  I64,
  OP,
  V128,
  V128_LOAD,
  V128_STORE,
  br,
  brIf,
  get,
  i32Const,
  memarg,
  set,
  tee,
} from './assembler.ts';
import type { Code } from './assembler.ts';
import { STATE_PC } from './layout.ts';

/** Locals of every function of the core. */
export const PC = 0;
export const FP = 1;
export const GAS = 2;
/** Free for a handler's own use: three i32, then two i64. Behind them one of each type (see `resultLocal`). */
export const T0 = 3;
export const T1 = 4;
export const T2 = 5;
export const Q0 = 6;
export const Q1 = 7;
const RESULT_TYPES = [I32, I64, F32, F64, V128];
export const SCRATCH: readonly number[] = [I32, I32, I32, I64, I64, ...RESULT_TYPES];

/** The local by which an instruction hands its result to the one that it is one with. */
const resultLocal = (type: number): number => Q1 + 1 + RESULT_TYPES.indexOf(type);

/** Bytes of an instruction's number. */
export const OPCODE_SIZE = 2;

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
    let offset = OPCODE_SIZE;
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

/** Where a handler's instruction is in one that does the work of several. */
interface Part {
  /** Bytes before its operands. */
  readonly offset: number;
  /** Bytes of the whole. */
  readonly size: number;
  /** Whether the whole ends with it. */
  readonly last: boolean;
  /** Whether only the next part reads its result, so that it needs no slot. */
  readonly drops: boolean;
  /** The operand that is the result of the part before, and what type that has there. */
  readonly takes: { readonly operand: string; readonly type: number } | undefined;
}

/**
 * What makes a result the operand of another type: constants of floats are written as their bits. Addresses of 32 bits are
 * none of a memory64's; the pair is there all the same, so that the numbers of instructions are the same for every core.
 */
const CONVERSIONS: Readonly<Record<number, number>> = { [I64]: OP.i64ExtendI32U, [F32]: 0xbe, [F64]: 0xbf };

/** What the code of a handler is made from. */
export class Handler {
  readonly labels: Labels;
  /** Bytes of the instruction. */
  readonly size: number;
  /** The type of what it has stored. */
  result = I32;
  readonly #operation: Operation;
  readonly #part: Part;

  constructor(operation: Operation, labels: Labels, part?: Part) {
    const { size } = operation.format;
    this.#operation = operation;
    this.#part = part ?? { offset: 0, size, last: true, drops: false, takes: undefined };
    this.labels = labels;
    this.size = this.#part.size;
  }

  /** The place of an operand in the instruction. */
  at(name: string): number {
    return this.#part.offset + this.#operation.format.at(name);
  }

  /** The address of the slot that an operand names. */
  slot(name: string): Code {
    return [get(FP), this.u16(name), OP.i32Add];
  }

  /** The value in the slot that an operand names. */
  value(name: string, type: number): Code {
    const { takes } = this.#part;
    if (takes?.operand === name) {
      return [get(resultLocal(takes.type)), takes.type === type ? [] : (CONVERSIONS[type] ?? [])];
    }
    return [this.slot(name), loadState(type)];
  }

  u16(name: string): Code {
    return [get(PC), OP.i32Load16U, memarg(0, this.at(name))];
  }

  i32(name: string): Code {
    return [get(PC), loadState(I32, this.at(name))];
  }

  i64(name: string): Code {
    return [get(PC), loadState(I64, this.at(name))];
  }

  /** Stores what `value` pushes into an operand's slot, unless nobody reads it there. */
  store(name: string, type: number, value: Code): Code {
    this.result = type;
    const { last, drops } = this.#part;
    if (drops) return [value, set(resultLocal(type))];
    return [this.slot(name), value, last ? [] : tee(resultLocal(type)), storeState(type)];
  }

  /** On to the instruction behind. @param depth how many blocks of its own the handler is in */
  next(depth = 0): Code {
    if (!this.#part.last) return [];
    return [get(PC), i32Const(this.size), OP.i32Add, set(PC), br(this.labels.next + depth)];
  }

  /** Behind an edge, at its target: on, or out when the fuel does not reach to the function's end. */
  checkFuel(depth = 0): Code {
    return [get(GAS), i32Const(0), OP.i32LtS, brIf(this.labels.fuel + depth), br(this.labels.next + depth)];
  }

  /** Notes where a trap will have happened. */
  readonly savePc: Code = [i32Const(0), get(PC), OP.i32Store, memarg(0, STATE_PC)];
}

/**
 * An instruction of the interpreter. `bank` is where its handler is: in the hot loop, behind a second dispatch in it
 * (`numbers`, `vectors`, `memory`), or in JavaScript (`system`).
 */
export interface Operation {
  readonly name: string;
  readonly format: Format;
  readonly bank: Bank;
  readonly emit: (handler: Handler) => Code;
  /** Of one that does the work of several. */
  readonly chain?: Chain;
}

/** How an instruction does the work of another, and then of one more. */
export interface Chain {
  /** The name of the other. */
  readonly first: string;
  /** The one more, as it is written behind the other's operands. */
  readonly second: Operation;
  /** The operand of `second` that is the result of `first` and not written, by its number; undefined where there is none. */
  readonly takes: number | undefined;
  /** Whether the result of `first` is not written either: only `second` may read it. */
  readonly drops: boolean;
  readonly steps: readonly Step[];
}

interface Step {
  readonly operation: Operation;
  readonly takes: string | undefined;
  readonly drops: boolean;
}

export type Bank = 'hot' | 'system' | 'numbers' | 'vectors' | 'memory';

const formats = new Map<string, Format>();

/** @param fields see Format */
export function operation(name: string, bank: Bank, fields: string, emit: Operation['emit']): Operation {
  return { name, bank, format: formatOf(fields), emit };
}

function formatOf(fields: string): Format {
  let format = formats.get(fields);
  if (format === undefined) formats.set(fields, (format = new Format(fields)));
  return format;
}

/** Fields that are no operands, but what the encoder knows. */
export const KNOWN: ReadonlySet<string> = new Set(['positions', 'target', 'delta']);

/** The names of what the encoder is given, in that order. */
const operandsOf = ({ fields }: Format): string[] => fields.flatMap(({ name }) => (KNOWN.has(name) ? [] : [name]));

const without = (operation: Operation, field: string | undefined): Operation => {
  const fields = operation.format.fields.filter(({ name }) => name !== field);
  return { ...operation, format: formatOf(fields.map(({ name, kind }) => `${name}:${kind}`).join(' ')) };
};

/**
 * One instruction that does the work of two, one behind the other; the first may be such a one itself.
 * @param takes the operand of the second that is the first one's result
 * @param drops whether that result need not be in its slot as well
 */
export function chained(first: Operation, second: Operation, takes?: string, drops = false): Operation {
  const rest = without(second, takes);
  const before = first.chain?.steps ?? [{ operation: first, takes: undefined, drops: false }];
  const steps = before.map((step, index) =>
    drops && index === before.length - 1 ? { ...step, operation: without(step.operation, 'd'), drops } : step,
  );
  steps.push({ operation: rest, takes, drops: false });
  // Operands of the last are named as they are there.
  const fields = steps.flatMap(({ operation }, index) =>
    operation.format.fields.map(({ name, kind }) => `${name}${index === steps.length - 1 ? '' : index + 1}:${kind}`),
  );
  const format = formatOf(fields.join(' '));
  const link = takes === undefined ? '' : `${drops ? '=' : '~'}${takes}`;
  return {
    name: `${first.name} ${second.name}${link}`,
    bank: 'hot',
    format,
    emit: ({ labels }) => emitSteps(steps, labels, format.size),
    chain: {
      first: first.name,
      second: rest,
      takes: takes === undefined ? undefined : operandsOf(second.format).indexOf(takes),
      drops,
      steps,
    },
  };
}

function emitSteps(steps: readonly Step[], labels: Labels, size: number): Code {
  let offset = 0;
  let type = I32;
  return steps.map(({ operation, takes, drops }, index) => {
    const last = index === steps.length - 1;
    const taken = takes === undefined ? undefined : { operand: takes, type };
    const handler = new Handler(operation, labels, { offset, size, last, drops, takes: taken });
    const code = operation.emit(handler);
    offset += operation.format.size - OPCODE_SIZE;
    type = handler.result;
    return code;
  });
}
