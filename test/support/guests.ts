import { readdir, readFile, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { basename, join } from 'node:path';
import { WasmletError } from '../../base/errors.ts';
import { cached, keyOf } from './cache.ts';
import { runOrThrow } from './command.ts';
import { goVersion } from './tools.ts';

const WORKLOADS = join(import.meta.dirname, '../workloads');
const BUILD_TIMEOUT_MS = 10 * 60_000;
/** Optimised, and with the function names kept that a trap's message shows. */
const C_FLAGS = ['-O2', '-Wall', '-Wextra', '-Werror'];
const MODULE = 'module.wasm';

/** Compiles a source (a file, or a folder for Go) into a module at `output`. */
interface Toolchain {
  /** What the result depends on beside the source. @returns undefined where the toolchain is not there */
  readonly version: () => Promise<string | undefined>;
  /** Why it is not there. */
  readonly missing: string;
  readonly compile: (source: string, output: string) => Promise<void>;
}

const require = createRequire(import.meta.url);

function packageVersion(name: string): () => Promise<string> {
  return async () => {
    const manifest = await readFile(join(import.meta.dirname, '../../node_modules', name, 'package.json'), 'utf8');
    return `${name} ${(JSON.parse(manifest) as { version: string }).version}`;
  };
}

function clang(...more: readonly string[]): Toolchain {
  const flags = [...C_FLAGS, ...more];
  return {
    version: async () => `${await packageVersion('@yowasp/clang')()} ${flags.join(' ')}`,
    missing: 'npm ci installs @yowasp/clang',
    compile: async (source, output) => {
      const compiler = join(import.meta.dirname, 'compile-c.ts');
      await runOrThrow(process.execPath, [compiler, output, source, ...flags], { timeoutMs: BUILD_TIMEOUT_MS });
    },
  };
}

const TOOLCHAINS = {
  c: clang(),
  'c-dwarf4': clang('-gdwarf-4'),
  'c-dwarf5': clang('-gdwarf-5'),
  go: {
    version: goVersion,
    missing: 'Go is not installed (see https://go.dev/doc/install)',
    compile: async (source, output) => {
      const env = { ...process.env, GOOS: 'wasip1', GOARCH: 'wasm', GOWORK: 'off' };
      const args = ['build', '-trimpath', '-buildvcs=false', '-o', output, '.'];
      await runOrThrow('go', args, { cwd: source, env, timeoutMs: BUILD_TIMEOUT_MS });
    },
  },
  assemblyscript: {
    version: packageVersion('assemblyscript'),
    missing: 'npm ci installs assemblyscript',
    compile: async (source, output) => {
      const asc = require.resolve('assemblyscript/bin/asc.js');
      const flags = ['--optimize', '--debug', '--runtime', 'incremental', '--use', `abort=${asName(source)}/abort`];
      await runOrThrow(process.execPath, [asc, basename(source), '--outFile', output, ...flags], {
        cwd: join(source, '..'),
        timeoutMs: BUILD_TIMEOUT_MS,
      });
    },
  },
  wat: {
    version: packageVersion('wabt'),
    missing: 'npm ci installs wabt',
    compile: async (source, output) => {
      const { default: wabt } = await import('wabt');
      const module = (await wabt()).parseWat(source, await readFile(source, 'utf8'));
      try {
        await writeFile(output, module.toBinary({ write_debug_names: true }).buffer);
      } finally {
        module.destroy();
      }
    },
  },
  rust: {
    version: rustVersion,
    missing: 'Rust with its target wasm32-wasip1 is not installed (`rustup target add wasm32-wasip1`)',
    compile: async (source, output) => {
      const args = ['--edition=2021', '-O', '--target=wasm32-wasip1', '-o', output, source];
      await runOrThrow('rustc', args, { timeoutMs: BUILD_TIMEOUT_MS });
    },
  },
} satisfies Record<string, Toolchain>;

type Language = keyof typeof TOOLCHAINS;

/** Every guest program: its language and its source under test/workloads. */
const GUESTS = {
  /** Says hello, its arguments, its environment. */
  'hello-c': ['c', 'c/hello.c'],
  'hello-go': ['go', 'go/hello'],
  'hello-as': ['assemblyscript', 'assemblyscript/hello.ts'],
  'hello-rust': ['rust', 'rust/hello.rs'],
  /** Says hello and knows no arguments: 200 bytes. */
  'hello-wat': ['wat', 'wat/hello.wat'],
  /** `[CODE]`: exits with it. */
  exit: ['c', 'c/exit.c'],
  /** `MILLISECONDS COUNT [CODE]`: prints the numbers from 1. */
  ticker: ['c', 'c/ticker.c'],
  /** `[unreachable|memory|divide|stack]`: traps in inner, called by middle, called by outer. */
  trap: ['c', 'c/trap.c'],
  'trap-dwarf4': ['c-dwarf4', 'c/trap.c'],
  'trap-dwarf5': ['c-dwarf5', 'c/trap.c'],
  /** `PATH...`: prints files, lists folders. */
  cat: ['c', 'c/cat.c'],
  /** Prints NAME=value lines. */
  env: ['c', 'c/env.c'],
  /** `BYTES [buffered|unbuffered]`: numbered lines of 100 bytes. */
  flood: ['c', 'c/flood.c'],
  /** Computes for ever after one line. */
  spin: ['c', 'c/spin.c'],
  /** `FOLDER`: makes, writes, reads, renames, lists, removes files; 'all good', or exit code 1 and why. */
  files: ['c', 'c/files.c'],
  /** `memory MEBIBYTES` or `disk FILE MEBIBYTES`: takes them, says 'taken' and sleeps. */
  hog: ['c', 'c/hog.c'],
  /** Sleeps for ever; 200 bytes. */
  sleep: ['wat', 'wat/sleep.wat'],
  /** `STEP=VALUE...`: print, write, show, sleep, exit, first, …: see its source. */
  steps: ['c', 'c/steps.c'],
  /** `STEP[=VALUE]...`: shows what wasmlet_posix_v1 tells; see its source. */
  posix: ['c', 'c/posix.c'],
  /** `serve PORT`, `get HOST PORT PATH`, `refuse HOST PORT`: HTTP over WasmEdge's socket extension. */
  'web-c': ['c', 'c/web.c'],
  /** net/http on the first listening descriptor. */
  'web-go': ['go', 'go/web'],
  /** `[sleep|compute]`: 'ready', then works until /dev/signal tells of a stop; 'signal N: cleaning up', exits with 0. */
  'signals-c': ['c', 'c/signals.c'],
  'signals-go': ['go', 'go/signals'],
  'signals-as': ['assemblyscript', 'assemblyscript/signals.ts'],
  /** exit, ticker, cat, env, files, flood, sleep, panic: by its first argument. */
  'tools-go': ['go', 'go/tools'],
} as const satisfies Record<string, readonly [Language, string]>;

export type GuestName = keyof typeof GUESTS;
export const GUEST_NAMES = Object.keys(GUESTS) as GuestName[];

/** Why a guest cannot be built on this machine; undefined when it can. */
export async function whyNoGuest(name: GuestName): Promise<string | undefined> {
  const toolchain: Toolchain = TOOLCHAINS[GUESTS[name][0]];
  return (await toolchain.version()) === undefined ? toolchain.missing : undefined;
}

/**
 * The module of a guest program, compiled first if its source or its compiler has changed.
 * @returns the path of the .wasm file
 * @throws WasmletError FailedPrecondition without the toolchain, Internal when the source does not compile
 */
export async function buildGuest(name: GuestName): Promise<string> {
  const [language, source] = GUESTS[name];
  return compile(language, name, join(WORKLOADS, source));
}

/** Compiles one C file. @returns the path of the .wasm file, in the cache */
export async function compileC(source: string): Promise<string> {
  return compile('c', basename(source, '.c'), source);
}

/** Compiles one WAT file. @returns the path of the .wasm file, in the cache */
export async function compileWat(source: string): Promise<string> {
  return compile('wat', basename(source, '.wat'), source);
}

async function compile(language: Language, name: string, source: string): Promise<string> {
  const toolchain: Toolchain = TOOLCHAINS[language];
  const version = await toolchain.version();
  if (version === undefined) throw new WasmletError('FailedPrecondition', `guest ${name}: ${toolchain.missing}`);
  const folder = await cached({
    path: `guests/${name}-${keyOf([language, version, ...(await sourcesOf(source))])}`,
    build: async (folder) => toolchain.compile(source, join(folder, MODULE)),
  });
  return join(folder, MODULE);
}

/** Names and contents of a source file, or of all files of a folder. */
async function sourcesOf(source: string): Promise<(string | Buffer)[]> {
  if (/\.\w+$/.test(source)) return [basename(source), await readFile(source)];
  const names = (await readdir(source)).toSorted();
  return [...names, ...(await Promise.all(names.map((name) => readFile(join(source, name)))))];
}

/** AssemblyScript names a module by its file without the ending. */
function asName(source: string): string {
  return basename(source, '.ts');
}

let rust: Promise<string | undefined> | undefined;

/** `rustc --version` where the standard library for wasm32-wasip1 is installed. */
function rustVersion(): Promise<string | undefined> {
  rust ??= findRust().catch(() => undefined);
  return rust;
}

async function findRust(): Promise<string | undefined> {
  const libraries = await runOrThrow('rustc', ['--print', 'target-libdir', '--target=wasm32-wasip1']);
  const names = await readdir(libraries.stdout.trim());
  if (!names.some((name) => name.startsWith('libstd-'))) return undefined;
  return (await runOrThrow('rustc', ['--version'])).stdout.trim();
}
