import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { program } from '../program.ts';
import { completionScript, SHELLS } from './completion.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'wasmlet-completion-'));
  for (const shell of SHELLS)
    writeFileSync(
      join(folder, shell),
      completionScript(
        program(() => undefined),
        shell,
      ),
    );
  writeFileSync(join(folder, 'hello.wasm'), '');
});
afterAll(() => rmSync(folder, { recursive: true }));

/** What bash offers for a line whose last word is being written. */
function complete(...words: readonly string[]): string[] {
  const line = ['wasmlet', ...words].map((word) => `'${word}'`).join(' ');
  const script =
    `source ./bash; COMP_WORDS=(${line}); COMP_CWORD=${words.length}; ` + '_wasmlet; printf "%s\\n" "${COMPREPLY[@]}"';
  const output = execFileSync('bash', ['--norc', '-c', script], { cwd: folder, encoding: 'utf8' });
  return output.split('\n').filter((word) => word !== '');
}

describe('bash completes', () => {
  test('commands', () => {
    expect(complete('')).toEqual(expect.arrayContaining(['agent', 'images', 'push', 'completion']));
    expect(complete('im')).toEqual(['images']);
  });

  test('the commands of a command', () => {
    expect(complete('images', '')).toEqual(expect.arrayContaining(['ls', 'import', 'rm', 'prune']));
    expect(complete('images', 'i')).toEqual(['import']);
  });

  test('options, those of the configuration among them', () => {
    expect(complete('push', '--ann')).toEqual(['--annotation']);
    expect(complete('images', 'ls', '--root')).toEqual(['--root-dir']);
    expect(complete('agent', '--node-n')).toEqual(['--node-name']);
  });

  test('what an option can be', () => {
    expect(complete('images', 'ls', '-o', '')).toEqual(['table', 'json']);
    expect(complete('push', '--format', 'w')).toEqual(['wasm-to-oci']);
    expect(complete('agent', '--confinement', '')).toEqual(['required', 'preferred', 'none']);
    expect(complete('completion', 'f')).toEqual(['fish']);
  });

  test('files elsewhere', () => {
    expect(complete('push', 'he')).toEqual(['hello.wasm']);
    expect(complete('agent', '--config', 'he')).toEqual(['hello.wasm']);
  });

  test('nothing for an option that there is not', () => {
    expect(complete('push', '--nothing')).toEqual([]);
  });
});

test.each(['zsh', 'fish'] as const)('%s is told of each command', (shell) => {
  const script = completionScript(
    program(() => undefined),
    shell,
  );
  for (const word of ['images', 'import', '--annotation'.slice(shell === 'fish' ? 2 : 0)])
    expect(script).toContain(word);
});
