import { ByteReader } from './bytes.ts';
import {
  readExternalKind,
  readGlobalType,
  readMemoryType,
  readTableType,
  readTagType,
} from './decode/external-types.ts';
import { SECTION, splitSections } from './sections.ts';
import type { MemoryType } from './types.ts';

export interface ImportedMemory {
  readonly module: string;
  readonly name: string;
  readonly type: MemoryType;
}

/**
 * The memory that a module imports; V8 tells of its name alone.
 * @param bytes a valid module
 * @returns undefined when it imports none
 */
export function importedMemory(bytes: Uint8Array): ImportedMemory | undefined {
  const section = splitSections(bytes).find(({ id }) => id === SECTION.import);
  if (section === undefined) return undefined;
  const reader = new ByteReader(bytes, section.content.start, section.content.end);
  for (let left = reader.count(); left > 0; left--) {
    const [module, name] = [reader.name(), reader.name()];
    const type = readImportedType(reader);
    if (type !== undefined) return { module, name, type };
  }
  return undefined;
}

/** Steps over a type that is not a memory's. */
function readImportedType(reader: ByteReader): MemoryType | undefined {
  switch (readExternalKind(reader, 'malformed import kind')) {
    case 'memory':
      return readMemoryType(reader);
    case 'function':
      reader.u32();
      return undefined;
    case 'table':
      readTableType(reader);
      return undefined;
    case 'global':
      readGlobalType(reader);
      return undefined;
    case 'tag':
      readTagType(reader);
      return undefined;
  }
}
