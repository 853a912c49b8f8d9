import { ByteReader } from './bytes.ts';
import { malformed } from './module-error.ts';
import type { Section } from './module.ts';

/** Core specification, "Binary Format", Sections. */
export const SECTION = {
  custom: 0,
  type: 1,
  import: 2,
  function: 3,
  table: 4,
  memory: 5,
  global: 6,
  export: 7,
  start: 8,
  element: 9,
  code: 10,
  data: 11,
  dataCount: 12,
  tag: 13,
} as const;

/** The order in which sections stand; custom ones may stand anywhere. */
export const SECTION_ORDER: readonly number[] = [
  SECTION.type,
  SECTION.import,
  SECTION.function,
  SECTION.table,
  SECTION.memory,
  SECTION.tag,
  SECTION.global,
  SECTION.export,
  SECTION.start,
  SECTION.element,
  SECTION.dataCount,
  SECTION.code,
  SECTION.data,
];

const MAGIC = [0x00, 0x61, 0x73, 0x6d];
const VERSION = [0x01, 0x00, 0x00, 0x00];
export const HEADER_BYTES = 8;

/**
 * Splits a module into its sections, each once and in order.
 * @throws ModuleError
 */
export function splitSections(bytes: Uint8Array): Section[] {
  checkHeader(bytes);
  const reader = new ByteReader(bytes, HEADER_BYTES);
  const sections: Section[] = [];
  let place = -1;
  while (!reader.atEnd) {
    const start = reader.offset;
    const id = reader.u8();
    if (id !== SECTION.custom) place = nextPlace(id, place, start);
    const size = reader.u32();
    const content = reader.skip(size, 'length out of bounds');
    sections.push({ id, start, content: { start: content, end: content + size } });
  }
  return sections;
}

function checkHeader(bytes: Uint8Array): void {
  expectBytes(bytes, 0, MAGIC, 'magic header not detected');
  expectBytes(bytes, MAGIC.length, VERSION, 'unknown binary version');
}

function expectBytes(bytes: Uint8Array, at: number, expected: readonly number[], rule: string): void {
  if (bytes.length < at + expected.length) malformed('unexpected end', bytes.length);
  if (expected.some((byte, index) => bytes[at + index] !== byte)) malformed(rule, at);
}

function nextPlace(id: number, last: number, at: number): number {
  const place = SECTION_ORDER.indexOf(id);
  if (place === -1) malformed('malformed section id', at, String(id));
  if (place <= last) malformed('unexpected content after last section', at, `section ${id} out of order`);
  return place;
}
