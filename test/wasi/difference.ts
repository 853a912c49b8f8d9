import { mkdirSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { engineFor } from '../../runtime/engine/index.ts';
import { createPreview1 } from '../../wasi/preview1/index.ts';
import { WasiExit } from '../../wasi/wasi.ts';
import { cached, keyOf } from '../support/cache.ts';
import { runOrThrow } from '../support/command.ts';
import { runWithWasmtime, type Wasmtime } from '../support/wasmtime.ts';

const COMPILE_TIMEOUT_MS = 5 * 60_000;
const RUN_TIMEOUT_MS = 30 * 60_000;
/** Lines before a difference that tell how it came about. */
const CONTEXT = 12;

/** @returns the path of the compiled guest.c */
export async function buildFuzzGuest(): Promise<string> {
  const source = join(import.meta.dirname, 'guest.c');
  const folder = await cached({
    path: `guests/fuzz-${keyOf([readFileSync(source)])}`,
    build: async (into) => {
      const compiler = join(import.meta.dirname, '../support/compile-c.ts');
      await runOrThrow(process.execPath, [compiler, join(into, 'guest.wasm'), source, '-O2'], {
        timeoutMs: COMPILE_TIMEOUT_MS,
      });
    },
  });
  return join(folder, 'guest.wasm');
}

export interface Comparison {
  /** The compiled guest.c. */
  readonly module: string;
  readonly wasmtime: Wasmtime;
  /** Empty; trees and outputs are left in it. */
  readonly folder: string;
  readonly seeds: readonly number[];
  readonly steps: number;
}

/**
 * Lets the guest run under wasmtime and under us, each on a tree of its own that begins empty.
 * @returns what differs, for people; empty when nothing does
 */
export async function compare({ module, wasmtime, folder, seeds, steps }: Comparison): Promise<string[]> {
  for (const seed of seeds) {
    for (const side of ['peer', 'ours']) mkdirSync(join(folder, String(seed), side), { recursive: true });
  }
  const script = join(import.meta.dirname, 'peer.py');
  await runWithWasmtime(wasmtime, [script, module, String(steps), folder, ...seeds.map(String)], RUN_TIMEOUT_MS);
  const bytes = readFileSync(module);
  const differences: string[] = [];
  for (const seed of seeds) {
    const at = join(folder, String(seed));
    const ours = await runOurs(bytes, join(at, 'ours'), ['guest', String(seed), String(steps)]);
    const found = firstDifference(readFileSync(join(at, 'peer.txt'), 'utf8'), ours);
    if (found !== undefined) differences.push(`seed ${seed}: ${found}`);
    const trees = [treeOf(join(at, 'peer')), treeOf(join(at, 'ours'))] as const;
    if (found === undefined && trees[0] !== trees[1]) {
      differences.push(`seed ${seed}: same answers, other trees\nwasmtime:\n${trees[0]}\nours:\n${trees[1]}`);
    }
  }
  return differences;
}

/** What a guest prints that has this folder as its root. */
export async function runOurs(bytes: Uint8Array<ArrayBuffer>, root: string, args: readonly string[]): Promise<string> {
  const chunks: Buffer[] = [];
  const sink = { write: (chunk: Uint8Array): void => void chunks.push(Buffer.from(chunk)) };
  const stdin = { read: (): Uint8Array => new Uint8Array(0) };
  const module = await engineFor('v8').compile(bytes);
  using wasi = createPreview1({
    args,
    env: [],
    root,
    workingDir: '/',
    mounts: [],
    stdin,
    stdout: sink,
    stderr: sink,
    tty: false,
  });
  const guest = await module.instantiate(wasi.imports);
  wasi.setMemory(guest.memory);
  try {
    await guest.run('_start');
  } catch (error) {
    if (!(error instanceof WasiExit) || error.exitCode !== 0) throw error;
  }
  return Buffer.concat(chunks).toString();
}

/** The first line in which two outputs differ, for people, with those before it; undefined when none does. */
export function firstDifference(theirs: string, ours: string, other = 'wasmtime'): string | undefined {
  const [a, b] = [theirs.split('\n'), ours.split('\n')];
  const index = a.findIndex((line, at) => line !== b[at]);
  if (index === -1 && a.length === b.length) return undefined;
  const at = index === -1 ? a.length : index;
  const before = a.slice(Math.max(0, at - CONTEXT), at).join('\n');
  return `step ${at}\n${before}\n${other}: ${a[at] ?? 'has ended'}\nours: ${b[at] ?? 'has ended'}`;
}

/** Every file of a tree with its content, in order. */
export function treeOf(folder: string, shown = ''): string {
  const entries = readdirSync(folder, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1));
  return entries
    .map((entry) => {
      const path = join(folder, entry.name);
      const name = `${shown}/${entry.name}`;
      if (entry.isSymbolicLink()) return `${name} -> ${readlinkSync(path)}\n`;
      if (entry.isDirectory()) return `${name}/\n${treeOf(path, name)}`;
      return `${name} ${JSON.stringify(readFileSync(path, 'latin1'))}\n`;
    })
    .join('');
}
