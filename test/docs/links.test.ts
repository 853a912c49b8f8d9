import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { run } from '../support/command.ts';
import { PROJECT } from '../support/agent.ts';

/** A heading's anchor, as the usual viewers make it. */
const anchorOf = (heading: string): string =>
  heading
    .replace(/\[([^\]]*)\]\([^)]*\)/g, '$1')
    .toLowerCase()
    .replace(/[^\p{Letter}\p{Number}\s_-]/gu, '')
    .trim()
    .replace(/\s/g, '-');

/** Without what is in blocks of code. */
const proseOf = (path: string): string => readFileSync(path, 'utf8').replace(/^```[^]*?^```/gm, '');

function isThere(from: string, link: string): boolean {
  const [path = '', anchor] = link.split('#');
  const target = path === '' ? from : join(dirname(from), path);
  if (!existsSync(target)) return false;
  if (anchor === undefined || !target.endsWith('.md')) return true;
  return [...proseOf(target).matchAll(/^#+ (.*)$/gm)].some(([, heading = '']) => anchorOf(heading) === anchor);
}

test('links within the documentation lead to what is there', async () => {
  // Also in what is not committed yet.
  const list = ['ls-files', '--cached', '--others', '--exclude-standard', '*.md'];
  const { stdout } = await run('git', list, { cwd: PROJECT });
  const broken = stdout
    .trim()
    .split('\n')
    .map((file) => join(PROJECT, file))
    .filter((file) => existsSync(file))
    .flatMap((file) =>
      [...proseOf(file).matchAll(/\]\(([^)\s]+)\)/g)]
        .map(([, link = '']) => link)
        .filter((link) => !/^[a-z]+:/.test(link) && !isThere(file, link))
        .map((link) => `${file.slice(PROJECT.length + 1)}: ${link}`),
    );
  expect(broken).toEqual([]);
});
