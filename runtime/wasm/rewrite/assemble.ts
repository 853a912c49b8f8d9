import { ByteReader } from '../bytes.ts';
import { encodeModule, encodeName, u32 } from '../encode.ts';
import type { CustomSection, Module, Range, Section } from '../module.ts';
import { SECTION, SECTION_ORDER } from '../sections.ts';
import { ByteWriter } from '../writer.ts';
import type { Analysis } from './analysis.ts';
import { instruction } from './assembler.ts';
import { type BodyContext, type BodyNotes, BodyRewriter } from './body.ts';
import { type Helper, Helpers } from './helpers.ts';
import { GROW_TYPE, HOOK_COUNT, PRIVATE, YIELD_TYPE } from './names.ts';
import { HintRecorder } from './hints.ts';
import { OFFSETS_SECTION, OffsetRecorder } from './offsets.ts';
import { type Plan, planFor, yieldBody } from './plan.ts';

const FUNCREF_BYTE = 0x70;
const LIMITS_WITH_MAX = 0x01;
const SHARED_WITH_MAX = 0x03;
const EXPORT_KIND = { function: 0, table: 1, memory: 2 } as const;

type EncodedSection = readonly [id: number, content: ArrayLike<number>];

/** Elements to be put behind those that a section has: how many, and their bytes. */
interface Addition {
  readonly count: number;
  readonly bytes: readonly number[];
}

/** The rewritten module. */
export function assemble(module: Module, analysis: Analysis): Uint8Array<ArrayBuffer> {
  const plan = planFor(module);
  const helpers = new Helpers(module, plan);
  const offsets = new OffsetRecorder();
  const hints = new HintRecorder();
  const bodies = rewriteBodies(module, { bytes: module.bytes, analysis, helpers, check: plan.check }, offsets, hints);
  const additions = additionsOf(module, plan, helpers.all);
  const code = codeSection(module, bodies, plan, helpers.all, offsets);
  const changed = new Map<number, ArrayLike<number> | undefined>([
    ...[...additions].map(([id, addition]) => [id, withAddition(module, id, addition)] as const),
    [SECTION.code, code],
    // An export now: PRIVATE.start.
    [SECTION.start, undefined],
  ]);
  const origin = Buffer.concat([Buffer.from(encodeName(OFFSETS_SECTION)), offsets.encode()]);
  const offsetsSection: EncodedSection = [SECTION.custom, origin];
  return encodeModule([...withHints(inOrder(module, changed), hints.encode()), offsetsSection]);
}

function withHints(sections: readonly EncodedSection[], hints: Uint8Array | undefined): EncodedSection[] {
  if (hints === undefined) return [...sections];
  return sections.flatMap((section) =>
    section[0] === SECTION.code ? [[SECTION.custom, hints] as const, section] : [section],
  );
}

/** All bodies, one behind the other, each behind its size. */
function rewriteBodies(module: Module, context: BodyContext, offsets: OffsetRecorder, hints: HintRecorder): ByteWriter {
  const all = new ByteWriter(sizeOf(module.sections.find(({ id }) => id === SECTION.code)?.content) * 1.25);
  const one = new ByteWriter();
  for (const [index, body] of module.bodies.entries()) {
    one.clear();
    offsets.beginBody();
    const caller = module.imported.function + index;
    const notes: BodyNotes = {
      offset: (original, written) => offsets.note(original, written),
      seldomTaken: (written) => hints.note(caller, written),
    };
    new BodyRewriter(context, caller, body, one, notes).run();
    all.u32(one.length);
    offsets.endBody(all.length);
    all.bytes(one.written);
  }
  return all;
}

const sizeOf = (range: Range | undefined): number => (range === undefined ? 0 : range.end - range.start);

function codeSection(
  module: Module,
  bodies: ByteWriter,
  plan: Plan,
  helpers: readonly Helper[],
  offsets: OffsetRecorder,
): Uint8Array {
  const section = new ByteWriter(bodies.length + 1024);
  section.u32(module.bodies.length + 1 + helpers.length);
  const original = module.sections.find(({ id }) => id === SECTION.code)?.content.start ?? 0;
  offsets.placeBodies(original, section.length, bodies.length);
  section.bytes(bodies.written);
  for (const body of [yieldBody(plan), ...helpers.map((helper) => helper.body)]) {
    const noLocals = [0, ...body, ...instruction('end')];
    section.u32(noLocals.length);
    section.bytes(noLocals);
  }
  return section.written;
}

function additionsOf(module: Module, plan: Plan, helpers: readonly Helper[]): Map<number, Addition> {
  const exports = privateExports(module, plan);
  return new Map<number, Addition>([
    [
      SECTION.type,
      { count: 2 + helpers.length, bytes: [...YIELD_TYPE, ...GROW_TYPE, ...helpers.flatMap(({ type }) => type)] },
    ],
    [
      SECTION.function,
      {
        count: 1 + helpers.length,
        bytes: [...u32(plan.yieldType), ...helpers.flatMap((_, index) => u32(plan.firstType + index))],
      },
    ],
    [SECTION.table, { count: 1, bytes: [FUNCREF_BYTE, LIMITS_WITH_MAX, HOOK_COUNT, HOOK_COUNT] }],
    [SECTION.memory, { count: 1, bytes: [SHARED_WITH_MAX, 1, 1] }],
    [SECTION.export, { count: exports.length, bytes: exports.flat() }],
  ]);
}

function privateExports(module: Module, plan: Plan): number[][] {
  const one = (name: string, kind: keyof typeof EXPORT_KIND, index: number): number[] => [
    ...encodeName(name),
    EXPORT_KIND[kind],
    ...u32(index),
  ];
  return [
    one(PRIVATE.epoch, 'memory', plan.epochMemory),
    one(PRIVATE.hooks, 'table', plan.hooksTable),
    ...module.memories.map((_, index) => one(PRIVATE.memory(index), 'memory', index)),
    ...module.tables.map((_, index) => one(PRIVATE.table(index), 'table', index)),
    ...(module.start === undefined ? [] : [one(PRIVATE.start, 'function', module.start.function)]),
  ];
}

/** A section's content, or that of an empty one, with more elements at its end. */
function withAddition({ bytes, sections }: Module, id: number, { count, bytes: added }: Addition): Uint8Array {
  const section = sections.find((one) => one.id === id);
  const writer = new ByteWriter(sizeOf(section?.content) + added.length + 8);
  if (section === undefined) writer.u32(count);
  else {
    const reader = new ByteReader(bytes, section.content.start, section.content.end);
    writer.u32(reader.u32() + count);
    writer.slice(bytes, reader.offset, reader.end);
  }
  writer.bytes(added);
  return writer.written;
}

/** Custom sections that speak of offsets in the code, or lead to what does. */
function isStale({ name }: CustomSection): boolean {
  return /^(\.debug_|\.zdebug_|metadata\.code\.|reloc\.)/.test(name) || STALE.has(name);
}
const STALE = new Set(['sourceMappingURL', 'external_debug_info', 'linking', 'build_id']);

/** Sections in the order that they must have; custom ones stay before the section that they stood before. */
function inOrder(module: Module, changed: ReadonlyMap<number, ArrayLike<number> | undefined>): EncodedSection[] {
  const stale = new Set(module.custom.filter(isStale).map(({ section }) => section));
  const kept = module.sections.filter((_, index) => !stale.has(index));
  const content = (section: Section): Uint8Array => module.bytes.subarray(section.content.start, section.content.end);
  const customBefore = new Map<number | undefined, EncodedSection[]>();
  let waiting: EncodedSection[] = [];
  for (const section of kept) {
    if (section.id === SECTION.custom) waiting.push([section.id, content(section)]);
    else {
      customBefore.set(section.id, waiting);
      waiting = [];
    }
  }
  const ordered = SECTION_ORDER.flatMap((id) => {
    const section = kept.find((one) => one.id === id);
    const bytes = changed.has(id) ? changed.get(id) : section && content(section);
    return [...(customBefore.get(id) ?? []), ...(bytes === undefined ? [] : [[id, bytes] as const])];
  });
  return [...ordered, ...waiting];
}
