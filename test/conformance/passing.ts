/** The specs known to pass, kept in the tree: passing.txt. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { BY_CHANCE } from './by-chance.ts';
import type { SpecResult } from './results.ts';

export const PASSING_FILE = join(import.meta.dirname, 'passing.txt');

export interface PassingSpec {
  readonly name: string;
  /** How long it took at most when it was recorded. */
  readonly seconds: number;
  /** Whether it passes on plain WASI too, without the documented extensions. */
  readonly plainWasi: boolean;
}

const HEADER = `# Specs of Kubernetes' node conformance suite that pass: by 'plain' WASI or only with the 'extensions' of
# docs/conformance.md, how many seconds each takes at most, and its name. Written by
# \`npm run conformance -- --update-passing\`. Wasm stand-ins are served for the suite's images.
`;

/** @throws SyntaxError for a line that is none */
export function parsePassing(text: string): PassingSpec[] {
  return text
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => {
      const [, kind, seconds, name] = /^(plain|extensions) +(\d+) (.+)$/.exec(line) ?? [];
      if (name === undefined) throw new SyntaxError(`passing.txt: ${JSON.stringify(line)}`);
      return { name, seconds: Number(seconds), plainWasi: kind === 'plain' };
    });
}

export function formatPassing(specs: readonly PassingSpec[]): string {
  const lines = specs
    .toSorted((a, b) => (a.name < b.name ? -1 : 1))
    .map(({ name, seconds, plainWasi }) => {
      return `${(plainWasi ? 'plain' : 'extensions').padEnd(10)} ${String(seconds).padStart(3)} ${name}\n`;
    });
  return HEADER + lines.join('');
}

export async function readPassing(): Promise<PassingSpec[]> {
  return parsePassing(await readFile(PASSING_FILE, 'utf8'));
}

/**
 * The list after a run: specs that ran and passed are in it (not those of by-chance.ts), specs that ran and did not are
 * out, others stay.
 * @param plainWasi whether the run's guests had plain WASI; such a run takes no spec out, for it may need an extension
 */
export function updatePassing(
  known: readonly PassingSpec[],
  ran: readonly SpecResult[],
  plainWasi: boolean,
): PassingSpec[] {
  const specs = new Map(known.map((spec) => [spec.name, spec]));
  for (const { name, state, seconds } of ran) {
    const before = specs.get(name);
    const passed = state === 'passed';
    if (BY_CHANCE.has(name) || (!passed && !plainWasi)) specs.delete(name);
    else if (passed)
      specs.set(name, { name, seconds: Math.ceil(seconds), plainWasi: plainWasi || !!before?.plainWasi });
    else if (before) specs.set(name, { ...before, plainWasi: false });
  }
  return [...specs.values()];
}

export async function writePassing(specs: readonly PassingSpec[]): Promise<void> {
  await writeFile(PASSING_FILE, formatPassing(specs));
}

/** Specs of a run that failed although they are known to pass with what its guests had. */
export function fallenBack(
  known: readonly PassingSpec[],
  ran: readonly SpecResult[],
  plainWasi: boolean,
): readonly SpecResult[] {
  const names = new Set(known.filter((spec) => spec.plainWasi || !plainWasi).map(({ name }) => name));
  return ran.filter(({ name, state }) => state === 'failed' && names.has(name));
}
