import { readdir, readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { WasmletError } from '../../base/errors.ts';
import { cached, keyOf } from './cache.ts';
import { TOOLCHAINS, type Language, type Toolchain } from './toolchains.ts';

const WORKLOADS = join(import.meta.dirname, '../workloads');
const MODULE = 'module.wasm';

/** Every guest program: its language and its source, seen from test/workloads. */
const GUESTS = {
  /** Says hello, its arguments, its environment. */
  'hello-c': ['c', 'c/hello.c'],
  /** Say hello to whom GREET names, and their arguments. */
  'hello-go': ['go', '../../examples/hello-go'],
  'hello-as': ['assemblyscript', '../../examples/hello-assemblyscript/hello.ts'],
  'hello-rust': ['rust', '../../examples/hello-rust/hello.rs'],
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
  /** `[trap|forks]`: adds up in four threads, 'sum 4000000'; or one of them traps in work; or as many as there may be. */
  'threads-c': ['c-threads', 'c/threads.c'],
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
  'web-go': ['go', '../../examples/web'],
  /** `[sleep|compute]`: 'ready', then works until /dev/signal tells of a stop; 'signal N: cleaning up', exits with 0. */
  'signals-c': ['c', 'c/signals.c'],
  'spawn-c': ['c', 'c/spawn.c'],
  'signals-go': ['go', 'go/signals'],
  'signals-as': ['assemblyscript', 'assemblyscript/signals.ts'],
  /** `FOLDER [ARGUMENT...]`, `trap`: the corpus, the same program by each toolchain; see c/work.c. */
  'work-c': ['c', 'c/work.c'],
  'work-zig-c': ['zig-c', 'c/work.c'],
  'work-cpp': ['zig-c++', 'cpp/work.cpp'],
  'work-zig': ['zig', 'zig/work.zig'],
  'work-rust': ['rust', 'rust/work.rs'],
  'work-go': ['go', 'go/work'],
  'work-as': ['assemblyscript', 'assemblyscript/work.ts'],
  'work-wat': ['wat', 'wat/work.wat'],
  'work-emscripten': ['emscripten', 'c/work.c'],
  /** `FOLDER`: what WASI calls cost; computing kernels. Each prints nanoseconds by name, for test/bench. */
  calls: ['c', 'c/calls.c'],
  kernels: ['c', 'c/kernels.c'],
  /** exit, ticker, cat, env, files, flood, sleep, panic: by its first argument. */
  'tools-go': ['go', 'go/tools'],
} as const satisfies Record<string, readonly [Language, string]>;

export type GuestName = keyof typeof GUESTS;
export const GUEST_NAMES = Object.keys(GUESTS) as GuestName[];

/** Why a guest cannot be built on this machine; undefined when it can. */
export async function whyNoGuest(name: GuestName): Promise<string | undefined> {
  const toolchain: Toolchain = TOOLCHAINS[GUESTS[name][0]];
  const found = await toolchain.find();
  return 'missing' in found ? found.missing : undefined;
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
  const found = await toolchain.find();
  if ('missing' in found) throw new WasmletError('FailedPrecondition', `guest ${name}: ${found.missing}`);
  const folder = await cached({
    path: `guests/${name}-${keyOf([language, found.version, ...(await sourcesOf(source))])}`,
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
