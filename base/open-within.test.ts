import {
  closeSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openWithin, useWithin } from './open-within.ts';

let base: string;
beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), 'wasmlet-within-'));
  mkdirSync(join(base, 'volume', 'a', 'b'), { recursive: true });
  writeFileSync(join(base, 'volume', 'a', 'b', 'file'), '');
});
afterEach(() => rmSync(base, { recursive: true }));

const names = (path: string): string[] => readdirSync(path);

test('a folder stays the one that was opened, whatever becomes of its name', () => {
  const path = join(base, 'volume', 'a', 'b');
  const fd = openWithin(join(base, 'volume'), path);
  try {
    renameSync(path, join(base, 'volume', 'old'));
    symlinkSync('/etc', path);
    expect(names(`/proc/self/fd/${fd}`)).toEqual(['file']);
  } finally {
    closeSync(fd);
  }
  expect(useWithin(base, base, names)).toEqual(['volume']);
});

test.each([
  ['at its end', 'a/b'],
  ['on the way', 'a'],
])('a link %s is not followed', (_, exchanged) => {
  const volume = join(base, 'volume');
  mkdirSync(join(base, 'outside', 'b'), { recursive: true });
  renameSync(join(volume, exchanged), join(volume, 'old'));
  symlinkSync(join(base, 'outside'), join(volume, exchanged));
  expect(() => useWithin(volume, join(volume, 'a', 'b'), names)).toThrow('ENOTDIR');
  // Whoever says nothing of others has it followed, as links of its own.
  expect(useWithin(undefined, join(volume, exchanged), names)).toEqual(['b']);
});

test('a path that lies elsewhere is refused', () => {
  expect(() => openWithin(join(base, 'volume'), base)).toThrow('is not within');
});
