import { execFileSync } from 'node:child_process';
import { linkSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { diskUsage } from './disk-usage.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'wasmlet-usage-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const du = (path: string): number => Number(execFileSync('du', ['-sxB1', path], { encoding: 'utf8' }).split('\t')[0]);

test('a folder takes what du counts: hard links once, sparse files as far as written, links for themselves', async () => {
  mkdirSync(join(folder, 'a/b'), { recursive: true });
  writeFileSync(join(folder, 'a/b/file'), Buffer.alloc(1_000_000, 1));
  linkSync(join(folder, 'a/b/file'), join(folder, 'a/second-name'));
  writeFileSync(join(folder, 'sparse'), '');
  truncateSync(join(folder, 'sparse'), 100_000_000);
  symlinkSync('/usr', join(folder, 'link'));
  const { usedBytes, inodesUsed } = await diskUsage(folder);
  expect(usedBytes).toBe(du(folder));
  expect(usedBytes).toBeGreaterThan(1_000_000);
  expect(usedBytes).toBeLessThan(2_000_000);
  expect(inodesUsed).toBe(6);
});

test('what is not there takes nothing', async () => {
  expect(await diskUsage(join(folder, 'gone/file'))).toEqual({ usedBytes: 0, inodesUsed: 0 });
});
