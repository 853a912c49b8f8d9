import { contentOf } from './content.ts';

/** What a Wasm binary says of itself. */
export interface ModuleInfo {
  readonly kind: 'module' | 'component';
  /** What it expects of its host, by what it imports: 'wasip1', 'wasi_unstable', 'wasi-threads', 'wasmlet_posix_v1'. */
  readonly wasi: readonly string[];
  /** 'module.name (kind)', in the order of the module. */
  readonly imports: readonly string[];
  /** 'name (kind)' */
  readonly exports: readonly string[];
  readonly customSections: readonly { readonly name: string; readonly size: number }[];
  /** The module's own name, of its name section. */
  readonly name?: string;
  /** What it was made with: language, processed-by, sdk (tool-conventions, ProducersSection.md). */
  readonly producers?: Readonly<Record<string, readonly string[]>>;
  /** Why this engine does not take it, if it does not. */
  readonly invalid?: string;
}

const WASI_MODULES: Readonly<Record<string, string>> = {
  wasi_snapshot_preview1: 'wasip1',
  wasi_unstable: 'wasi_unstable',
  wasi: 'wasi-threads',
  wasmlet_posix_v1: 'wasmlet_posix_v1',
};

const PREAMBLE_BYTES = 8;
const MODULE_NAME = 0;

/**
 * Describes a module or a component; of a component, only that it is one.
 * @returns undefined for what is neither
 */
export async function moduleInfo(bytes: Uint8Array<ArrayBuffer>): Promise<ModuleInfo | undefined> {
  const content = contentOf(Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.length, 512)));
  if (content === 'component')
    return { kind: 'component', wasi: ['wasip2'], imports: [], exports: [], customSections: [] };
  if (content !== 'core-module') return undefined;
  const sections = [...customSections(bytes)];
  const told = {
    kind: 'module',
    customSections: sections.map(({ name, content: { length } }) => ({ name, size: length })),
  } as const;
  const own = { ...nameOf(sections), ...producersOf(sections) };
  try {
    const module = await WebAssembly.compile(bytes);
    const imports = WebAssembly.Module.imports(module);
    const wasi = new Set(imports.flatMap(({ module: from }) => WASI_MODULES[from] ?? []));
    return {
      ...told,
      wasi: [...wasi],
      imports: imports.map(({ module: from, name, kind }) => `${from}.${name} (${kind})`),
      exports: WebAssembly.Module.exports(module).map(({ name, kind }) => `${name} (${kind})`),
      ...own,
    };
  } catch (error) {
    const invalid = error instanceof Error ? error.message : String(error);
    return { ...told, wasi: [], imports: [], exports: [], ...own, invalid };
  }
}

interface CustomSection {
  readonly name: string;
  readonly content: Uint8Array;
}

/** Reads a binary's numbers and names (core spec, 5.2); what is beyond the end reads as nothing. */
class Reader {
  readonly #bytes: Uint8Array;
  at: number;

  constructor(bytes: Uint8Array, at = 0) {
    this.#bytes = bytes;
    this.at = at;
  }

  isDone(): boolean {
    return this.at >= this.#bytes.length;
  }

  byte(): number {
    return this.#bytes[this.at++] ?? 0;
  }

  /** LEB128, unsigned, 32 bits. */
  u32(): number {
    let value = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = this.byte();
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) break;
    }
    return value;
  }

  take(length: number): Uint8Array {
    const part = this.#bytes.subarray(this.at, this.at + length);
    this.at += length;
    return part;
  }

  name(): string {
    return Buffer.from(this.take(this.u32())).toString('utf8');
  }
}

function* customSections(bytes: Uint8Array): Generator<CustomSection> {
  const reader = new Reader(bytes, PREAMBLE_BYTES);
  while (!reader.isDone()) {
    const id = reader.byte();
    const section = new Reader(reader.take(reader.u32()));
    if (id === 0) yield { name: section.name(), content: section.take(Infinity) };
  }
}

function nameOf(sections: readonly CustomSection[]): Pick<ModuleInfo, 'name'> {
  const section = sections.find(({ name }) => name === 'name');
  const reader = new Reader(section?.content ?? new Uint8Array(0));
  for (; !reader.isDone(); reader.take(reader.u32())) {
    if (reader.byte() !== MODULE_NAME) continue;
    reader.u32();
    return { name: reader.name() };
  }
  return {};
}

/** Fields and values of one that is hostile are bounded by its bytes: each takes some. */
function producersOf(sections: readonly CustomSection[]): Pick<ModuleInfo, 'producers'> {
  const section = sections.find(({ name }) => name === 'producers');
  if (!section) return {};
  const reader = new Reader(section.content);
  const fields: [string, string[]][] = [];
  for (let left = reader.u32(); left > 0 && !reader.isDone(); left--) {
    const field = reader.name();
    const values: string[] = [];
    for (let more = reader.u32(); more > 0 && !reader.isDone(); more--) {
      values.push(`${reader.name()} ${reader.name()}`.trim());
    }
    fields.push([field, values]);
  }
  return { producers: Object.fromEntries(fields) };
}
