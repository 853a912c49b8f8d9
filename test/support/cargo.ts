import { cp, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { WasmletError } from '../../base/errors.ts';
import { cached, keyOf } from './cache.ts';
import { run, runOrThrow } from './command.ts';

const BUILD_TIMEOUT_MS = 30 * 60_000;
/** What the crates of our programs need. */
const MINOR_OF_RUST = 93;

/** A program of ours in Rust, for tests: its folder has Cargo.toml and src/main.rs. */
export interface RustProgram {
  readonly name: string;
  readonly source: string;
  /** Crates that it must be built from: their SHA-256. Cargo checks them against its index, this against us. */
  readonly pinned: Readonly<Record<string, string>>;
  /** For who waits. */
  readonly duration: string;
}

/** Why programs in Rust cannot be built on this machine; undefined when they can. */
export async function whyNoCargo(): Promise<string | undefined> {
  const cargo = await run('cargo', ['--version']).catch(() => undefined);
  const [, minor] = /^cargo 1\.(\d+)/.exec(cargo?.stdout ?? '') ?? [];
  if (minor !== undefined && Number(minor) >= MINOR_OF_RUST) return undefined;
  return `Rust 1.${MINOR_OF_RUST} or newer is not installed (see https://www.rust-lang.org/tools/install)`;
}

/** What a program's outcome depends on. */
export async function keyOfProgram({ source, pinned }: RustProgram): Promise<string> {
  const files = await Promise.all(['Cargo.toml', 'src/main.rs'].map((name) => readFile(join(source, name))));
  return keyOf([...Object.values(pinned), ...files]);
}

/**
 * A program in Rust, built first if its source has changed.
 * @returns the path of the executable, in the cache
 * @throws WasmletError FailedPrecondition when a crate is not the one that is pinned, Internal when it does not build
 */
export async function buildRustProgram(program: RustProgram): Promise<string> {
  const folder = await cached({
    path: `tools/${program.name}-${await keyOfProgram(program)}`,
    build: (folder) => build(program, folder),
  });
  return join(folder, program.name);
}

async function build({ name, source, pinned, duration }: RustProgram, folder: string): Promise<void> {
  process.stderr.write(`building ${name}, once: about ${duration}\n`);
  const work = join(folder, 'build');
  await cp(source, work, { recursive: true });
  const options = { cwd: work, timeoutMs: BUILD_TIMEOUT_MS };
  await runOrThrow('cargo', ['generate-lockfile'], options);
  requirePinned(await readFile(join(work, 'Cargo.lock'), 'utf8'), pinned);
  await runOrThrow('cargo', ['build', '--locked', '--target-dir', 'target'], options);
  await rename(join(work, 'target/debug', name), join(folder, name));
  await rm(work, { recursive: true });
}

function requirePinned(lock: string, pinned: RustProgram['pinned']): void {
  for (const [crate, expected] of Object.entries(pinned)) {
    const [, rest = ''] = lock.split(`name = "${crate}"`);
    const [, checksum] = /checksum = "([0-9a-f]+)"/.exec(rest) ?? [];
    if (checksum !== expected) {
      throw new WasmletError('FailedPrecondition', `crate ${crate}: checksum ${checksum}, expected ${expected}`);
    }
  }
}
