import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runOrThrow } from '../support/command.ts';
import { buildGuest } from '../support/guests.ts';
import type { Benchmark } from './benchmark.ts';
import { buildKernels } from './interpreter/kernels.ts';
import { withoutCustomSections } from './interpreter/strip.ts';

const RUNS = 7;
const INSTANCES = 1000;

/** Go's HTTP server, without names and debugging information: 9 MB, of which 6 are code. Each time a new process. */
export const interpreterStart: Benchmark = {
  name: 'interpreter.start',
  figures: ['interpreter.startMs', 'interpreter.kbPerInstance'],
  async run(_open, report) {
    const folder = await mkdtemp(join(tmpdir(), 'wasmlet-bench-'));
    try {
      const path = join(folder, 'module.wasm');
      const module = withoutCustomSections(await readFile(await buildGuest('web-go')));
      await writeFile(path, module);
      report(`a module of ${(module.length / 1e6).toFixed(1)} MB, ${RUNS} times`);
      const times: number[] = [];
      for (let run = 0; run < RUNS; run++) times.push(await numberOf('start-once.ts', path));
      const bytes = await numberOf('instances.ts', await buildKernels(), String(INSTANCES));
      return [
        { name: 'interpreter.startMs', value: Math.min(...times) },
        { name: 'interpreter.kbPerInstance', value: bytes / 1024 },
      ];
    } finally {
      await rm(folder, { recursive: true });
    }
  },
};

async function numberOf(script: string, ...args: readonly string[]): Promise<number> {
  const path = join(import.meta.dirname, 'interpreter', script);
  return Number((await runOrThrow(process.execPath, [path, ...args])).stdout);
}
