import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import type { Benchmark } from './benchmark.ts';
import { memoryAvailable } from './processes.ts';
import { median } from './statistics.ts';

const PODS = 30;
const BARE = 15;
const SETTLE_MS = 5000;

/** What 30 sleeping pods take from the machine. The limit is Node itself: as many processes that sleep. */
export const memory: Benchmark = {
  name: 'memory',
  figures: ['memory.own.mbPerPod'],
  async run(open, report) {
    const stage = await open();
    const image = await stage.presentImage('sleep');
    await using pods = stage.watchPods();
    const before = await settledMemory();
    report(`starting ${PODS} sleeping pods`);
    const names = await stage.runPods(PODS, 'memory', image, pods);
    const value = (before - (await settledMemory())) / PODS;
    await stage.deleteAll(names, pods);
    const limit = { value: await bareNode(), means: 'a Node process that sleeps' };
    return [{ name: 'memory.own.mbPerPod', value, limit }];
  },
};

async function settledMemory(): Promise<number> {
  await delay(SETTLE_MS);
  const readings: number[] = [];
  for (let count = 0; count < 11; count++) {
    readings.push(await memoryAvailable());
    await delay(100);
  }
  return median(readings);
}

async function bareNode(): Promise<number> {
  const before = await settledMemory();
  const children = Array.from({ length: BARE }, () =>
    spawn(process.execPath, ['-e', 'setInterval(() => {}, 2 ** 30)'], { stdio: 'ignore' }),
  );
  try {
    return (before - (await settledMemory())) / BARE;
  } finally {
    for (const child of children) {
      child.kill('SIGKILL');
      await once(child, 'exit');
    }
  }
}
