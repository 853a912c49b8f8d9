import { findLines } from '../../wasm/dwarf/lines.ts';
import type { LineSections } from '../../wasm/dwarf/line-header.ts';
import { SECTION, splitSections } from '../../wasm/sections.ts';

/** Tells of instructions, by their offsets in the module, which lines of the source they come from: 'main.c:12:3'. */
export type LocateLines = (offsets: readonly number[]) => ReadonlyMap<number, string>;

/**
 * Line numbers of a module that was compiled with them (DWARF). Nothing is read before they are asked for: the custom
 * sections lie in the engine's own copy of the module, so no guest that never traps has them in its host's memory.
 * @param bytes what `module` was compiled from
 */
export function lineLocator(module: WebAssembly.Module, bytes: Uint8Array): LocateLines {
  const code = splitSections(bytes).find(({ id }) => id === SECTION.code)?.content.start ?? 0;
  return (offsets) => {
    const sections = sectionsOf(module);
    const result = new Map<number, string>();
    if (sections === undefined) return result;
    try {
      for (const [address, { file, line, column }] of findLines(
        sections,
        offsets.map((offset) => offset - code),
      )) {
        result.set(address + code, column === 0 ? `${file}:${line}` : `${file}:${line}:${column}`);
      }
    } catch {
      // Damaged: the functions' names are told all the same.
    }
    return result;
  };
}

function sectionsOf(module: WebAssembly.Module): LineSections | undefined {
  const section = (name: string): Uint8Array | undefined => {
    const [content] = WebAssembly.Module.customSections(module, name);
    return content && new Uint8Array(content);
  };
  const line = section('.debug_line');
  return line && { line, lineStr: section('.debug_line_str'), str: section('.debug_str') };
}
