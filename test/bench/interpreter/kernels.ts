import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { cached, keyOf } from '../../support/cache.ts';
import { runOrThrow } from '../../support/command.ts';

/** Kernels of kernels.c by kind, and the rounds that take some milliseconds: short enough to be left alone now and then. */
export const KERNELS = {
  'whole numbers of 32 bits': { fib: 8, sieve: 6, hash: 1000, sort: 10 },
  'whole numbers of 64 bits': { mix64: 400_000, power64: 6000, long64: 200 },
  floats: { matrix64: 8, mandelbrot: 20, bodies32: 2000 },
  vectors: { dot: 500, text: 500 },
  'a program of lists, matrices, states and checksums': { embedded: 80 },
} as const satisfies Record<string, Record<string, number>>;

const SOURCE = join(import.meta.dirname, 'kernels.c');
const COMPILER = join(import.meta.dirname, '../../support/compile-c.ts');
const CLANG = join(import.meta.dirname, '../../../node_modules/@yowasp/clang/package.json');
const FLAGS = ['-O2', '-Wall', '-Wextra', '-Werror', '-nostdlib', '-Wl,--no-entry'];
const BUILD_TIMEOUT_MS = 10 * 60_000;

/** The module of the kernels: no imports, a function for each. @returns its path, in the cache */
export async function buildKernels(): Promise<string> {
  const folder = await cached({
    path: `guests/kernels-${keyOf([...FLAGS, await readFile(CLANG), await readFile(SOURCE)])}`,
    build: async (folder) => {
      const args = [COMPILER, join(folder, 'module.wasm'), SOURCE, ...FLAGS];
      await runOrThrow(process.execPath, args, { timeoutMs: BUILD_TIMEOUT_MS });
    },
  });
  return join(folder, 'module.wasm');
}
