/** Core specification, binary format, "Sections". */
const EXPORT_SECTION = 7;
const START_SECTION = 8;
const HEADER_SIZE = 8;
/** `exportdesc` of a function. */
const FUNCTION = 0;

/** The name under which a start function is exported: none that a toolchain gives. */
export const START_EXPORT = 'wasmlet:start';

interface Section {
  readonly id: number;
  readonly content: Uint8Array;
}

/** @returns the number, and where it ends */
function readU32(bytes: Uint8Array, at: number): [value: number, end: number] {
  let value = 0;
  for (let shift = 0; shift < 35; shift += 7) {
    const byte = bytes[at++] ?? 0;
    value += (byte & 0x7f) * 2 ** shift;
    if (byte < 0x80) break;
  }
  return [value, at];
}

function u32(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  for (; rest > 0x7f; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 0x80);
  return [...bytes, rest];
}

function sectionsOf(bytes: Uint8Array): Section[] {
  const sections: Section[] = [];
  for (let at = HEADER_SIZE; at < bytes.length;) {
    const [size, start] = readU32(bytes, at + 1);
    sections.push({ id: bytes[at] ?? 0, content: bytes.subarray(start, start + size) });
    at = start + size;
  }
  return sections;
}

/** An export section with one export more. */
function withExport(section: Uint8Array, functionIndex: number): Uint8Array {
  const [count, end] = readU32(section, 0);
  const name = Buffer.from(START_EXPORT);
  const added = [...u32(name.length), ...name, FUNCTION, ...u32(functionIndex)];
  return Buffer.concat([Buffer.from(u32(count + 1)), section.subarray(end), Buffer.from(added)]);
}

/**
 * Makes a module's start function an export that is called instead: as a start function it runs while its instance is
 * made, when there is no memory yet that host functions could use, and nothing may wait (WebAssembly.SuspendError).
 * @param bytes a valid module
 * @returns undefined when it has no start function
 */
export function exportStart(bytes: Uint8Array): Uint8Array<ArrayBuffer> | undefined {
  const sections = sectionsOf(bytes);
  const start = sections.find(({ id }) => id === START_SECTION);
  if (start === undefined) return undefined;
  const [functionIndex] = readU32(start.content, 0);
  const hasExports = sections.some(({ id }) => id === EXPORT_SECTION);
  const parts: Uint8Array[] = [bytes.subarray(0, HEADER_SIZE)];
  for (const { id, content } of sections) {
    // The export section's place is right before the start section's, but for sections that stay where they are.
    if (id === START_SECTION && hasExports) continue;
    const changed =
      id === START_SECTION
        ? withExport(Uint8Array.of(0), functionIndex)
        : id === EXPORT_SECTION
          ? withExport(content, functionIndex)
          : content;
    parts.push(Uint8Array.of(id === START_SECTION ? EXPORT_SECTION : id, ...u32(changed.length)), changed);
  }
  return new Uint8Array(Buffer.concat(parts));
}
