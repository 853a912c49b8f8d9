import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { LogWriter } from '../host/log-writer.ts';
import { testFolder } from '../test-folder.ts';
import { partialPath } from '../host/partial.ts';
import { repairLog } from './log-repair.ts';

const whole = '2026-01-02T15:04:05.000000000Z stdout F whole\n';

test('an unfinished line of a host that was killed is added as a part', () => {
  using folder = testFolder();
  const path = join(folder.path, '0.log');
  const writer = new LogWriter(path, { maxSize: 0, maxFiles: 2 }, folder.path);
  writer.stdout.write(Buffer.from('whole\nhalf'));
  writer.stderr.write(Buffer.from('also'));
  repairLog(path, folder.path);
  const lines = readFileSync(path, 'utf8').trimEnd().split('\n');
  expect(lines.map((line) => line.slice(31))).toEqual(['stdout F whole', 'stdout P half', 'stderr P also']);
  expect(existsSync(partialPath(folder.path))).toBe(false);
});

test('an entry whose write was broken off becomes a line, one without its head is taken away', () => {
  using folder = testFolder();
  const path = join(folder.path, '0.log');
  writeFileSync(path, whole + '2026-01-02T15:04:05.000000001Z stdout F bro');
  repairLog(path, folder.path);
  expect(readFileSync(path, 'utf8')).toBe(whole + '2026-01-02T15:04:05.000000001Z stdout F bro\n');
  writeFileSync(path, whole + '2026-01-02T15:0');
  repairLog(path, folder.path);
  expect(readFileSync(path, 'utf8')).toBe(whole);
});

test('a log that is whole, empty or missing stays as it is', () => {
  using folder = testFolder();
  const path = join(folder.path, '0.log');
  expect(() => repairLog(path, folder.path)).not.toThrow();
  for (const text of ['', whole]) {
    writeFileSync(path, text);
    repairLog(path, folder.path);
    expect(readFileSync(path, 'utf8')).toBe(text);
  }
});
