import type { Benchmark } from './benchmark.ts';
import { isRunning } from './stage.ts';
import { median } from './statistics.ts';

const PODS = 20;

/** The limit is the API alone: the same of pods that no node holds. */
export const deletion: Benchmark = {
  name: 'delete',
  figures: ['delete.p50Ms'],
  async run(open, report) {
    const stage = await open();
    const image = await stage.presentImage('sleep');
    await using pods = stage.watchPods();
    report(`deleting ${PODS} pods, one at a time`);
    const times: number[] = [];
    const bare: number[] = [];
    for (let index = 0; index < PODS; index++) {
      const name = `delete-${index}`;
      await stage.create(stage.pod({ name, image }));
      await pods.until(name, isRunning);
      times.push(await timeOf(() => stage.delete(name, pods)));

      const bareName = `bare-${name}`;
      await stage.create(stage.pod({ name: bareName, image, spec: { nodeName: 'no-such-node' } }));
      await pods.until(bareName, () => true);
      bare.push(
        await timeOf(async () => {
          await stage.deleteNow(bareName);
          await pods.untilGone(bareName);
        }),
      );
    }
    const limit = { value: median(bare), means: 'forced DELETE of a pod that no node holds' };
    return [{ name: 'delete.p50Ms', value: median(times), limit }];
  },
};

async function timeOf(work: () => Promise<void>): Promise<number> {
  const start = performance.now();
  await work();
  return performance.now() - start;
}
