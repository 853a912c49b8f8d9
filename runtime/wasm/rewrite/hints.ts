import { encodeName } from '../encode.ts';
import { ByteWriter } from '../writer.ts';

/**
 * The custom section of branch hints (branch hinting proposal), which stands before the code section. V8 puts what is
 * unlikely out of the way and spills no registers for it: without hints, checks cost up to three times as much.
 */
const HINTS_SECTION = 'metadata.code.branch_hint';
const HINT_BYTES = 1;
const UNLIKELY = 0;

interface FunctionHints {
  readonly function: number;
  readonly offsets: number[];
}

/** Gathers branches that are seldom taken, by function, each in the order of its code. */
export class HintRecorder {
  readonly #functions: FunctionHints[] = [];

  note(index: number, offset: number): void {
    const last = this.#functions.at(-1);
    if (last?.function === index) last.offsets.push(offset);
    else this.#functions.push({ function: index, offsets: [offset] });
  }

  /** The section's content; undefined when there is nothing to hint. */
  encode(): Uint8Array | undefined {
    if (this.#functions.length === 0) return undefined;
    const writer = new ByteWriter(this.#functions.length * 16);
    writer.bytes(encodeName(HINTS_SECTION));
    writer.u32(this.#functions.length);
    for (const { function: index, offsets } of this.#functions) {
      writer.u32(index);
      writer.u32(offsets.length);
      for (const offset of offsets) {
        writer.u32(offset);
        writer.u32(HINT_BYTES);
        writer.u32(UNLIKELY);
      }
    }
    return writer.written;
  }
}
