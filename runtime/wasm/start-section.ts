import { ByteReader } from './bytes.ts';
import { encodeModule, encodeName, u32 } from './encode.ts';
import type { Section } from './module.ts';
import { SECTION, splitSections } from './sections.ts';

/** `exportdesc` of a function. */
const FUNCTION = 0;

/** The name under which a start function is exported: none that a toolchain gives. */
export const START_EXPORT = 'wasmlet:start';

/** An export section's content, or that of an empty one, with one export more. */
function withExport(content: Uint8Array | undefined, functionIndex: number): Uint8Array {
  const added = [...encodeName(START_EXPORT), FUNCTION, ...u32(functionIndex)];
  if (content === undefined) return Uint8Array.from([1, ...added]);
  const reader = new ByteReader(content);
  return Buffer.concat([Buffer.from(u32(reader.u32() + 1)), content.subarray(reader.offset), Buffer.from(added)]);
}

/**
 * Makes a module's start function an export that is called instead: as a start function it runs while its instance is
 * made, when there is no memory yet that host functions could use, and nothing may wait (WebAssembly.SuspendError).
 * @param bytes a valid module
 * @returns undefined when it has no start function
 */
export function exportStart(bytes: Uint8Array): Uint8Array<ArrayBuffer> | undefined {
  const sections = splitSections(bytes);
  const contentOf = ({ content }: Section): Uint8Array => bytes.subarray(content.start, content.end);
  const start = sections.find(({ id }) => id === SECTION.start);
  if (start === undefined) return undefined;
  const functionIndex = new ByteReader(contentOf(start)).u32();
  const exports = sections.find(({ id }) => id === SECTION.export);
  const exported = withExport(exports && contentOf(exports), functionIndex);
  return encodeModule(
    sections.flatMap((section) => {
      if (section === exports) return [[SECTION.export, exported] as const];
      if (section !== start) return [[section.id, contentOf(section)] as const];
      // The export section's place is right before the start section's.
      return exports === undefined ? [[SECTION.export, exported] as const] : [];
    }),
  );
}
