import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { testFolder } from '../test-folder.ts';
import { compressRotatedLogs } from './compress.ts';

const never = new AbortController().signal;

test('all rotated logs but the newest are compressed, and what a broken-off compression left is removed', async () => {
  using folder = testFolder();
  const content = { '0.log': 'now', '0.log.20260101-000002': 'two', '0.log.20260101-000001': 'one', '1.log': 'other' };
  for (const [name, text] of Object.entries(content)) writeFileSync(join(folder.path, name), text);
  writeFileSync(join(folder.path, '0.log.20260101-000000.tmp'), 'half');
  await compressRotatedLogs(join(folder.path, '0.log'), never);
  expect(readdirSync(folder.path).sort()).toEqual([
    '0.log',
    '0.log.20260101-000001.gz',
    '0.log.20260101-000002',
    '1.log',
  ]);
  expect(gunzipSync(readFileSync(join(folder.path, '0.log.20260101-000001.gz'))).toString()).toBe('one');
});

test('a folder that is gone is no error', async () => {
  await expect(compressRotatedLogs('/nonexistent/0.log', never)).resolves.toBeUndefined();
});
