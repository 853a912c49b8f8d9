import { BareRuntime } from './bare-runtime.ts';
import type { Benchmark } from './benchmark.ts';
import { runOrThrow } from '../support/command.ts';
import { median } from './statistics.ts';

const RUNS = 30;
/** The first ones compile and fill caches; the peers' images are precompiled. */
const WARM_UP = 3;

/** What `ctr run --rm` is for containerd. The limit is Node itself: a process that starts and ends. */
export const containerStart: Benchmark = {
  name: 'containerStart',
  figures: ['containerStart.own.p50Ms'],
  async run(_open, report) {
    await using runtime = await BareRuntime.start();
    report(`running ${RUNS} containers, one at a time`);
    const times: number[] = [];
    for (let index = 0; index < WARM_UP + RUNS; index++) {
      const { ended } = await runtime.run('hello-wat');
      if (index >= WARM_UP) times.push(ended);
    }
    const bare: number[] = [];
    for (let index = 0; index < RUNS; index++) {
      const start = performance.now();
      await runOrThrow(process.execPath, ['-e', '0']);
      bare.push(performance.now() - start);
    }
    const limit = { value: median(bare), means: '`node -e 0`, start to end' };
    return [{ name: 'containerStart.own.p50Ms', value: median(times), limit }];
  },
};
