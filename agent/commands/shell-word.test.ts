import { execFileSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { shellWord } from './shell-word.ts';

test.each(['/home/me/.local/state', "/home/me/my work; it's $HOME", '', '~/x'])(
  'a shell takes %j for the one word that it is',
  (text) => {
    expect(execFileSync('sh', ['-c', `printf '%s|' ${shellWord(text)}`], { encoding: 'utf8' })).toBe(`${text}|`);
  },
);

test('what needs no quotes has none', () => {
  expect(shellWord('/tmp/wasmlet-PIJzrX/api/kubeconfig')).toBe('/tmp/wasmlet-PIJzrX/api/kubeconfig');
});
