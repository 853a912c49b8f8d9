import type { ResultLine, SpecResult } from './results.ts';

/** Says how a run goes: a line for every spec that does not pass, and now and then how far it is. */
export class Progress {
  readonly #report: (line: string) => void;
  readonly #now: () => number;
  readonly #begun: number;
  #total = 0;
  #said = 0;
  readonly #counts = { passed: 0, failed: 0, skipped: 0 };

  /** @param now milliseconds that only grow */
  constructor(report: (line: string) => void, now: () => number = () => performance.now()) {
    this.#report = report;
    this.#now = now;
    this.#begun = now();
    this.#said = this.#begun;
  }

  add(line: ResultLine): void {
    if ('total' in line) {
      this.#total = line.total;
      this.#report(`${line.total} specs`);
      return;
    }
    this.#addSpec(line.spec);
  }

  #addSpec({ name, state, seconds, reason = '' }: SpecResult): void {
    this.#counts[state] += 1;
    if (state !== 'passed') {
      const why = reason.split('\n').find((text) => text.trim() !== '') ?? '';
      this.#report(`${state} after ${seconds.toFixed(1)} s: ${name}: ${why.slice(0, REASON_LENGTH)}`);
    }
    const now = this.#now();
    const { passed, failed, skipped } = this.#counts;
    const ended = passed + failed + skipped;
    if (now - this.#said < EVERY_MS && ended !== this.#total) return;
    this.#said = now;
    const rest = ((now - this.#begun) / ended) * Math.max(0, this.#total - ended);
    this.#report(
      `${ended} of ${this.#total} specs: ${passed} passed, ${failed} failed, ${skipped} skipped; about ${minutes(rest)} left`,
    );
  }
}

const EVERY_MS = 10_000;
const REASON_LENGTH = 200;

function minutes(milliseconds: number): string {
  const seconds = Math.round(milliseconds / 1000);
  return seconds < 90 ? `${seconds} s` : `${Math.round(seconds / 60)} min`;
}
