import { ByteReader } from './bytes.ts';
import { readFunctionBody } from './decode/code.ts';
import { readExport, readFunction, readGlobal, readMemory, readTable, readTag } from './decode/definitions.ts';
import { readExternalKind, readGlobalType, readTableType } from './decode/external-types.ts';
import { readDataSegment, readElementSegment } from './decode/segments.ts';
import { readTypes } from './decode/types.ts';
import { readVector } from './decode/vector.ts';
import { LIMITS } from './limits.ts';
import { malformed } from './module-error.ts';
import type {
  CustomSection,
  DataSegment,
  ElementSegment,
  Export,
  ExternalKind,
  FunctionBody,
  Global,
  Import,
  Memory,
  Module,
  Section,
  Table,
  Typed,
} from './module.ts';
import { SECTION, splitSections } from './sections.ts';
import type { FunctionType } from './types.ts';

/** A module to be filled in, section by section. */
function emptyModule() {
  return {
    types: [] as FunctionType[],
    typeGroups: [] as number[],
    imports: [] as Import[],
    functions: [] as Typed[],
    tables: [] as Table[],
    memories: [] as Memory[],
    globals: [] as Global[],
    tags: [] as Typed[],
    imported: { function: 0, table: 0, memory: 0, global: 0, tag: 0 } satisfies Record<ExternalKind, number>,
    exports: [] as Export[],
    start: undefined as Module['start'],
    elements: [] as ElementSegment[],
    dataCount: undefined as number | undefined,
    bodies: [] as FunctionBody[],
    data: [] as DataSegment[],
    custom: [] as CustomSection[],
  };
}

type Decoding = ReturnType<typeof emptyModule>;

/**
 * Decodes a module: everything but the instructions of its functions (core specification, "Binary Format"; with what
 * version 3.0, the threads proposal and legacy exceptions add). Time and memory are bounded by the length of the bytes.
 * @throws ModuleError 'malformed' with the rule and the offset, or 'unsupported' for garbage collection
 */
export function decodeModule(bytes: Uint8Array): Module {
  if (bytes.length > LIMITS.moduleBytes) malformed('length out of bounds', 0, `a module of ${bytes.length} bytes`);
  const sections = splitSections(bytes);
  const decoding = emptyModule();
  for (const [index, section] of sections.entries()) {
    const { start, end } = section.content;
    const reader = new ByteReader(bytes, start, end, 'unexpected end of section or function');
    if (section.id === SECTION.custom) decoding.custom.push(readCustom(reader, index));
    else {
      readSection(section, reader, decoding);
      if (!reader.atEnd) malformed('section size mismatch', reader.offset, `${reader.remaining} bytes left`);
    }
  }
  checkCounts(decoding, bytes.length);
  return { bytes, sections, ...decoding };
}

function readCustom(reader: ByteReader, section: number): CustomSection {
  const name = reader.name();
  return { name, content: { start: reader.offset, end: reader.end }, section };
}

function readSection({ id }: Section, reader: ByteReader, into: Decoding): void {
  const definitions = DEFINITIONS.get(id);
  if (definitions !== undefined) definitions(reader, into);
  else OTHERS.get(id)?.(reader, into);
}

type SectionReader = (reader: ByteReader, into: Decoding) => void;

/** Sections that add to an index space, where imports may already be. */
const DEFINITIONS: ReadonlyMap<number, SectionReader> = new Map<number, SectionReader>([
  [SECTION.type, readTypes],
  [SECTION.import, (reader, into) => append(into.imports, reader, LIMITS.imports, () => readImport(reader, into))],
  [SECTION.function, (reader, { functions }) => append(functions, reader, LIMITS.functions, readFunction)],
  [SECTION.table, (reader, { tables }) => append(tables, reader, LIMITS.tables, readTable)],
  [SECTION.memory, (reader, { memories }) => append(memories, reader, LIMITS.memories, readMemory)],
  [SECTION.tag, (reader, { tags }) => append(tags, reader, LIMITS.tags, readTag)],
  [SECTION.global, (reader, { globals }) => append(globals, reader, LIMITS.globals, readGlobal)],
]);

const OTHERS: ReadonlyMap<number, SectionReader> = new Map<number, SectionReader>([
  [
    SECTION.export,
    (reader, into) => {
      into.exports = readVector(reader, LIMITS.exports, () => readExport(reader));
    },
  ],
  [
    SECTION.start,
    (reader, into) => {
      into.start = { start: reader.offset, function: reader.u32() };
    },
  ],
  [
    SECTION.element,
    (reader, into) => {
      into.elements = readVector(reader, LIMITS.elementSegments, () => readElementSegment(reader));
    },
  ],
  [
    SECTION.dataCount,
    (reader, into) => {
      into.dataCount = reader.u32();
    },
  ],
  [
    SECTION.code,
    (reader, into) => {
      into.bodies = readVector(reader, LIMITS.functions, () => readFunctionBody(reader));
    },
  ],
  [
    SECTION.data,
    (reader, into) => {
      into.data = readVector(reader, LIMITS.dataSegments, () => readDataSegment(reader));
    },
  ],
]);

function append<Element>(
  elements: Element[],
  reader: ByteReader,
  limit: number,
  read: (reader: ByteReader) => Element,
): void {
  for (const element of readVector(reader, limit, () => read(reader))) elements.push(element);
}

function readImport(reader: ByteReader, into: Decoding): Import {
  const start = reader.offset;
  const module = reader.name();
  const name = reader.name();
  const kind = readExternalKind(reader, 'malformed import kind');
  IMPORTED[kind](reader, into);
  into.imported[kind]++;
  return { module, name, kind, start };
}

const IMPORTED: Readonly<Record<ExternalKind, SectionReader>> = {
  function: (reader, { functions }) => functions.push(readFunction(reader)),
  table: (reader, { tables }) => tables.push({ start: reader.offset, type: readTableType(reader), init: undefined }),
  memory: (reader, { memories }) => memories.push(readMemory(reader)),
  global: (reader, { globals }) =>
    globals.push({ start: reader.offset, type: readGlobalType(reader), init: undefined }),
  tag: (reader, { tags }) => tags.push(readTag(reader)),
};

/** Sections that speak of the same things must agree on how many there are. */
function checkCounts({ functions, imported, bodies, dataCount, data }: Decoding, end: number): void {
  const declared = functions.length - imported.function;
  if (declared !== bodies.length) {
    malformed(
      'function and code section have inconsistent lengths',
      end,
      `${declared} functions, ${bodies.length} bodies`,
    );
  }
  if (dataCount !== undefined && dataCount !== data.length) {
    malformed(
      'data count and data section have inconsistent lengths',
      end,
      `${dataCount} counted, ${data.length} segments`,
    );
  }
}
