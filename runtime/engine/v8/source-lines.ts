import { findLines } from '../../wasm/dwarf/lines.ts';
import type { LineSections } from '../../wasm/dwarf/line-header.ts';
import { ByteReader } from '../../wasm/bytes.ts';
import { originalOffset } from '../../wasm/rewrite/offsets.ts';
import { SECTION, splitSections } from '../../wasm/sections.ts';

/** Tells of instructions, by their offsets in the module, which lines of the source they come from: 'main.c:12:3'. */
export type LocateLines = (offsets: readonly number[]) => ReadonlyMap<number, string>;

/**
 * Line numbers of a module that was rewritten for a shared host (runtime/wasm/rewrite.ts): they are in the module as it
 * was built. Neither is read before a guest traps.
 * @param read gives the bytes of both; what it throws costs the line numbers
 */
export function rewrittenLineLocator(
  read: () => { readonly rewritten: Uint8Array; readonly original: Uint8Array },
): LocateLines {
  return (offsets) => {
    const result = new Map<number, string>();
    try {
      const { rewritten, original } = read();
      const origins = new Map(offsets.map((offset) => [originalOffset(rewritten, offset), offset]));
      origins.delete(undefined);
      for (const [origin, line] of locate(original, [...origins.keys()] as number[])) {
        result.set(origins.get(origin) ?? origin, line);
      }
    } catch {
      // Gone with its image, or damaged: the functions' names are told all the same.
    }
    return result;
  };
}

function locate(bytes: Uint8Array, offsets: readonly number[]): ReadonlyMap<number, string> {
  const found = splitSections(bytes);
  const custom = new Map<string, Uint8Array>();
  for (const { id, content } of found) {
    if (id !== SECTION.custom) continue;
    const reader = new ByteReader(bytes, content.start, content.end);
    custom.set(reader.name(), bytes.subarray(reader.offset, content.end));
  }
  const sections = lineSections((name) => custom.get(name));
  const code = found.find(({ id }) => id === SECTION.code)?.content.start ?? 0;
  return sections === undefined ? new Map() : linesAt(sections, code, offsets);
}

/** @throws for damaged sections */
function linesAt(sections: LineSections, code: number, offsets: readonly number[]): ReadonlyMap<number, string> {
  const result = new Map<number, string>();
  const addresses = offsets.map((offset) => offset - code);
  for (const [address, { file, line, column }] of findLines(sections, addresses)) {
    result.set(address + code, column === 0 ? `${file}:${line}` : `${file}:${line}:${column}`);
  }
  return result;
}

/**
 * Line numbers of a module that was compiled with them (DWARF). Nothing is read before they are asked for: the custom
 * sections lie in the engine's own copy of the module, so no guest that never traps has them in its host's memory.
 * @param bytes what `module` was compiled from
 */
export function lineLocator(module: WebAssembly.Module, bytes: Uint8Array): LocateLines {
  const code = splitSections(bytes).find(({ id }) => id === SECTION.code)?.content.start ?? 0;
  return (offsets) => {
    const sections = sectionsOf(module);
    try {
      if (sections !== undefined) return linesAt(sections, code, offsets);
    } catch {
      // Damaged: the functions' names are told all the same.
    }
    return new Map();
  };
}

/** The same where the engine holds the module's bytes anyway. */
export function lineLocatorOf(bytes: Uint8Array): LocateLines {
  return (offsets) => {
    try {
      return locate(bytes, offsets);
    } catch {
      return new Map();
    }
  };
}

function sectionsOf(module: WebAssembly.Module): LineSections | undefined {
  return lineSections((name) => {
    const [content] = WebAssembly.Module.customSections(module, name);
    return content && new Uint8Array(content);
  });
}

function lineSections(section: (name: string) => Uint8Array | undefined): LineSections | undefined {
  const line = section('.debug_line');
  return line && { line, lineStr: section('.debug_line_str'), str: section('.debug_str') };
}
