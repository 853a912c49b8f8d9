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
 * the first is what a pod sees on a quiet node, the second what each sees of many at once.
 */
export const startLatency: Benchmark = {
  name: 'startLatency',
  figures: ['containerStart.warm.p50Ms', 'containerStart.cold.p50Ms'],
  run: async (_open, report) => [
    { name: 'containerStart.warm.p50Ms', value: await latency(1, report) },
    { name: 'containerStart.cold.p50Ms', value: await latency(0, report) },
  ],
};

async function latency(poolSize: number, report: Report): Promise<number> {
  await using runtime = await BareRuntime.start({ poolSize });
  report(`running ${RUNS} containers, one at a time, with ${poolSize} host waiting`);
  const times: number[] = [];
  for (let index = 0; index < WARM_UP + RUNS; index++) {
    await pause(REFILL_MS);
    const { ended } = await runtime.run('hello-wat');
    if (index >= WARM_UP) times.push(ended);
  }
  return median(times);
}
