import type { ByteReader } from '../bytes.ts';
import { malformed } from '../module-error.ts';
import type { ExternalKind } from '../module.ts';
import { readRefType, readValueType } from '../type-reader.ts';
import type { GlobalType, Limits, MemoryType, TableType } from '../types.ts';

const HAS_MAX = 1;
const SHARED = 2;
const IS_64 = 4;

interface FlaggedLimits extends Limits {
  readonly shared: boolean;
}

function readLimits(reader: ByteReader): FlaggedLimits {
  const at = reader.offset;
  const flags = reader.u8();
  if (flags > (HAS_MAX | SHARED | IS_64)) malformed('malformed limits flags', at, `0x${flags.toString(16)}`);
  return {
    is64: (flags & IS_64) !== 0,
    shared: (flags & SHARED) !== 0,
    min: reader.u64(),
    max: (flags & HAS_MAX) !== 0 ? reader.u64() : undefined,
  };
}

export function readMemoryType(reader: ByteReader): MemoryType {
  return readLimits(reader);
}

export function readTableType(reader: ByteReader): TableType {
  const element = readRefType(reader);
  const at = reader.offset;
  const limits = readLimits(reader);
  if (limits.shared) malformed('malformed limits flags', at, 'a table cannot be shared');
  return { element, ...limits };
}

export function readGlobalType(reader: ByteReader): GlobalType {
  const type = readValueType(reader);
  const at = reader.offset;
  const mutable = reader.u8();
  if (mutable > 1) malformed('malformed mutability', at);
  return { type, mutable: mutable === 1 };
}

/** The index of a tag's type, behind the byte for "exception". */
export function readTagType(reader: ByteReader): number {
  const at = reader.offset;
  if (reader.u8() !== 0) malformed('malformed tag attribute', at);
  return reader.u32();
}

export const EXTERNAL_KINDS: readonly ExternalKind[] = ['function', 'table', 'memory', 'global', 'tag'];

export function readExternalKind(reader: ByteReader, rule: string): ExternalKind {
  const at = reader.offset;
  return EXTERNAL_KINDS[reader.u8()] ?? malformed(rule, at);
}
