import type { z } from 'zod';
import { WasmletError } from '../../base/errors.ts';
import { readConfigFile } from './file.ts';
import { configOptions, PLACEHOLDERS, parseOptionText, type ConfigOption, type OptionKind } from './options.ts';
import { configSchema, type Config } from './schema.ts';

export interface ConfigSources {
  /** Text of flags by their name, without dashes: { 'node-name': 'a' }. */
  readonly flags: Readonly<Record<string, string>>;
  /** Path of a YAML or JSON file, if any; WASMLET_CONFIG names one too. */
  readonly file?: string | undefined;
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** Variables that are not configuration: the cache of test tools, and what tests set for themselves. */
const OTHER_VARIABLES = /^WASMLET_(CONFIG|CACHE|TEST_.*)$/;

/** How a value of a kind is written in a file. */
const FILE_FORMS: Readonly<Record<OptionKind, string>> = {
  ...PLACEHOLDERS,
  list: 'a list',
  taints: 'a list of key, value and effect',
  map: 'a mapping of keys to values',
  json: 'a mapping',
};

interface Candidate {
  readonly value: unknown;
  readonly isFromFile: boolean;
  /** Where it came from, for messages. */
  readonly source: string;
}

/**
 * Makes the configuration: flags before environment before file before defaults; deep-frozen. An option is taken whole
 * from the first place that has it.
 * @throws WasmletError InvalidConfig that lists every problem with its option, its source and what is expected
 */
export function loadConfig(sources: ConfigSources): Config {
  const options = configOptions();
  const problems: string[] = [];
  const candidates = new Map<string, Candidate>();
  const take: Take = (key, value, source, isFromFile = false) => {
    candidates.set(key, { value, source, isFromFile });
  };
  takeFile(sources.file ?? (sources.env['WASMLET_CONFIG'] || undefined), options, take, problems);
  takeEnvironment(sources.env, options, take, problems);
  takeFlags(sources.flags, options, take, problems);

  const input = Object.fromEntries([...candidates].map(([key, { value }]) => [key, value]));
  const result = configSchema.safeParse(input);
  for (const issue of result.error?.issues ?? []) problems.push(describe(issue, candidates, options));
  if (!result.success || problems.length > 0) {
    throw new WasmletError(
      'InvalidConfig',
      `the configuration is not valid:\n${problems.map((line) => `  ${line}`).join('\n')}`,
    );
  }
  return deepFreeze(result.data);
}

type Take = (key: string, value: unknown, source: string, isFromFile?: boolean) => void;

function takeFile(path: string | undefined, options: readonly ConfigOption[], take: Take, problems: string[]): void {
  if (path === undefined) return;
  const { values, lines } = readConfigFile(path);
  const known = new Set(options.map(({ key }) => key));
  for (const [key, value] of Object.entries(values)) {
    const source = `${path}:${lines.get(key) ?? 1}`;
    if (known.has(key)) take(key, value, source, true);
    else problems.push(`${key} (${source}): there is no such option${suggestion(key, [...known])}`);
  }
}

function takeEnvironment(
  env: ConfigSources['env'],
  options: readonly ConfigOption[],
  take: Take,
  problems: string[],
): void {
  const byVariable = new Map(options.map((option) => [option.variable, option]));
  for (const [variable, text] of Object.entries(env)) {
    if (!variable.startsWith('WASMLET_') || OTHER_VARIABLES.test(variable) || text === undefined) continue;
    const option = byVariable.get(variable);
    if (option) take(option.key, parseOptionText(option.kind, text), `environment ${variable}`);
    else problems.push(`${variable} (environment): there is no such option${suggestion(variable, byVariable.keys())}`);
  }
}

function takeFlags(
  flags: ConfigSources['flags'],
  options: readonly ConfigOption[],
  take: Take,
  problems: string[],
): void {
  const byFlag = new Map(options.map((option) => [option.flag, option]));
  for (const [flag, text] of Object.entries(flags)) {
    const option = byFlag.get(flag);
    if (option) take(option.key, parseOptionText(option.kind, text), `flag --${flag}`);
    else problems.push(`--${flag}: there is no such option${suggestion(flag, byFlag.keys())}`);
  }
}

/** One problem in one line: option, source, what is expected. */
function describe(
  issue: z.core.$ZodIssue,
  candidates: ReadonlyMap<string, Candidate>,
  options: readonly ConfigOption[],
): string {
  const [top, ...rest] = issue.path.map(String);
  const option = options.find(({ key }) => key === top);
  const candidate = top === undefined ? undefined : candidates.get(top);
  const name = rest.reduce((path, part) => (/^\d+$/.test(part) ? `${path}[${part}]` : `${path}.${part}`), top ?? '');
  const isText = typeof candidate?.value === 'string' && option && !['string', 'number'].includes(option.kind);
  const forms = candidate?.isFromFile === true ? FILE_FORMS : PLACEHOLDERS;
  const expected = isText ? `expected ${forms[option.kind]}` : expectation(issue, option);
  return `${name} (${candidate?.source ?? 'default'}): ${expected}`;
}

function expectation(issue: z.core.$ZodIssue, option: ConfigOption | undefined): string {
  if (issue.code === 'unrecognized_keys') return `unknown: ${issue.keys.join(', ')}`;
  if (issue.code === 'invalid_union' && option)
    return `expected ${option.key === 'address' ? 'an' : 'each an'} IP address`;
  if (issue.code === 'invalid_format' && !issue.message.startsWith('Invalid')) return `expected ${issue.message}`;
  return issue.message.replace(/^Invalid (input|option|string): /, '');
}

/** ', did you mean …?' where a name is near. */
function suggestion(name: string, known: Iterable<string>): string {
  const near = [...known].find((candidate) => distance(candidate.toLowerCase(), name.toLowerCase()) <= 2);
  return near === undefined ? '' : `; did you mean ${near}?`;
}

/** Levenshtein's distance. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min((next[j - 1] ?? 0) + 1, (row[j] ?? 0) + 1, replaced));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}

function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null) {
    for (const item of Object.values(value)) deepFreeze(item);
    Object.freeze(value);
  }
  return value;
}
