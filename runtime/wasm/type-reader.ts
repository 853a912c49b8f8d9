import type { ByteReader } from './bytes.ts';
import { invalid, malformed, unsupported } from './module-error.ts';
import {
  abstractHeapType,
  F32,
  F64,
  gcHeapTypeName,
  type HeapType,
  I32,
  I64,
  MAX_TYPES,
  refType,
  V128,
  type ValueType,
} from './types.ts';

const REF_NULL = 0x63;
const REF = 0x64;

function isNumberOrVector(byte: number): boolean {
  return byte === I32 || byte === I64 || byte === F32 || byte === F64 || byte === V128;
}

/** Core specification, "Binary Format", Value Types. */
export function readValueType(reader: ByteReader): ValueType {
  if (!isNumberOrVector(reader.peek())) return readRefType(reader, 'malformed value type');
  return reader.u8();
}

/** Core specification, "Binary Format", Reference Types. */
export function readRefType(reader: ByteReader, rule = 'malformed reference type'): ValueType {
  const at = reader.offset;
  const byte = reader.u8();
  if (byte === REF_NULL || byte === REF) return refType(byte === REF_NULL, readHeapType(reader));
  return refType(true, shorthand(byte, at, rule));
}

function shorthand(byte: number, at: number, rule: string): HeapType {
  const heap = abstractHeapType(byte);
  if (heap !== undefined) return heap;
  const gc = gcHeapTypeName(byte);
  if (gc !== undefined) unsupported(`garbage collection (heap type ${gc})`, at);
  return malformed(rule, at, `0x${byte.toString(16)}`);
}

/** Core specification, "Binary Format", Heap Types. An index is not yet compared with the number of types. */
export function readHeapType(reader: ByteReader): HeapType {
  const at = reader.offset;
  const value = reader.s33();
  if (value >= 0) return value < MAX_TYPES ? value : invalid('unknown type', at, String(value));
  if (value < -64) malformed('malformed heap type', at);
  return shorthand(value & 0x7f, at, 'malformed heap type');
}

/** What a block takes and gives: a defined function type, or at most one value type as its result. */
export type BlockType = { readonly index: number } | { readonly result: ValueType | undefined };

const EMPTY_BYTE = 0x40;
const EMPTY: BlockType = { result: undefined };

/** Core specification, "Binary Format", Control Instructions. */
export function readBlockType(reader: ByteReader): BlockType {
  const at = reader.offset;
  const byte = reader.peek();
  if (byte === EMPTY_BYTE) {
    reader.u8();
    return EMPTY;
  }
  if ((byte & 0xc0) === 0x40) return { result: readValueType(reader) };
  const index = reader.s33();
  return index < 0 ? malformed('malformed block type', at) : { index };
}
