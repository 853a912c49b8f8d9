import { stripVTControlCharacters } from 'node:util';
import type { TransferProgress } from '../../images/service.ts';

/** One thing that is under way. */
export interface ProgressStep {
  /** What is told apart by: a digest. */
  readonly key: string;
  readonly title: string;
  readonly done: number;
  readonly total: number;
  /** How it ended, once it has. */
  readonly outcome?: string;
}

const BAR_WIDTH = 24;
const REDRAW_MS = 100;

/**
 * Shows how far long work is: bars that are drawn anew on a terminal, else a line for each thing that has ended, so that
 * a log has no more than that.
 */
export class Progress implements Disposable {
  readonly #output: NodeJS.WriteStream;
  readonly #steps = new Map<string, ProgressStep>();
  #drawnLines = 0;
  #drawnAt = 0;

  /** @param output stderr: stdout is for the result */
  constructor(output: NodeJS.WriteStream = process.stderr) {
    this.#output = output;
  }

  update(step: ProgressStep): void {
    this.#steps.set(step.key, step);
    if (!this.#output.isTTY) {
      if (step.outcome !== undefined) this.#output.write(`${step.title}  ${step.outcome}\n`);
      return;
    }
    if (step.outcome === undefined && Date.now() - this.#drawnAt < REDRAW_MS) return;
    this.#draw();
  }

  #draw(): void {
    this.#drawnAt = Date.now();
    const up = this.#drawnLines === 0 ? '' : `\x1b[${this.#drawnLines}A`;
    const lines = [...this.#steps.values()].map((step) => `\x1b[2K${fit(lineOf(step), this.#output.columns)}\n`);
    this.#output.write(up + lines.join(''));
    this.#drawnLines = lines.length;
  }

  /** Draws the last state; what is written afterwards stands below. */
  [Symbol.dispose](): void {
    if (this.#output.isTTY && this.#steps.size > 0) this.#draw();
  }
}

/** One line of a terminal: one that is broken could not be drawn over. */
const fit = (line: string, columns: number): string => (columns > 1 ? line.slice(0, columns - 1) : line);

/** 'a1b2c3  [#####.....]  1.2 MB of 3.4 MB' */
export function lineOf({ title, done, total, outcome }: ProgressStep): string {
  const name = stripVTControlCharacters(title);
  if (outcome !== undefined) return `${name}  ${outcome}`;
  const full = total === 0 ? BAR_WIDTH : Math.round((Math.min(done, total) / total) * BAR_WIDTH);
  return `${name}  [${'#'.repeat(full)}${'.'.repeat(BAR_WIDTH - full)}]  ${humanSize(done)} of ${humanSize(total)}`;
}

const SHORT_DIGEST = 12;

/** 'a1b2c3d4e5f6  application/wasm' for a part of an image, the name of a file as it is. */
export function titleOf(name: string, mediaType: string): string {
  const short = name.startsWith('sha256:') ? name.slice('sha256:'.length).slice(0, SHORT_DIGEST) : name;
  return mediaType === '' ? short : `${short}  ${mediaType}`;
}

/** What comes into the store, as it is shown. */
export function stepOf({ name, mediaType, done, total, state }: TransferProgress): ProgressStep {
  const step = { key: name, title: titleOf(name, mediaType), done, total };
  return state === 'under way' ? step : { ...step, outcome: `${humanSize(total)} stored` };
}

const UNITS = ['B', 'kB', 'MB', 'GB', 'TB'];

/** Bytes in three digits, as crictl and docker print them (docker/go-units, HumanSize). */
export function humanSize(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 1000 && unit < UNITS.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${Number(value.toPrecision(3))}${UNITS[unit] ?? ''}`;
}
