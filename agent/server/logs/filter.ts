import { isBefore, isTimestamp, OFFSET_WIDTH, UTC_WIDTH, writeTimestamp, type Instant } from './timestamp.ts';

export type LogStreamName = 'All' | 'Stdout' | 'Stderr';

export interface LogFilterOptions {
  /** Entries older than this are left out. */
  readonly since?: Instant;
  /** Each line begins with its time. */
  readonly timestamps: boolean;
  /** The output ends after exactly so many bytes. */
  readonly limitBytes?: number;
  readonly stream: LogStreamName;
  /** The reading ends after so many entries, those left out included. */
  readonly maxEntries?: number;
}

const [LF, SPACE, COLON, P] = [0x0a, 0x20, 0x3a, 0x50];
const [LETTER_S, LETTER_T, LETTER_D, LETTER_O, LETTER_E] = [0x73, 0x74, 0x64, 0x6f, 0x65];
/** An entry's output is never longer than the entry by more than this: its timestamp may be written out in full. */
export const MAX_GROWTH = OFFSET_WIDTH + 1;

/**
 * Turns log entries in CRI format ('<time> <stdout|stderr> <F|P>[:more tags] <content>', see KEP-1753) into what a
 * reader of the log sees, as the kubelet does (k8s.io/cri-client/pkg/logs). It works on bytes from one buffer to
 * another and makes no object per line: a log is read at some hundred MB/s, and a guest's text is never decoded.
 */
export class LogFilter {
  readonly #options: LogFilterOptions;
  #remainingBytes: number;
  #remainingEntries: number;
  #atLineStart = true;
  #malformed = 0;

  /** Bytes of the input that the last run used up, and that it wrote. */
  consumed = 0;
  produced = 0;

  // The parts of the entry that was parsed last, as offsets into the input.
  #timestampEnd = 0;
  #isStdout = false;
  #isPartial = false;
  #contentStart = 0;

  constructor(options: LogFilterOptions) {
    this.#options = options;
    this.#remainingBytes = options.limitBytes ?? Infinity;
    this.#remainingEntries = options.maxEntries ?? Infinity;
  }

  /** Whether a limit was reached: nothing more will come out. */
  get done(): boolean {
    return this.#remainingBytes <= 0 || this.#remainingEntries <= 0;
  }

  /** Entries that were left out because they are not in CRI format. */
  get malformed(): number {
    return this.#malformed;
  }

  /**
   * Reads whole entries of input[start, end) until there are no more or `output` is full; see consumed and produced.
   * @param output at least MAX_GROWTH bytes longer than the longest entry
   * @param final true: what stands after the last line feed is an entry too
   */
  run(input: Uint8Array, start: number, end: number, output: Uint8Array, final = false): void {
    const view = input.subarray(0, end);
    let at = start;
    this.produced = 0;
    while (at < end && !this.done) {
      let next = view.indexOf(LF, at) + 1;
      if (next === 0) {
        if (!final) break;
        next = end;
      }
      if (this.produced + (next - at) + MAX_GROWTH > output.length) break;
      this.#entry(view, at, next, output);
      at = next;
    }
    this.consumed = at - start;
  }

  #entry(input: Uint8Array, start: number, end: number, output: Uint8Array): void {
    if (!this.#parse(input, start, end)) {
      this.#malformed++;
      return;
    }
    this.#remainingEntries--;
    const terminated = input[end - 1] === LF;
    const contentEnd = this.#isPartial && terminated ? end - 1 : end;
    const startsLine = this.#atLineStart;
    this.#atLineStart = contentEnd === this.#contentStart || input[contentEnd - 1] === LF;
    if (!this.#isWanted(input, start)) return;
    let at = this.produced;
    if (this.#options.timestamps && startsLine) {
      at += writeTimestamp(input, start, this.#timestampEnd, output, at);
      output[at++] = SPACE;
    }
    at = copy(input, this.#contentStart, contentEnd, output, at);
    const length = Math.min(at - this.produced, this.#remainingBytes);
    this.produced += length;
    this.#remainingBytes -= length;
  }

  #isWanted(input: Uint8Array, start: number): boolean {
    const { since, stream } = this.#options;
    if (stream !== 'All' && (stream === 'Stdout') !== this.#isStdout) return false;
    return since === undefined || !isBefore(input, start, this.#timestampEnd, since);
  }

  #parse(input: Uint8Array, start: number, end: number): boolean {
    let at = start + UTC_WIDTH;
    if (input[at] !== SPACE || at >= end) at = input.indexOf(SPACE, start);
    if (at === -1 || at >= end || !isTimestamp(input, start, at)) return false;
    this.#timestampEnd = at;
    this.#isStdout = input[at + 4] === LETTER_O;
    return isStreamName(input, at + 1) && this.#parseTags(input, at + 8, end);
  }

  /** 'F ', 'P ', or these with more tags: 'P:tag '. The format is open for others; what is not partial is full. */
  #parseTags(input: Uint8Array, start: number, end: number): boolean {
    const space = input[start + 1] === SPACE ? start + 1 : input.indexOf(SPACE, start);
    if (space === -1 || space >= end) return false;
    this.#isPartial = input[start] === P && (space === start + 1 || input[start + 1] === COLON);
    this.#contentStart = space + 1;
    return true;
  }
}

/** 'stdout ' or 'stderr ' */
function isStreamName(input: Uint8Array, at: number): boolean {
  const letter = input[at + 3];
  return (
    input[at] === LETTER_S &&
    input[at + 1] === LETTER_T &&
    input[at + 2] === LETTER_D &&
    (letter === LETTER_O || letter === LETTER_E) &&
    input[at + 6] === SPACE
  );
}

/** Below so many bytes a loop is faster than the call that makes a view. */
const SHORT = 24;

function copy(from: Uint8Array, start: number, end: number, to: Uint8Array, at: number): number {
  if (end - start > SHORT) {
    to.set(from.subarray(start, end), at);
    return at + end - start;
  }
  for (let index = start; index < end; index++) to[at++] = from[index] ?? 0;
  return at;
}
