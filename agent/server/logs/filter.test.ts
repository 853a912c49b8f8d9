import { expect, test } from 'vitest';
import { LogFilter, MAX_GROWTH, type LogFilterOptions } from './filter.ts';
import { parseInstant } from './timestamp.ts';

const entry = (second: number, stream: string, tag: string, text: string) =>
  `2026-11-21T11:00:${String(second).padStart(2, '0')}.123456789Z ${stream} ${tag} ${text}\n`;

function filtered(input: string, options: Partial<LogFilterOptions> = {}, outputSize = 4096): string {
  const filter = new LogFilter({ timestamps: false, stream: 'All', ...options });
  const bytes = Buffer.from(input);
  const output = Buffer.alloc(outputSize);
  let text = '';
  for (let at = 0; at < bytes.length && !filter.done;) {
    filter.run(bytes, at, bytes.length, output, true);
    at += filter.consumed;
    text += output.toString('utf8', 0, filter.produced);
    if (filter.consumed === 0) break;
  }
  return text;
}

test('full entries are lines and partial entries go on', () => {
  const log = entry(1, 'stdout', 'P', 'long ') + entry(1, 'stdout', 'P', 'line ') + entry(1, 'stdout', 'F', 'ends');
  expect(filtered(log + entry(2, 'stderr', 'F', ''))).toBe('long line ends\n\n');
});

test('a timestamp stands at the start of a line, not within it', () => {
  const log = entry(1, 'stdout', 'P', 'a') + entry(2, 'stdout', 'F', 'b') + entry(3, 'stdout', 'F', 'c');
  expect(filtered(log, { timestamps: true })).toBe(
    '2026-11-21T11:00:01.123456789Z ab\n2026-11-21T11:00:03.123456789Z c\n',
  );
});

test('timestamps are shown with nine digits however they were written', () => {
  const log =
    '2026-11-21T11:00:01Z stdout F a\n2026-11-21T11:00:01.5+02:00 stdout F b\n2026-11-21T11:00:01.000000001-07:00 stdout F c\n';
  expect(filtered(log, { timestamps: true }, 128)).toBe(
    '2026-11-21T11:00:01.000000000Z a\n2026-11-21T11:00:01.500000000+02:00 b\n2026-11-21T11:00:01.000000001-07:00 c\n',
  );
});

test('since leaves out what is earlier, by the nanosecond and across zones', () => {
  const log =
    '2026-11-21T11:00:01.000000001Z stdout F before\n2026-11-21T11:00:01.000000002Z stdout F at\n' +
    '2026-11-21T13:00:01.000000001+02:00 stdout F zone before\n2026-11-21T13:00:02+02:00 stdout F zone after\n';
  const since = parseInstant('2026-11-21T11:00:01.000000002Z')!;
  expect(filtered(log, { since })).toBe('at\nzone after\n');
});

test('one stream of the two is shown', () => {
  const log = entry(1, 'stdout', 'F', 'out') + entry(2, 'stderr', 'F', 'err');
  expect(filtered(log, { stream: 'Stdout' })).toBe('out\n');
  expect(filtered(log, { stream: 'Stderr' })).toBe('err\n');
});

test('the output is cut at exactly so many bytes, and another stream does not count', () => {
  const log = entry(1, 'stderr', 'F', 'ignored') + entry(2, 'stdout', 'F', 'abcdef') + entry(3, 'stdout', 'F', 'ghi');
  expect(filtered(log, { stream: 'Stdout', limitBytes: 4 })).toBe('abcd');
  expect(filtered(log, { stream: 'Stdout', limitBytes: 9 })).toBe('abcdef\ngh');
  expect(filtered(log, { limitBytes: 1000 })).toBe('ignored\nabcdef\nghi\n');
});

test('entries that are not in CRI format are left out and counted', () => {
  const filter = new LogFilter({ timestamps: false, stream: 'All' });
  const log = Buffer.from(
    `rubbish\n{"log":"json"}\n2026-11-21T11:00:01Z stdin F x\n2026-11-21T11:00:01Z stdout F\n${entry(1, 'stdout', 'F', 'good')}`,
  );
  const output = Buffer.alloc(log.length + MAX_GROWTH);
  filter.run(log, 0, log.length, output);
  expect(output.toString('utf8', 0, filter.produced)).toBe('good\n');
  expect(filter.malformed).toBe(4);
});

test('more tags after the first are read over', () => {
  const log = entry(1, 'stdout', 'P:x:y', 'a') + entry(1, 'stdout', 'F:z', 'b');
  expect(filtered(log)).toBe('ab\n');
});

test('a small output buffer changes nothing', () => {
  const log = Array.from({ length: 50 }, (_, index) => entry(index, 'stdout', 'F', `line ${index}`)).join('');
  const whole = filtered(log, { timestamps: true });
  expect(filtered(log, { timestamps: true }, 60 + MAX_GROWTH)).toBe(whole);
  expect(whole.split('\n')).toHaveLength(51);
});
