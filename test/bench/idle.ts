import { setTimeout as delay } from 'node:timers/promises';
import type { Benchmark } from './benchmark.ts';
import { cpuSeconds, processesOf } from './processes.ts';

const PODS = 30;
const SETTLE_MS = 15_000;
const MEASURED_MS = 60_000;

/** What a node with 30 sleeping pods costs while nothing happens. */
export const idle: Benchmark = {
  name: 'idle',
  figures: ['idle.cpuSecondsPerMinute'],
  async run(open, report) {
    const stage = await open();
    const image = await stage.presentImage('sleep');
    await using pods = stage.watchPods();
    const names = await stage.runPods(PODS, 'idle', image, pods);
    await delay(SETTLE_MS);
    report('measuring an idle minute');
    const pids = await processesOf(stage.agent);
    if (pids.length < PODS + 2) throw new Error(`only ${pids.length} processes of ${PODS} pods were found`);
    const before = await total(pids);
    await delay(MEASURED_MS);
    const value = (await total(pids)) - before;
    await stage.deleteAll(names, pods);
    return [{ name: 'idle.cpuSecondsPerMinute', value }];
  },
};

async function total(pids: readonly number[]): Promise<number> {
  return (await Promise.all(pids.map(cpuSeconds))).reduce((sum, seconds) => sum + seconds, 0);
}
