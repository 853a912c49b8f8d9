import { ByteReader } from '../bytes.ts';
import { ByteWriter } from '../writer.ts';
import { SECTION, splitSections } from '../sections.ts';

/** The custom section of a rewritten module that tells where its code came from. */
export const OFFSETS_SECTION = 'wasmlet:offsets';

/** Gathers pairs of offsets: from the one in the rewritten code on, it goes on as from the one in the original. */
export class OffsetRecorder {
  readonly #originals: number[] = [];
  readonly #written: number[] = [];
  #bodyBegins = 0;
  #base = 0;
  #originalSection = 0;
  #end = 0;

  beginBody(): void {
    this.#bodyBegins = this.#written.length;
  }

  /** @param original offset in the module @param written offset in the body */
  note(original: number, written: number): void {
    const last = this.#written.length - 1;
    if (last >= this.#bodyBegins && this.#written[last] === written) this.#originals[last] = original;
    else {
      this.#originals.push(original);
      this.#written.push(written);
    }
  }

  /** @param start where the body begins among all bodies */
  endBody(start: number): void {
    for (let index = this.#bodyBegins; index < this.#written.length; index++) {
      this.#written[index] = (this.#written[index] ?? 0) + start;
    }
  }

  /**
   * @param original offset of the code section's content
   * @param start where the bodies begin in the new one
   * @param length of the bodies; what comes behind them is ours
   */
  placeBodies(original: number, start: number, length: number): void {
    this.#originalSection = original;
    this.#base = start;
    this.#end = start + length;
  }

  /** Offset of the original's code section, end of its functions in ours, then pairs as distances from the one before. */
  encode(): Uint8Array {
    const writer = new ByteWriter(this.#originals.length * 3 + 16);
    writer.u32(this.#originalSection);
    writer.u32(this.#end);
    writer.u32(this.#originals.length);
    let original = this.#originalSection;
    let written = 0;
    for (const [index, value] of this.#originals.entries()) {
      const at = (this.#written[index] ?? 0) + this.#base;
      writer.u32(value - original);
      writer.u32(at - written);
      original = value;
      written = at;
    }
    return writer.written;
  }
}

/**
 * Where an instruction of a rewritten module was in the module as it was built, which is what its debug information
 * speaks of.
 * @param rewritten what the pass made
 * @param offset offset in it, as V8's stack traces show it (`wasm-function[5]:0x1a3`)
 * @returns undefined for functions that the pass added, and for offsets outside the code
 */
export function originalOffset(rewritten: Uint8Array, offset: number): number | undefined {
  const sections = splitSections(rewritten);
  const code = sections.find(({ id }) => id === SECTION.code)?.content;
  const map = sections.findLast(({ id }) => id === SECTION.custom)?.content;
  if (code === undefined || map === undefined || offset < code.start || offset >= code.end) return undefined;
  const reader = new ByteReader(rewritten, map.start, map.end);
  if (reader.name() !== OFFSETS_SECTION) return undefined;
  return find(reader, offset - code.start);
}

function find(reader: ByteReader, offset: number): number | undefined {
  let original = reader.u32();
  const end = reader.u32();
  if (offset >= end) return undefined;
  let written = 0;
  let found: number | undefined;
  for (let left = reader.u32(); left > 0; left--) {
    original += reader.u32();
    written += reader.u32();
    // Inside a check: it stands before the instruction that comes next.
    if (written > offset) return found === undefined ? undefined : Math.min(found, original);
    found = original + offset - written;
  }
  return found;
}
