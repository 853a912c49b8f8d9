import { mkdtempSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readBounded } from './read-bounded.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'wasmlet-bounded-'));
  writeFileSync(join(folder, 'file'), '12345');
  symlinkSync('file', join(folder, 'link'));
  writeFileSync(join(folder, 'huge'), '');
  truncateSync(join(folder, 'huge'), 2 ** 40);
});
afterAll(() => rmSync(folder, { recursive: true }));

test('what may be there is read, and nothing of what is longer', () => {
  expect(String(readBounded(join(folder, 'file'), 5))).toBe('12345');
  expect(() => readBounded(join(folder, 'file'), 4)).toThrow('more than 4 bytes');
  expect(() => readBounded(join(folder, 'huge'), 4)).toThrow('more than 4 bytes');
  expect(readBounded(join(folder, 'none'), 5)).toBeUndefined();
});

test('no link is followed, and nothing is read that is no file', () => {
  expect(() => readBounded(join(folder, 'link'), 5)).toThrow('ELOOP');
  expect(() => readBounded('/dev/zero', 5)).toThrow('is no file');
});
