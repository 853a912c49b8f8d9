import type { ByteReader } from '../bytes.ts';
import { LIMITS } from '../limits.ts';
import { malformed } from '../module-error.ts';
import type { DataSegment, ElementSegment, Placement } from '../module.ts';
import { readRefType } from '../type-reader.ts';
import { FUNC, FUNCREF, refType, type ValueType } from '../types.ts';
import { readExpression } from './expression.ts';
import { readVector } from './vector.ts';

/** Bits of an element segment's number (core specification, "Binary Format", Element Section). */
const NOT_ACTIVE = 1;
/** Of an active one: the table is named. Of another: it is declarative. */
const EXPLICIT = 2;
const EXPRESSIONS = 4;

export function readElementSegment(reader: ByteReader): ElementSegment {
  const start = reader.offset;
  const flags = reader.u32();
  if (flags > (NOT_ACTIVE | EXPLICIT | EXPRESSIONS)) malformed('malformed elements segment kind', start);
  const active = (flags & NOT_ACTIVE) === 0;
  const explicit = (flags & EXPLICIT) !== 0;
  const expressions = (flags & EXPRESSIONS) !== 0;
  const placement = active ? readPlacement(reader, explicit) : undefined;
  const type = readElementType(reader, expressions, !active || explicit);
  return {
    mode: active ? 'active' : explicit ? 'declarative' : 'passive',
    placement,
    type,
    items: expressions
      ? readVector(reader, LIMITS.elementsOfSegment, () => readExpression(reader))
      : readVector(reader, LIMITS.elementsOfSegment, () => reader.u32()),
    start,
  };
}

function readPlacement(reader: ByteReader, explicit: boolean): Placement {
  const target = explicit ? reader.u32() : 0;
  return { target, offset: readExpression(reader) };
}

function readElementType(reader: ByteReader, expressions: boolean, written: boolean): ValueType {
  if (expressions) return written ? readRefType(reader) : FUNCREF;
  if (written) {
    const at = reader.offset;
    if (reader.u8() !== 0) malformed('malformed element kind', at);
  }
  return refType(false, FUNC);
}

const PASSIVE = 1;
const ACTIVE_EXPLICIT = 2;

export function readDataSegment(reader: ByteReader): DataSegment {
  const start = reader.offset;
  const flags = reader.u32();
  if (flags > ACTIVE_EXPLICIT) malformed('malformed data segment kind', start);
  const placement = flags === PASSIVE ? undefined : readPlacement(reader, flags === ACTIVE_EXPLICIT);
  const length = reader.u32();
  const content = reader.skip(length);
  return { placement, content: { start: content, end: content + length }, start };
}
