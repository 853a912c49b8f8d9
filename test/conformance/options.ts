import { parseArgs } from 'node:util';
import { WasmletError } from '../../base/errors.ts';
import type { RunOptions } from './run.ts';

export interface CommandLine extends RunOptions {
  /** Where the JSON goes: a file, '-' for standard output, or nowhere. */
  readonly json: string | undefined;
  readonly junit: string | undefined;
  readonly updatePassing: boolean;
  readonly help: boolean;
}

export const USAGE = `npm run conformance -- [OPTION…]: Kubernetes' node conformance suite against wasmlet

  --focus RE           only specs whose full text matches (repeatable)
  --skip RE            no specs whose full text matches (repeatable; default: ${String.raw`\[Flaky\]|\[Feature:.+\]`})
  --json [FILE]        the results as JSON, to a file or to standard output
  --junit FILE         the results as JUnit XML
  --nodes N            agents (default 1)
  --procs N            specs at a time (default 10)
  --runs N             runs one after the other; a spec passes when it passes in all (default 1)
  --spec-timeout TIME  for the body of one spec (default 30m: the slowest take 28)
  --timeout TIME       for a whole run (default 2h)
  --plain-wasi         guests get WASI alone, without the extensions of docs/conformance.md
  --rename             the suite's images get other names: nothing may pass by a name
  --update-passing     writes what passed into test/conformance/passing.txt
  --keep-logs FOLDER   the agents' logs and ginkgo's output go there
  --help`;

/** What a run of the suite leaves out unless told otherwise: as Kubernetes' own framework does. */
const DEFAULT_SKIP = String.raw`\[Flaky\]|\[Feature:.+\]`;
const DURATION = /^(\d+(ms|s|m|h))+$/;

/** @throws WasmletError InvalidConfig, or TypeError of node:util, for a command line that makes no sense */
export function parseCommandLine(args: readonly string[]): CommandLine {
  const { values } = parseArgs({
    args: args.flatMap((arg, index) => (arg === '--json' && isNoValue(args[index + 1]) ? ['--json=-'] : [arg])),
    options: {
      focus: { type: 'string', multiple: true, default: [] },
      skip: { type: 'string', multiple: true, default: [DEFAULT_SKIP] },
      json: { type: 'string' },
      junit: { type: 'string' },
      nodes: { type: 'string', default: '1' },
      procs: { type: 'string', default: '10' },
      runs: { type: 'string', default: '1' },
      'spec-timeout': { type: 'string', default: '30m' },
      timeout: { type: 'string', default: '2h' },
      'plain-wasi': { type: 'boolean', default: false },
      rename: { type: 'boolean', default: false },
      'update-passing': { type: 'boolean', default: false },
      'keep-logs': { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  return {
    focus: values.focus,
    skip: values.skip,
    json: values.json,
    junit: values.junit,
    nodes: countOf('nodes', values.nodes),
    procs: countOf('procs', values.procs),
    runs: countOf('runs', values.runs),
    specTimeout: durationOf('spec-timeout', values['spec-timeout']),
    timeout: durationOf('timeout', values.timeout),
    plainWasi: values['plain-wasi'],
    rename: values.rename,
    updatePassing: values['update-passing'],
    keepLogs: values['keep-logs'],
    help: values.help,
  };
}

function isNoValue(next: string | undefined): boolean {
  return next === undefined || next.startsWith('--');
}

function countOf(option: string, text: string): number {
  if (!/^[1-9]\d{0,2}$/.test(text)) throw new WasmletError('InvalidConfig', `--${option} ${text}: a number from 1 on`);
  return Number(text);
}

function durationOf(option: string, text: string): string {
  if (!DURATION.test(text)) {
    throw new WasmletError('InvalidConfig', `--${option} ${text}: a duration, for example 90s or 5m`);
  }
  return text;
}
