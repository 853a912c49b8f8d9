import { closeSync, fsyncSync, openSync, writeSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BareRuntime } from './bare-runtime.ts';
import type { Benchmark } from './benchmark.ts';
import { median } from './statistics.ts';

const BYTES = 100_000_000;
const RUNS = 3;
const PIECE_BYTES = 64 * 1024;
/** What the log holds for each line of 100 bytes: time, stream and tag before it. */
const GROWTH = 140 / 100;

/** A guest floods its standard output. The limit is this machine's disk: the log's bytes written by Node itself. */
export const logsWrite: Benchmark = {
  name: 'logs.write',
  figures: ['logs.writeMBs'],
  async run(_open, report) {
    await using runtime = await BareRuntime.start();
    report('a guest writes 100 MB, three times');
    const rates: number[] = [];
    for (let run = 0; run < RUNS; run++) {
      const { started, ended } = await runtime.run('flood', [String(BYTES), 'buffered']);
      rates.push(BYTES / 1e6 / ((ended - started) / 1000));
    }
    const limit = { value: await rawWrite(), means: 'the same log written by Node in pieces of 64 KiB' };
    return [{ name: 'logs.writeMBs', value: median(rates), limit }];
  },
};

/** MB/s of guest text, were the log only written and not made. */
async function rawWrite(): Promise<number> {
  const folder = await mkdtemp(join(tmpdir(), 'wasmlet-bench-'));
  try {
    const piece = Buffer.alloc(PIECE_BYTES, 'x');
    const file = openSync(join(folder, 'log'), 'a');
    const start = performance.now();
    for (let written = 0; written < BYTES * GROWTH; written += PIECE_BYTES) writeSync(file, piece);
    const ms = performance.now() - start;
    fsyncSync(file);
    closeSync(file);
    return BYTES / 1e6 / (ms / 1000);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
