import { ByteReader } from './bytes.ts';
import { readVector } from './decode/vector.ts';
import { LIMITS } from './limits.ts';
import { malformed, unsupported } from './module-error.ts';
import { opcodeByCode, SHORT_OPCODES } from './opcodes.ts';
import {
  GC_PREFIX,
  type Immediate,
  MISC_PREFIX,
  type Opcode,
  prefixedCode,
  SIMD_PREFIX,
  THREADS_PREFIX,
} from './opcodes/opcode.ts';
import { type BlockType, readBlockType, readHeapType, readValueType } from './type-reader.ts';
import type { HeapType, ValueType } from './types.ts';

/** One handler of a try_table. */
export interface Catch {
  readonly kind: 'catch' | 'catch_ref' | 'catch_all' | 'catch_all_ref';
  /** Undefined for catch_all and catch_all_ref. */
  readonly tag: number | undefined;
  readonly label: number;
}

const CATCH_KINDS = ['catch', 'catch_ref', 'catch_all', 'catch_all_ref'] as const;
const V128_BYTES = 16;
/** In a memarg's alignment: a memory index follows (multi-memory). */
const HAS_MEMORY_INDEX = 0x40;
const NO_OPCODE: Opcode = {
  name: '',
  code: -1,
  feature: 'mvp',
  immediates: [],
  signature: undefined,
  bytes: 0,
  lanes: 0,
};

/**
 * Steps through a function body or a constant expression, one instruction at a time. It is one object whose fields
 * change with each step, so that a module of millions of instructions makes no garbage; read what you need before the
 * next step. Only the fields that the opcode's `immediates` name are those of this instruction.
 *
 * It knows nothing of nesting: `end` is an instruction like others.
 */
export class InstructionReader {
  readonly bytes: Uint8Array;
  opcode: Opcode = NO_OPCODE;
  /** Offset in the module of the opcode's first byte. */
  start = 0;
  /** Offset in the module of its first immediate. */
  immediatesStart = 0;
  /** The first index: label, function, type, table, memory, global, local, tag, element or data segment. */
  index = 0;
  /** The second: table of a call_indirect, source of a copy, memory or table of an init, field. */
  index2 = 0;
  /** Of `i32`: with its sign. */
  i32 = 0;
  /** Of `i64`: with its sign. */
  i64 = 0n;
  /** Of a `memarg`: the exponent of the alignment, `memory` and the offset. */
  align = 0;
  memory = 0;
  /** The lower and upper 32 bits of a memarg's offset, each without a sign; the upper are 0 but with memory64. */
  offsetLow = 0;
  offsetHigh = 0;
  /** Of `lane`. */
  lane = 0;
  blockType: BlockType = { result: undefined };
  heapType: HeapType = 0;
  /** Of `labels`: those of the table, and last the default. */
  labels: readonly number[] = [];
  /** Of `types`. */
  types: readonly ValueType[] = [];
  /** Of `catches`. */
  catches: readonly Catch[] = [];
  readonly #reader: ByteReader;
  #indices = 0;

  constructor(bytes: Uint8Array, start: number, end: number) {
    this.bytes = bytes;
    this.#reader = new ByteReader(bytes, start, end, 'unexpected end of section or function');
  }

  /** Offset in the module behind the instruction. */
  get end(): number {
    return this.#reader.offset;
  }

  get atEnd(): boolean {
    return this.#reader.atEnd;
  }

  /** The bytes of an f32, f64, v128 or lanes immediate. */
  get raw(): Uint8Array {
    return this.bytes.subarray(this.immediatesStart, this.end);
  }

  /**
   * Reads the next instruction.
   * @throws ModuleError 'illegal opcode', or what is wrong with an immediate
   */
  next(): Opcode {
    const reader = this.#reader;
    this.start = reader.offset;
    const byte = reader.u8();
    const opcode = SHORT_OPCODES[byte] ?? this.#prefixed(byte);
    this.opcode = opcode;
    this.immediatesStart = reader.offset;
    this.#indices = 0;
    for (const immediate of opcode.immediates) this.#read(immediate);
    return opcode;
  }

  #prefixed(byte: number): Opcode {
    if (byte !== MISC_PREFIX && byte !== SIMD_PREFIX && byte !== THREADS_PREFIX && byte !== GC_PREFIX) {
      return malformed('illegal opcode', this.start, hex(byte));
    }
    const number = this.#reader.u32();
    const opcode = number < 0x1000 ? opcodeByCode(prefixedCode(byte, number)) : undefined;
    return opcode ?? malformed('illegal opcode', this.start, `${hex(byte)} ${hex(number)}`);
  }

  #read(immediate: Immediate): void {
    const reader = this.#reader;
    switch (immediate) {
      case 'memarg':
        this.#readMemarg();
        return;
      case 'blocktype':
        this.blockType = readBlockType(reader);
        return;
      case 'i32':
        this.i32 = reader.s32();
        return;
      case 'i64':
        this.i64 = reader.s64();
        return;
      case 'f32':
        reader.skip(4);
        return;
      case 'f64':
        reader.skip(8);
        return;
      case 'v128':
      case 'lanes':
        reader.skip(V128_BYTES);
        return;
      case 'lane':
        this.lane = reader.u8();
        return;
      case 'heaptype':
        this.heapType = readHeapType(reader);
        return;
      default:
        this.#readOther(immediate);
    }
  }

  #readOther(immediate: Immediate): void {
    const reader = this.#reader;
    switch (immediate) {
      case 'labels':
        this.labels = readLabels(reader);
        return;
      case 'types':
        this.types = readVector(reader, LIMITS.parameters, () => readValueType(reader));
        return;
      case 'catches':
        this.catches = readVector(reader, LIMITS.branchTable, () => readCatch(reader));
        return;
      case 'zero':
        if (reader.u8() !== 0) malformed('zero byte expected', this.immediatesStart);
        return;
      case 'cast':
        return unsupported(`garbage collection (${this.opcode.name})`, this.start);
      default:
        if (this.#indices++ === 0) this.index = reader.u32();
        else this.index2 = reader.u32();
    }
  }

  #readMemarg(): void {
    const reader = this.#reader;
    const at = reader.offset;
    const flags = reader.u32();
    if (flags >= HAS_MEMORY_INDEX * 2) malformed('malformed memop flags', at);
    this.align = flags & (HAS_MEMORY_INDEX - 1);
    this.memory = flags >= HAS_MEMORY_INDEX ? reader.u32() : 0;
    const [low, high] = reader.u64Halves();
    this.offsetLow = low;
    this.offsetHigh = high;
  }
}

function readLabels(reader: ByteReader): number[] {
  const labels = readVector(reader, LIMITS.branchTable, () => reader.u32());
  labels.push(reader.u32());
  return labels;
}

function readCatch(reader: ByteReader): Catch {
  const at = reader.offset;
  const kind = CATCH_KINDS[reader.u8()] ?? malformed('malformed catch clause', at);
  const tag = kind === 'catch' || kind === 'catch_ref' ? reader.u32() : undefined;
  return { kind, tag, label: reader.u32() };
}

function hex(value: number): string {
  return `0x${value.toString(16).padStart(2, '0')}`;
}
