// `fuzz.ts [SEEDS] [STEPS] [FIRST SEED]`: compares us with wasmtime for as long as wanted; see docs/development.md.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findWasmtime } from '../support/wasmtime.ts';
import { buildFuzzGuest, compare } from './difference.ts';

const [seeds = 500, steps = 2000, first = Date.now() % 1_000_000_000] = process.argv.slice(2).map(Number);
const wasmtime = await findWasmtime();
if ('missing' in wasmtime) throw new Error(wasmtime.missing);
const module = await buildFuzzGuest();
for (let seed = first; seed < first + seeds; seed++) {
  const folder = await mkdtemp(join(tmpdir(), 'wasmlet-fuzz-'));
  try {
    const differences = await compare({ module, wasmtime, folder, seeds: [seed], steps });
    for (const difference of differences) process.stdout.write(`${difference}\n\n`);
    if (differences.length > 0) process.exitCode = 1;
  } finally {
    await rm(folder, { recursive: true });
  }
}
process.stdout.write(`${seeds * steps} steps compared, from seed ${first}\n`);
