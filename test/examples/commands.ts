import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf } from '../../base/errors.ts';
import { PROJECT } from '../support/agent.ts';
import { skipWithout } from '../support/missing.ts';
import { rustCommand, zigProgram } from '../support/toolchains.ts';

/** Under which names toolchains know Rust's target for WASI: Debian's before 1.78 only by the old one. */
const RUST_TARGET = 'wasm32-wasip1';

/** Skips a test where a compiler cannot be had. */
export async function needCommands(skip: (why: string) => void): Promise<void> {
  await Promise.all([zigProgram(), rustCommand()]).catch((error: unknown) => skipWithout(skip, messageOf(error)));
}

const quoted = (word: string): string => `'${word.replaceAll("'", `'\\''`)}'`;

async function command(folder: string, name: string, script: string): Promise<void> {
  const path = join(folder, name);
  await writeFile(path, `#!/bin/sh\n${script}\n`);
  await chmod(path, 0o755);
}

/**
 * Fills a folder for PATH with what a reader of an example has installed: compilers, kubectl for one namespace, wasmlet.
 * Go and npm are the machine's.
 * @param folder is made
 */
export async function installCommands(
  folder: string,
  { kubectl, namespace }: { readonly kubectl: string; readonly namespace: string },
): Promise<void> {
  await mkdir(folder);
  const exec = (name: string, ...words: string[]) => command(folder, name, `exec ${words.map(quoted).join(' ')} "$@"`);
  await exec('kubectl', kubectl, '--namespace', namespace);
  await exec('wasmlet', process.execPath, join(PROJECT, 'agent/cli.ts'));
  await exec('asc', process.execPath, join(PROJECT, 'node_modules/assemblyscript/bin/asc.js'));
  const { program, env } = await zigProgram();
  await command(folder, 'zig', [...exports(env), `exec ${quoted(program)} "$@"`].join('\n'));
  const rust = await rustCommand();
  await command(
    folder,
    'rustc',
    [
      ...exports(rust.env),
      'for word; do',
      `  shift; [ "$word" = ${RUST_TARGET} ] && word=${quoted(rust.target)}`,
      '  set -- "$@" "$word"',
      'done',
      `exec ${[rust.command, ...rust.args].map(quoted).join(' ')} "$@"`,
    ].join('\n'),
  );
}

const exports = (env: Readonly<Record<string, string>>): string[] =>
  Object.entries(env).map(([name, value]) => `export ${name}=${quoted(value)}`);
