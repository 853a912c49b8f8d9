/** The results for people and for programs. */
import { whyImpossible } from './impossible.ts';
import type { SpecResult } from './results.ts';

/** Stands in every report: what was run is not what the names of the images say. */
export const STAND_INS_SENTENCE =
  "Wasm stand-ins were served for the suite's images (busybox, agnhost, nginx, pause, …): see docs/conformance.md.";

export interface Counts {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  /** Of the failed ones: those that are impossible by name. */
  readonly impossible: number;
}

export interface ReportContext {
  /** Whether guests had WASI alone, without the documented extensions. */
  readonly plainWasi: boolean;
  readonly seconds: number;
  readonly runs: number;
}

export function countOf(specs: readonly SpecResult[]): Counts {
  const withState = (state: SpecResult['state']) => specs.filter((spec) => spec.state === state);
  return {
    passed: withState('passed').length,
    failed: withState('failed').length,
    skipped: withState('skipped').length,
    impossible: withState('failed').filter(({ name }) => whyImpossible(name) !== undefined).length,
  };
}

export function toJson(specs: readonly SpecResult[], context: ReportContext): object {
  return {
    ...countOf(specs),
    standIns: STAND_INS_SENTENCE,
    guests: guestsOf(context),
    runs: context.runs,
    seconds: Math.round(context.seconds),
    specs: specs.toSorted(byName).map((spec) => {
      const impossible = spec.state === 'failed' ? whyImpossible(spec.name) : undefined;
      return { ...spec, ...(impossible === undefined ? {} : { impossible }) };
    }),
  };
}

/** A table by area: the SIG and the file of the suite. */
export function toTable(specs: readonly SpecResult[], context: ReportContext): string {
  const areas = Map.groupBy(specs, areaOf);
  const rows = [...areas].toSorted(([a], [b]) => a.localeCompare(b)).map(([area, members]) => rowOf(area, members));
  const lines = [['area', 'passed', 'failed', 'skipped', 'impossible'], ...rows, rowOf('all', specs)];
  const width = Math.max(...lines.map(([area = '']) => area.length));
  const table = lines.map(([area = '', ...numbers]) =>
    [area.padEnd(width), ...numbers.map((number) => number.padStart('impossible'.length))].join('  '),
  );
  const { passed, failed, skipped, impossible } = countOf(specs);
  return [
    ...table,
    '',
    `${passed} passed with ${guestsOf(context)}, ${failed} failed (${impossible} of them impossible by name), ${skipped} skipped, in ${Math.round(context.seconds)} s${context.runs > 1 ? ` over ${context.runs} runs` : ''}`,
    STAND_INS_SENTENCE,
  ].join('\n');
}

function guestsOf({ plainWasi }: ReportContext): string {
  return plainWasi ? 'plain WASI' : 'the documented extensions';
}

/** '[sig-node] Probing container …' of container_probe.go is of 'node: container_probe.go'. */
function areaOf({ name, file }: SpecResult): string {
  return `${/^\[sig-([a-z-]+)\]/.exec(name)?.[1] ?? 'other'}: ${file}`;
}

function rowOf(area: string, specs: readonly SpecResult[]): string[] {
  const { passed, failed, skipped, impossible } = countOf(specs);
  return [area, ...[passed, failed - impossible, skipped, impossible].map(String)];
}

function byName(a: SpecResult, b: SpecResult): number {
  return a.name.localeCompare(b.name);
}

/** JUnit's XML, as CI systems read it. */
export function toJUnit(specs: readonly SpecResult[], context: ReportContext): string {
  const { passed, failed, skipped } = countOf(specs);
  const suite = attributes({
    name: 'Kubernetes node conformance',
    tests: passed + failed + skipped,
    failures: failed,
    skipped,
    time: context.seconds.toFixed(3),
  });
  const property = attributes({ name: 'stand-ins', value: STAND_INS_SENTENCE });
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<testsuite ${suite}>`,
    `  <properties><property ${property}/></properties>`,
    ...specs.toSorted(byName).map(testCase),
    '</testsuite>',
    '',
  ].join('\n');
}

function testCase({ name, file, state, seconds, reason = '', output = '' }: SpecResult): string {
  const open = `  <testcase ${attributes({ name, classname: file, time: seconds.toFixed(3) })}`;
  if (state === 'passed') return `${open}/>`;
  if (state === 'skipped') return `${open}><skipped ${attributes({ message: reason })}/></testcase>`;
  const failure = `<failure ${attributes({ message: reason })}>${xml(output)}</failure>`;
  return `${open}>${failure}</testcase>`;
}

function attributes(values: Readonly<Record<string, string | number>>): string {
  return Object.entries(values)
    .map(([key, value]) => `${key}="${xml(String(value)).replaceAll('\n', '&#10;')}"`)
    .join(' ');
}

function xml(text: string): string {
  return (
    text
      .replaceAll('&', '&amp;')
      .replaceAll('<', '&lt;')
      .replaceAll('>', '&gt;')
      .replaceAll('"', '&quot;')
      // Characters that XML 1.0 has no way to write.
      // eslint-disable-next-line no-control-regex -- control characters are what is meant
      .replaceAll(/[\u0000-\u0008\u000B\u000C\u000E-\u001F\uFFFE\uFFFF]/g, '\uFFFD')
  );
}
