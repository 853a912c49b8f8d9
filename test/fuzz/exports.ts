import { ByteReader } from '../../runtime/wasm/bytes.ts';
import { encodeModule, encodeName, u32 } from '../../runtime/wasm/encode.ts';
import type { ExternalKind, Module } from '../../runtime/wasm/module.ts';
import { SECTION, SECTION_ORDER } from '../../runtime/wasm/sections.ts';

const KINDS: readonly ExternalKind[] = ['function', 'table', 'memory', 'global', 'tag'];

/** Something that a module is to export, under `fuzz:KIND:INDEX`. */
export interface Wanted {
  readonly kind: ExternalKind;
  readonly index: number;
}

export const exportName = ({ kind, index }: Wanted): string => `fuzz:${kind}:${index}`;

/** A copy of a module that exports more. */
export function withExports({ bytes, sections }: Module, wanted: readonly Wanted[]): Uint8Array<ArrayBuffer> {
  const added = wanted.flatMap((one) => [...encodeName(exportName(one)), KINDS.indexOf(one.kind), ...u32(one.index)]);
  const present = sections.find(({ id }) => id === SECTION.export);
  let count = 0;
  let before: Uint8Array = new Uint8Array();
  if (present !== undefined) {
    const reader = new ByteReader(bytes, present.content.start, present.content.end);
    count = reader.u32();
    before = bytes.subarray(reader.offset, present.content.end);
  }
  const content = Buffer.concat([Buffer.from(u32(count + wanted.length)), before, Buffer.from(added)]);
  // Custom sections do not matter here, and names would make the copy large.
  const others = sections
    .filter(({ id }) => id !== SECTION.custom && id !== SECTION.export)
    .map((section) => [section.id, bytes.subarray(section.content.start, section.content.end)] as const);
  const all = [...others, [SECTION.export, content] as const];
  return encodeModule(all.toSorted(([a], [b]) => SECTION_ORDER.indexOf(a) - SECTION_ORDER.indexOf(b)));
}
