import { messageOf } from '../../base/errors.ts';
import type { Benchmark } from './benchmark.ts';
import { anonymousMemory, cpuSeconds, memoryAvailable, processesOf } from './processes.ts';
import { isRunning, type Stage } from './stage.ts';

/** How many are wanted; the environment may ask for others, as the machine allows. */
const PODS = Number(process.env['WASMLET_BENCH_PODS'] ?? 2000);
/** Created at a time: more only wait in the API server. */
const AT_ONCE = 50;
const RUNNING_TIMEOUT_MS = 15 * 60_000;

/** How many pods of the class wasm-shared run on one node at a time, with a real API server. */
export const density: Benchmark = {
  name: 'density',
  figures: ['density.pods'],
  async run(open, report) {
    const stage = await open();
    const image = await stage.presentImage('sleep');
    await using pods = stage.watchPods();
    const names = Array.from({ length: PODS }, (_, index) => `dense-${index}`);
    const before = await memoryAvailable();
    const deadline = AbortSignal.timeout(RUNNING_TIMEOUT_MS);
    const began = performance.now();
    const running = new Set<string>();
    /** However long that takes on a busy machine. */
    const run = async (name: string): Promise<void> => {
      for (let isOver = false; !isOver;) {
        try {
          await pods.until(name, isRunning);
          running.add(name);
          isOver = true;
        } catch (error) {
          if (deadline.aborted || /"phase":"Failed"/.test(messageOf(error))) throw error;
        }
      }
    };
    for (let first = 0; first < PODS && !deadline.aborted; first += AT_ONCE) {
      const batch = names.slice(first, first + AT_ONCE);
      await Promise.all(batch.map((name) => stage.create(stage.pod({ name, image, spec: SHARED }))));
      const failures = (await Promise.allSettled(batch.map(run))).filter(({ status }) => status === 'rejected');
      if (running.size % 500 < AT_ONCE) {
        const [taken, seconds] = [before - (await memoryAvailable()), (performance.now() - began) / 1000];
        report(`${running.size} pods run after ${seconds.toFixed(0)} s; all in all they took ${taken.toFixed(0)} MiB`);
        report(await shares(stage));
      }
      const [failure] = failures;
      if (failure?.status === 'rejected') {
        report(`no more than that: ${messageOf(failure.reason)}`);
        break;
      }
    }
    const value = running.size;
    for (let first = 0; first < names.length; first += AT_ONCE) {
      await Promise.allSettled(names.slice(first, first + AT_ONCE).map((name) => stage.deleteNow(name)));
    }
    return [{ name: 'density.pods', value }];
  },
};

/** What the node's processes have taken so far. */
async function shares({ agent }: Stage): Promise<string> {
  const supervisor = await agent.supervisorPid();
  const hosts = (await processesOf(agent)).filter((pid) => pid !== agent.pid && pid !== supervisor);
  const of = { agent: [agent.pid], supervisor: [supervisor], hosts };
  const shown = Object.entries(of).map(async ([name, pids]) => {
    const [seconds, mebibytes] = [await sumOf(pids, cpuSeconds), await sumOf(pids, anonymousMemory)];
    return `${name} (${pids.length}) ${seconds.toFixed(0)} s of CPU, ${mebibytes.toFixed(0)} MiB`;
  });
  return (await Promise.all(shown)).join('; ');
}

const sumOf = async (pids: readonly number[], read: (pid: number) => Promise<number>): Promise<number> =>
  (await Promise.all(pids.map(read))).reduce((sum, value) => sum + value, 0);

const SHARED = { runtimeClassName: 'wasm-shared', automountServiceAccountToken: false, enableServiceLinks: false };
