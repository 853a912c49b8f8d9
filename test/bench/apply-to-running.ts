import type { Benchmark } from './benchmark.ts';
import { isRunning } from './stage.ts';
import { median, percentile } from './statistics.ts';

const PODS = 30;

/** One pod at a time through scheduler, token and all, as users apply it. The limit is what the scheduler leaves. */
export const applyToRunning: Benchmark = {
  name: 'applyToRunning',
  figures: ['applyToRunning.p50Ms', 'applyToRunning.p95Ms'],
  async run(open, report) {
    const stage = await open();
    const image = await stage.presentImage('sleep');
    await using pods = stage.watchPods();
    const bound: number[] = [];
    const running: number[] = [];
    report(`applying ${PODS} pods, one at a time`);
    for (let index = 0; index < PODS; index++) {
      const name = `apply-${index}`;
      const start = performance.now();
      const times = [pods.until(name, ({ spec }) => spec?.nodeName !== undefined), pods.until(name, isRunning)];
      await stage.create(stage.unboundPod({ name, image }));
      const [boundAt = NaN, runningAt = NaN] = await Promise.all(times);
      bound.push(boundAt - start);
      running.push(runningAt - start);
      await stage.delete(name, pods);
    }
    const means = 'POST to bound by the scheduler, seen on the same watch';
    return [
      { name: 'applyToRunning.p50Ms', value: median(running), limit: { value: median(bound), means } },
      {
        name: 'applyToRunning.p95Ms',
        value: percentile(running, 0.95),
        limit: { value: percentile(bound, 0.95), means },
      },
    ];
  },
};
