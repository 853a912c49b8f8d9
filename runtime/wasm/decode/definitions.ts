import type { ByteReader } from '../bytes.ts';
import { malformed } from '../module-error.ts';
import type { Export, Global, Memory, Table, Typed } from '../module.ts';
import { readExpression } from './expression.ts';
import { readExternalKind, readGlobalType, readMemoryType, readTableType, readTagType } from './external-types.ts';

export function readFunction(reader: ByteReader): Typed {
  const start = reader.offset;
  return { type: reader.u32(), start };
}

export function readTag(reader: ByteReader): Typed {
  const start = reader.offset;
  return { type: readTagType(reader), start };
}

/** What a table begins with when its elements are not null: 0x40 0x00, the type, the expression. */
const TABLE_WITH_INIT = 0x40;

export function readTable(reader: ByteReader): Table {
  const start = reader.offset;
  if (reader.peek() !== TABLE_WITH_INIT) return { type: readTableType(reader), init: undefined, start };
  reader.u8();
  const at = reader.offset;
  if (reader.u8() !== 0) malformed('zero byte expected', at);
  return { type: readTableType(reader), init: readExpression(reader), start };
}

export function readMemory(reader: ByteReader): Memory {
  const start = reader.offset;
  return { type: readMemoryType(reader), start };
}

export function readGlobal(reader: ByteReader): Global {
  const start = reader.offset;
  return { type: readGlobalType(reader), init: readExpression(reader), start };
}

export function readExport(reader: ByteReader): Export {
  const start = reader.offset;
  const name = reader.name();
  return { name, kind: readExternalKind(reader, 'malformed export kind'), index: reader.u32(), start };
}
