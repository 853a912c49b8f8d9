import { readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { BareRuntime } from './bare-runtime.ts';
import type { Benchmark } from './benchmark.ts';
import { percentile } from './statistics.ts';

const MEASURED_MS = 10_000;
const PERCENT = 100;
/** cpu.shares of 100m and of 300m. */
const SMALL = 102;
const LARGE = 307;
/** limits.cpu of 100m. */
const LIMIT = 0.1;
const PERIOD_US = 100_000;
const TICK_MS = 20;

/** Guests of one shared host that compute on and on: what each gets of its core, and how late one is that mostly sleeps. */
export const sharedCpu: Benchmark = {
  name: 'sharedCpu',
  figures: ['sharedCpu.shareError', 'sharedCpu.ofLimit', 'sharedCpu.lateP99Ms'],
  async run(_open, report) {
    await using runtime = await BareRuntime.start();
    const start = (cpuShares: number, cpuQuota = 0) =>
      runtime.start('spin', [], { cpuPeriod: PERIOD_US, cpuQuota, cpuShares, memoryLimitInBytes: 0 });
    await using small = await start(SMALL);
    await using large = await start(LARGE);
    await using limited = await start(LARGE, PERIOD_US * LIMIT);
    const unlimited = { cpuPeriod: 0, cpuQuota: 0, cpuShares: SMALL, memoryLimitInBytes: 0 };
    await using ticker = await runtime.start('ticker', [String(TICK_MS), '1000000'], unlimited);
    const containers = [small, large, limited];
    const used = () => Promise.all(containers.map(({ id }) => runtime.cpuSeconds(id)));
    report(`three guests compute in one shared host, one prints, for ${MEASURED_MS / 1000} s`);
    const [begun, before] = [performance.now(), await used()];
    await delay(MEASURED_MS);
    const after = await used();
    const seconds = (performance.now() - begun) / 1000;
    const [ofSmall = NaN, ofLarge = NaN, ofLimited = NaN] = after.map((value, index) => value - (before[index] ?? NaN));
    report(`they got ${[ofSmall, ofLarge, ofLimited].map((value) => value.toFixed(2)).join(', ')} s of CPU`);
    const shareError = Math.abs(ofLarge / ofSmall / (LARGE / SMALL) - 1) * PERCENT;
    return [
      { name: 'sharedCpu.shareError', value: shareError },
      { name: 'sharedCpu.ofLimit', value: ofLimited / seconds / LIMIT },
      { name: 'sharedCpu.lateP99Ms', value: percentile(await lateness(ticker.logPath), 0.99) },
    ];
  },
};

/** Milliseconds by which the lines of a log come later than they should. */
async function lateness(logPath: string): Promise<number[]> {
  const times = [...(await readFile(logPath, 'utf8')).matchAll(/^(\S+) std/gm)].map(([, time]) =>
    Date.parse(time ?? ''),
  );
  return times.slice(1).map((time, index) => Math.max(0, time - (times[index] ?? NaN) - TICK_MS));
}
