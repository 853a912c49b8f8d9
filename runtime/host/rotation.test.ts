import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { testFolder } from '../test-folder.ts';
import { rotate, rotatedLogs, rotatedName, rotationTimestamp } from './rotation.ts';

const time = new Date(2026, 0, 2, 15, 4, 5);

describe('rotation', () => {
  test("names a rotated log as the kubelet does, by Go's 20060102-150405 in local time", () => {
    expect(rotationTimestamp(time)).toBe('20260102-150405');
    expect(rotatedName('/l/0.log', [], time)).toBe('/l/0.log.20260102-150405');
  });

  test('gives every rotation of one second a name of its own, and names sort by age, compressed or not', () => {
    const rotated: string[] = [];
    for (let count = 0; count < 2500; count++) rotated.push(rotatedName('/l/0.log', rotated, time));
    expect(new Set(rotated).size).toBe(2500);
    expect(rotated.toSorted()).toEqual(rotated);
    const mixed = rotated.map((name, index) => (index % 2 === 0 ? `${name}.gz` : name));
    expect(mixed.toSorted()).toEqual(mixed);
    const next = rotatedName('/l/0.log', rotated, new Date(time.getTime() + 1000));
    expect([...mixed, next].toSorted().at(-1)).toBe('/l/0.log.20260102-150406');
  });

  test('keeps the order of age when the clock is set back', () => {
    const later = rotatedName('/l/0.log', [], time);
    const earlier = rotatedName('/l/0.log', [later], new Date(time.getTime() - 60_000));
    expect(earlier > later).toBe(true);
  });

  test('removes the oldest, compressed ones too, and counts the new current file', () => {
    using folder = testFolder();
    const path = join(folder.path, '0.log');
    for (const name of ['0.log', '0.log.20250101-000000.gz', '0.log.20250102-000000', '0.log.20250103-000000']) {
      writeFileSync(join(folder.path, name), '');
    }
    rotate(path, 3, time);
    expect(readdirSync(folder.path).sort()).toEqual(['0.log.20250103-000000', '0.log.20260102-150405']);
  });

  test('names a log once that is being compressed', () => {
    using folder = testFolder();
    for (const name of [
      '0.log',
      '0.log.20250102-000000',
      '0.log.20250102-000000.tmp',
      '0.log.20250101-000000.gz',
      '1.log',
    ]) {
      writeFileSync(join(folder.path, name), '');
    }
    const path = join(folder.path, '0.log');
    expect(rotatedLogs(path)).toEqual([`${path}.20250101-000000`, `${path}.20250102-000000`]);
  });
});
