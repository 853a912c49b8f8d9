import { EXNREF, F32, F64, FUNCREF, I32, I64, V128, type ValueType } from '../types.ts';

/** What may follow an opcode, by the name of what it is (core specification, "Binary Format", Instructions). */
export type Immediate =
  | 'blocktype'
  | 'label'
  /** The vector of labels of br_table and its default. */
  | 'labels'
  | 'function'
  | 'type'
  | 'table'
  | 'memory'
  | 'global'
  | 'local'
  | 'tag'
  | 'element'
  | 'data'
  | 'field'
  /** Alignment, memory and offset of a memory access. */
  | 'memarg'
  | 'i32'
  | 'i64'
  | 'f32'
  | 'f64'
  | 'v128'
  /** One lane's number. */
  | 'lane'
  /** The sixteen lanes of a shuffle. */
  | 'lanes'
  | 'heaptype'
  /** The vector of types of a select. */
  | 'types'
  /** The vector of catch clauses of a try_table. */
  | 'catches'
  /** Flags, label and two heap types of a br_on_cast. */
  | 'cast'
  /** A byte that must be zero. */
  | 'zero'
  /** A number of array elements. */
  | 'length';

/** The part of WebAssembly that an instruction came with. */
export type Feature =
  | 'mvp'
  | 'sign-extension'
  | 'saturating-conversion'
  | 'bulk-memory'
  | 'reference-types'
  | 'simd'
  | 'relaxed-simd'
  | 'tail-calls'
  | 'exceptions'
  | 'legacy-exceptions'
  | 'function-references'
  | 'threads'
  | 'gc';

/** Stands in a signature for i32 or i64, as the memory or table addressed has it. */
export const ADDRESS: ValueType = -1;

export interface Signature {
  readonly parameters: readonly ValueType[];
  readonly results: readonly ValueType[];
}

export interface Opcode {
  /** As the text format has it: 'i32.add'. */
  readonly name: string;
  /** The byte; behind a prefix byte P the number that follows plus P * 0x1000. */
  readonly code: number;
  readonly feature: Feature;
  readonly immediates: readonly Immediate[];
  /** What it takes and gives; undefined where that depends on immediates or on the operands. */
  readonly signature: Signature | undefined;
  /** Of a memory access: how many bytes it reads or writes; else 0. */
  readonly bytes: number;
  /** Of an instruction on one lane: how many lanes there are; else 0. */
  readonly lanes: number;
}

/** Prefix bytes: a number follows that names the instruction. */
export const GC_PREFIX = 0xfb;
export const MISC_PREFIX = 0xfc;
export const SIMD_PREFIX = 0xfd;
export const THREADS_PREFIX = 0xfe;

const TYPES: Readonly<Record<string, ValueType>> = {
  i32: I32,
  i64: I64,
  f32: F32,
  f64: F64,
  v128: V128,
  addr: ADDRESS,
  funcref: FUNCREF,
  exnref: EXNREF,
};

/** The key in the table of an instruction behind a prefix byte. */
export function prefixedCode(prefix: number, number: number): number {
  return prefix * 0x1000 + number;
}

/**
 * Reads a table of opcodes: one a line, `CODE NAME [IMMEDIATE…] [: PARAMETER… -> RESULT…]`, the code in hexadecimal.
 * `memarg.4` tells the bytes accessed, `lane.16` the number of lanes; without a `:` the type depends on the context.
 * @param prefix 0 for opcodes of one byte
 */
export function parseOpcodes(feature: Feature, prefix: number, table: string): Opcode[] {
  return table
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '')
    .map((line) => parseRow(feature, prefix, line));
}

function parseRow(feature: Feature, prefix: number, line: string): Opcode {
  const [head = '', type] = line.split(/ *: */);
  const [code = '', name = '', ...rest] = head.split(/ +/);
  const number = Number.parseInt(code, 16);
  const qualified = rest.map((word) => word.split('.'));
  const quantity = (immediate: Immediate): number => Number(qualified.find(([word]) => word === immediate)?.[1] ?? 0);
  return {
    name,
    code: prefix === 0 ? number : prefixedCode(prefix, number),
    feature,
    immediates: qualified.map(([word]) => word as Immediate),
    signature: type === undefined ? undefined : parseSignature(type),
    bytes: quantity('memarg'),
    lanes: quantity('lane'),
  };
}

function parseSignature(text: string): Signature {
  const [parameters = '', results = ''] = text.split('->');
  return { parameters: parseTypes(parameters), results: parseTypes(results) };
}

function parseTypes(text: string): ValueType[] {
  const words = text.trim().split(/ +/);
  return words[0] === '' ? [] : words.map((word) => TYPES[word] ?? ADDRESS);
}
