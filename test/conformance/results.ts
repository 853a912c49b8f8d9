import { z } from 'zod';

/** What became of a spec; every way of not passing that ginkgo knows (panicked, timed out, interrupted) is a failure. */
export type SpecState = 'passed' | 'failed' | 'skipped';

export interface SpecResult {
  /** The spec's full text, as ginkgo's --focus matches it. */
  readonly name: string;
  /** The file of the suite that holds it: 'container_probe.go'. */
  readonly file: string;
  readonly state: SpecState;
  readonly seconds: number;
  /** Why it failed, or why it skipped itself. */
  readonly reason?: string;
  /** Where it failed: file and line in the suite. */
  readonly where?: string;
  /** What a failed spec wrote: its steps, and the framework's dump of pods and events. */
  readonly output?: string;
}

/** A line of the results file (test/conformance/go/results_test.go). */
export type ResultLine = { readonly total: number } | { readonly spec: SpecResult };

const line = z.object({
  total: z.number().optional(),
  name: z.string().optional(),
  file: z.string().default(''),
  state: z.string().default(''),
  seconds: z.number().default(0),
  reason: z.string().optional(),
  where: z.string().optional(),
  output: z.string().optional(),
});

/** @throws SyntaxError or ZodError for a line that the suite did not write */
export function parseResultLine(text: string): ResultLine {
  const { total, name, ...rest } = line.parse(JSON.parse(text));
  if (name === undefined) return { total: total ?? 0 };
  const { file, seconds, reason, where, output } = rest;
  const optional = Object.entries({ reason, where, output }).filter(([, value]) => value !== undefined);
  const state = stateOf(rest.state);
  return { spec: { name, file, state, seconds: Math.round(seconds * 100) / 100, ...Object.fromEntries(optional) } };
}

function stateOf(ginkgo: string): SpecState {
  if (ginkgo === 'passed') return 'passed';
  return ginkgo === 'skipped' || ginkgo === 'pending' ? 'skipped' : 'failed';
}

/**
 * The results of several runs as one: a spec passed when it passed every time, and failed when it failed once. Its time
 * is the longest.
 */
export function combineRuns(runs: readonly (readonly SpecResult[])[]): SpecResult[] {
  const byName = new Map<string, SpecResult[]>();
  for (const spec of runs.flat()) {
    const same = byName.get(spec.name);
    if (same) same.push(spec);
    else byName.set(spec.name, [spec]);
  }
  return [...byName.values()].map((same) => {
    const worst = same.find(({ state }) => state === 'failed') ?? same[0];
    if (!worst) throw new Error('a spec without a result');
    const failures = same.filter(({ state }) => state === 'failed').length;
    const flaked = failures > 0 && failures < same.length ? `failed in ${failures} of ${same.length} runs: ` : '';
    return {
      ...worst,
      seconds: Math.max(...same.map(({ seconds }) => seconds)),
      ...(flaked === '' ? {} : { reason: `${flaked}${worst.reason ?? ''}` }),
    };
  });
}
