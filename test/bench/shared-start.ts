import { BareRuntime } from './bare-runtime.ts';
import type { Benchmark } from './benchmark.ts';
import { median } from './statistics.ts';

const RUNS = 30;
/** The first one starts the host, and has the module rewritten. */
const WARM_UP = 3;

/** A container from start to end in a host that others share. */
export const sharedStart: Benchmark = {
  name: 'sharedStart',
  figures: ['containerStart.shared.p50Ms'],
  async run(_open, report) {
    await using runtime = await BareRuntime.start();
    report(`running ${RUNS} containers in a shared host, one at a time`);
    const times: number[] = [];
    for (let index = 0; index < WARM_UP + RUNS; index++) {
      const { ended } = await runtime.run('hello-wat', [], 'wasm-shared');
      if (index >= WARM_UP) times.push(ended);
    }
    return [{ name: 'containerStart.shared.p50Ms', value: median(times) }];
  },
};
