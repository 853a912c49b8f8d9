/**
 * Types of values and of definitions (core specification 3.0, "Types").
 *
 * A value type is a number, so that a validator compares millions of them by `===`: the byte of the binary format for
 * numbers and vectors, and for references the bits below. Heap types are numbers too: the index of a defined type, or
 * ABSTRACT with the byte of the binary format.
 */
export type ValueType = number;
export type HeapType = number;

export const I32 = 0x7f;
export const I64 = 0x7e;
export const F32 = 0x7d;
export const F64 = 0x7c;
export const V128 = 0x7b;

const REFERENCE = 1 << 27;
const NULLABLE = 1 << 26;
const ABSTRACT = 1 << 25;
const HEAP_MASK = ABSTRACT | 0xffffff;
/** Implementation limit of all engines (JS API specification, "Implementation-defined Limits"). */
export const MAX_TYPES = 1_000_000;

export const FUNC: HeapType = ABSTRACT | 0x70;
export const EXTERN: HeapType = ABSTRACT | 0x6f;
export const EXN: HeapType = ABSTRACT | 0x69;
export const NOFUNC: HeapType = ABSTRACT | 0x73;
export const NOEXTERN: HeapType = ABSTRACT | 0x72;
export const NOEXN: HeapType = ABSTRACT | 0x74;

/** Heap types by the byte of the binary format; those of garbage collection are refused by name. */
const HEAP_TYPES: ReadonlyMap<number, string> = new Map([
  [0x70, 'func'],
  [0x6f, 'extern'],
  [0x69, 'exn'],
  [0x73, 'nofunc'],
  [0x72, 'noextern'],
  [0x74, 'noexn'],
]);
const GC_HEAP_TYPES: ReadonlyMap<number, string> = new Map([
  [0x71, 'none'],
  [0x6e, 'any'],
  [0x6d, 'eq'],
  [0x6c, 'i31'],
  [0x6b, 'struct'],
  [0x6a, 'array'],
]);

/** The abstract heap type of a byte, undefined when there is none (or only with garbage collection). */
export function abstractHeapType(byte: number): HeapType | undefined {
  return HEAP_TYPES.has(byte) ? ABSTRACT | byte : undefined;
}

/** The name of a heap type that belongs to the garbage collection proposal. */
export function gcHeapTypeName(byte: number): string | undefined {
  return GC_HEAP_TYPES.get(byte);
}

/** `(ref null? heap)` */
export function refType(nullable: boolean, heap: HeapType): ValueType {
  return REFERENCE | (nullable ? NULLABLE : 0) | heap;
}

export const FUNCREF: ValueType = refType(true, FUNC);
export const EXTERNREF: ValueType = refType(true, EXTERN);
export const EXNREF: ValueType = refType(true, EXN);

export function isRef(type: ValueType): boolean {
  return (type & REFERENCE) !== 0;
}

export function isNullable(type: ValueType): boolean {
  return (type & NULLABLE) !== 0;
}

/** The heap type of a reference type. */
export function heapOf(type: ValueType): HeapType {
  return type & HEAP_MASK;
}

/** The index of the defined type that a heap type names; undefined for an abstract one. */
export function typeIndexOf(heap: HeapType): number | undefined {
  return (heap & ABSTRACT) === 0 ? heap : undefined;
}

const NUMERIC_NAMES: ReadonlyMap<ValueType, string> = new Map([
  [I32, 'i32'],
  [I64, 'i64'],
  [F32, 'f32'],
  [F64, 'f64'],
  [V128, 'v128'],
]);

/** The type as the text format writes it: `i32`, `funcref`, `(ref null 3)`. */
export function typeName(type: ValueType): string {
  const name = NUMERIC_NAMES.get(type);
  if (name !== undefined) return name;
  if (!isRef(type)) return 'any type';
  const heap = heapOf(type);
  const heapName = HEAP_TYPES.get(heap & 0xff);
  if (typeIndexOf(heap) === undefined && isNullable(type) && heapName?.startsWith('no') === false) {
    return `${heapName}ref`;
  }
  return `(ref ${isNullable(type) ? 'null ' : ''}${typeIndexOf(heap) ?? heapName ?? '?'})`;
}

/** `[i32 i64]`, as the specification writes the type of a sequence of operands. */
export function typeNames(types: readonly ValueType[]): string {
  return `[${types.map(typeName).join(' ')}]`;
}

export interface FunctionType {
  readonly parameters: readonly ValueType[];
  readonly results: readonly ValueType[];
}

/** Sizes of a memory in pages, or of a table in elements; `max` undefined where none is declared. */
export interface Limits {
  readonly min: bigint;
  readonly max: bigint | undefined;
  /** Whether addresses are i64 (memory64, table64). */
  readonly is64: boolean;
}

export interface MemoryType extends Limits {
  readonly shared: boolean;
}

export interface TableType extends Limits {
  readonly element: ValueType;
  readonly shared: boolean;
}

export interface GlobalType {
  readonly type: ValueType;
  readonly mutable: boolean;
}
