import { spawn, type ChildProcess } from 'node:child_process';
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
    report(`starting ${PODS} sleeping pods`);
    let names: string[] = [];
    const taken = await memoryTaken(
      async () => {
        names = await stage.runPods(PODS, 'memory', image, pods);
      },
      () => stage.deleteAll(names, pods),
    );
    const limit = { value: await bareNode(), means: 'a Node process that sleeps' };
    return [{ name: 'memory.own.mbPerPod', value: taken / PODS, limit }];
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

/** What is taken between begin and end: against before and after, so that the machine's own drift falls out. */
export async function memoryTaken(begin: () => Promise<void>, end: () => Promise<void>): Promise<number> {
  const before = await settledMemory();
  await begin();
  const during = await settledMemory();
  await end();
  return (before + (await settledMemory())) / 2 - during;
}

async function bareNode(): Promise<number> {
  const children: ChildProcess[] = [];
  const begin = async () => {
    for (let count = 0; count < BARE; count++) {
      const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 2 ** 30)'], { stdio: 'ignore' });
      children.push(child);
      await once(child, 'spawn');
    }
  };
  const end = async () => {
    for (const child of children) {
      child.kill('SIGKILL');
      await once(child, 'exit');
    }
  };
  return (await memoryTaken(begin, end)) / BARE;
}
