import type { Benchmark } from './benchmark.ts';
import { isRunning } from './stage.ts';

const PODS = 50;

/** 50 pods at once. The limit is the API alone: as many pods made and patched to Running by the administrator. */
export const starts: Benchmark = {
  name: 'startsPerSecond',
  figures: ['startsPerSecond'],
  async run(open, report) {
    const stage = await open();
    const image = await stage.presentImage('sleep');
    await using pods = stage.watchPods();
    report(`starting ${PODS} pods at once`);
    const start = performance.now();
    const names = await stage.runPods(PODS, 'start', image, pods);
    const value = perSecond(start);
    await stage.deleteAll(names, pods);

    const bare = performance.now();
    const bareNames = names.map((name) => `bare-${name}`);
    await Promise.all(
      bareNames.map(async (name) => {
        const pod = await stage.create(stage.pod({ name, image, spec: { nodeName: 'no-such-node' } }));
        await stage.setStatus(pod, { phase: 'Running' });
        await pods.until(name, isRunning);
      }),
    );
    const limit = { value: perSecond(bare), means: 'pods made and patched to Running by nobody but the API' };
    await Promise.all(bareNames.map((name) => stage.deleteNow(name)));
    return [{ name: 'startsPerSecond', value, limit }];
  },
};

const perSecond = (start: number): number => PODS / ((performance.now() - start) / 1000);
