import { glob, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { EVENT_REASONS } from './event-reasons.ts';

const PROJECT = join(import.meta.dirname, '../..');

test('docs/reference/events.md lists every event, and no other', async () => {
  const rows = Object.entries(EVENT_REASONS).map(
    ([reason, [type, about, meaning]]) => `| \`${reason}\` | ${type} | ${about} | ${meaning} |`,
  );
  const text = await readFile(join(PROJECT, 'docs/reference/events.md'), 'utf8');
  const listed = text.split('\n').filter((line) => line.startsWith('| `'));
  expect(listed.map((line) => line.replaceAll(/ +/g, ' '))).toEqual(rows);
});

test('every event of the table is one that the agent records', async () => {
  let source = '';
  for await (const file of glob('agent/**/*.ts', { cwd: PROJECT })) {
    if (!/\.test\.ts$|event-reasons\.ts$|testing|fixtures/.test(file))
      source += await readFile(join(PROJECT, file), 'utf8');
  }
  // Reasons are literals where they are recorded; those of pressure and of shortage are made of two parts.
  const recorded = (reason: string) =>
    source.includes(`'${reason}'`) || source.includes(`'${reason.replace(/^(NodeHas|OutOf)/, '')}'`);
  expect(Object.keys(EVENT_REASONS).filter((reason) => !recorded(reason))).toEqual([]);
});
