import { describe, expect, test } from 'vitest';
import { isImageOf } from './images.ts';
import { IMPOSSIBLE } from './impossible.ts';
import { parseCommandLine } from './options.ts';
import { BY_CHANCE } from './by-chance.ts';
import { fallenBack, formatPassing, parsePassing, updatePassing } from './passing.ts';
import { Progress } from './progress.ts';
import { toJUnit, toTable } from './report.ts';
import type { SpecResult } from './results.ts';
import { combineRuns, parseResultLine } from './results.ts';

const spec = (name: string, state: SpecResult['state'], more: Partial<SpecResult> = {}): SpecResult => ({
  name: `[sig-node] ${name}`,
  file: 'pods.go',
  state,
  seconds: 1.2,
  ...more,
});
const context = { plainWasi: false, seconds: 10, runs: 1 };

describe('results of the suite', () => {
  test('every way of not passing is a failure, and a spec that skips itself is not', () => {
    const stateOf = (state: string) => parseResultLine(JSON.stringify({ name: 'x', state }));
    expect(['passed', 'timedout', 'panicked', 'pending', 'skipped'].map(stateOf)).toMatchObject(
      ['passed', 'failed', 'failed', 'skipped', 'skipped'].map((state) => ({ spec: { state } })),
    );
    expect(parseResultLine('{"total":7}')).toEqual({ total: 7 });
  });

  test('a spec that fails in one of several runs has failed, and says in how many', () => {
    const runs = [[spec('a', 'passed', { seconds: 9 })], [spec('a', 'failed', { reason: 'no pod' })]];
    expect(combineRuns(runs)).toEqual([spec('a', 'failed', { seconds: 9, reason: 'failed in 1 of 2 runs: no pod' })]);
  });

  test('the table counts by file, sets apart what is impossible, and says that stand-ins were served', () => {
    const privileged = 'PrivilegedPod [NodeConformance] should enable privileged commands [LinuxOnly]';
    const table = toTable([spec('a', 'passed'), spec('b', 'failed'), spec(privileged, 'failed')], context);
    expect(table).toMatch(/node: pods\.go +1 +1 +0 +1\n/);
    expect(table).toContain('1 passed with the documented extensions, 2 failed (1 of them impossible by name)');
    expect(table).toContain('Wasm stand-ins were served');
  });

  test('JUnit stays XML whatever a spec writes', () => {
    const xml = toJUnit([spec('a <b>', 'failed', { reason: '"x" & y', output: '\u001b[31m]]>' })], context);
    expect(xml).toContain('name="[sig-node] a &lt;b&gt;"');
    expect(xml).toContain('message="&quot;x&quot; &amp; y">\uFFFD[31m]]&gt;</failure>');
  });

  test('progress tells each failure and the counts at the end', () => {
    const lines: string[] = [];
    const progress = new Progress(
      (line) => lines.push(line),
      () => 0,
    );
    progress.add({ total: 2 });
    progress.add({ spec: spec('a', 'failed', { reason: '\nwhy\nmore' }) });
    progress.add({ spec: spec('b', 'passed') });
    expect(lines).toEqual([
      '2 specs',
      'failed after 1.2 s: [sig-node] a: why',
      '2 of 2 specs: 1 passed, 1 failed, 0 skipped; about 0 s left',
    ]);
  });
});

describe('the list of passing specs', () => {
  const known = [{ name: '[sig-node] a', seconds: 3, plainWasi: false }];

  test('is read as it was written', () => {
    expect(parsePassing(formatPassing(known))).toEqual(known);
    expect(() => parsePassing('perhaps 3 x')).toThrow(SyntaxError);
  });

  test('gains what passes and loses what fails; a run on plain WASI takes nothing out', () => {
    expect(updatePassing(known, [spec('a', 'failed'), spec('b', 'passed')], false)).toEqual([
      { name: '[sig-node] b', seconds: 2, plainWasi: false },
    ]);
    expect(updatePassing(known, [spec('a', 'failed'), spec('b', 'passed')], true)).toEqual([
      ...known,
      { name: '[sig-node] b', seconds: 2, plainWasi: true },
    ]);
  });

  test('a spec that passes by chance is never known to pass', () => {
    const [name] = [...BY_CHANCE.keys()];
    expect(updatePassing([], [{ ...spec('', 'passed'), name: name! }], false)).toEqual([]);
  });

  test('a spec that needs an extension has not fallen back when it fails without it', () => {
    expect(fallenBack(known, [spec('a', 'failed')], false)).toHaveLength(1);
    expect(fallenBack(known, [spec('a', 'failed')], true)).toHaveLength(0);
  });
});

describe('the command line', () => {
  test('takes --json with a file or alone', () => {
    expect(parseCommandLine(['--json', 'out.json']).json).toBe('out.json');
    expect(parseCommandLine(['--json', '--focus', 'x'])).toMatchObject({ json: '-', focus: ['x'] });
  });

  test('refuses what is no number or duration', () => {
    expect(() => parseCommandLine(['--procs', '0'])).toThrow('--procs 0');
    expect(() => parseCommandLine(['--spec-timeout', 'soon'])).toThrow('--spec-timeout soon');
  });
});

test('a stand-in is known by the image name, also when the suite renames its images', () => {
  expect(isImageOf('127.0.0.1:5000/e2e-test-images/busybox:1.37.0-1', 'busybox')).toBe(true);
  expect(isImageOf('127.0.0.1:5000/other/names:e2e-8-e2e-test-images-busybox-1-37-0-1-Ab', 'busybox')).toBe(true);
  expect(isImageOf('127.0.0.1:5000/e2e-test-images/nginx:1.27-0', 'busybox')).toBe(false);
});

test('every reason of what is impossible says more than that it is', () => {
  for (const { reason } of IMPOSSIBLE) expect(reason.length).toBeGreaterThan(40);
});
