import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { BareRuntime } from './bare-runtime.ts';
import type { Benchmark } from './benchmark.ts';
import type { Report } from './stage.ts';
import { median } from './statistics.ts';

const RUNS = 25;
/** The first ones compile and fill caches. */
const WARM_UP = 3;
/** Enough for the next host to be waiting: nothing outside the supervisor is told when it does. */
const REFILL_MS = 300;

/**
 * A container from the call that makes its sandbox to its end, when a host waits for it and when none does. Of the two,
 * the first is what a pod sees on a quiet node, the second what each sees of many at once. And what the files of an image
 * cost, which are mounted where the machine allows it.
 */
export const startLatency: Benchmark = {
  name: 'startLatency',
  figures: ['containerStart.warm.p50Ms', 'containerStart.cold.p50Ms', 'containerStart.files.p50Ms'],
  run: async (_open, report) => [
    { name: 'containerStart.warm.p50Ms', value: await latency(1, report) },
    { name: 'containerStart.cold.p50Ms', value: await latency(0, report) },
    { name: 'containerStart.files.p50Ms', value: await withFiles((tree) => latency(1, report, tree)) },
  ],
};

const FILES = 300;
const FILE_BYTES = 10_000;

/** Does something with an image's file tree. */
async function withFiles<T>(use: (tree: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'wasmlet-files-'));
  try {
    const tree = join(folder, 'tree');
    await mkdir(tree);
    for (let index = 0; index < FILES; index++)
      await writeFile(join(tree, `file-${index}`), Buffer.alloc(FILE_BYTES, 1));
    return await use(tree);
  } finally {
    await rm(folder, { recursive: true });
  }
}

async function latency(poolSize: number, report: Report, tree?: string): Promise<number> {
  await using runtime = await BareRuntime.start({ poolSize }, tree);
  report(`running ${RUNS} containers, one at a time, with ${poolSize} host waiting`);
  const times: number[] = [];
  for (let index = 0; index < WARM_UP + RUNS; index++) {
    await pause(REFILL_MS);
    const { ended } = await runtime.run('hello-wat');
    if (index >= WARM_UP) times.push(ended);
  }
  return median(times);
}
