import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { LIMITS } from './limits.ts';
import { OPCODES } from './opcodes.ts';

const REFERENCE = join(import.meta.dirname, '../../docs/reference/webassembly.md');
const page = await readFile(REFERENCE, 'utf8');

/** The cells of the rows of the table under a heading. */
function rowsUnder(heading: string): string[][] {
  const [, section = ''] = page.split(`## ${heading}\n`);
  const [table = ''] = section.split('\n## ');
  const rows = table.match(/^\| `.*$/gm) ?? [];
  return rows.map((row) =>
    row
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim().replaceAll('`', '')),
  );
}

test('docs/reference/webassembly.md names each part of WebAssembly, with how many instructions came with it', () => {
  const counts = new Map<string, number>();
  for (const { feature } of OPCODES) counts.set(feature, (counts.get(feature) ?? 0) + 1);
  expect(rowsUnder('Instructions').map(([feature, count]) => [feature, Number(count)])).toEqual([...counts]);
});

test('docs/reference/webassembly.md has every limit, with its number', () => {
  const rows = rowsUnder('Limits').map(([name, limit = '']) => [name, Number(limit.replaceAll(',', ''))]);
  expect(rows).toEqual(Object.entries(LIMITS));
});
