import { BareRuntime } from './bare-runtime.ts';
import type { Benchmark } from './benchmark.ts';
import { memoryTaken } from './memory.ts';

const CONTAINERS = 500;
const KIB_PER_MIB = 1024;

/** What sleeping containers of shared hosts take from the machine: hosts, supervisor and kernel, without Kubernetes. */
export const sharedMemory: Benchmark = {
  name: 'sharedMemory',
  figures: ['memory.shared.kbPerPod'],
  async run(_open, report) {
    await using runtime = await BareRuntime.start();
    // The first ones start the hosts, which are there for all of them.
    const removeFirst = await runtime.startMany('sleep', 2, 'wasm-shared');
    report(`starting ${CONTAINERS} sleeping containers in shared hosts`);
    let remove: () => Promise<void> = () => Promise.resolve();
    const taken = await memoryTaken(
      async () => {
        remove = await runtime.startMany('sleep', CONTAINERS, 'wasm-shared');
      },
      () => remove(),
    );
    await removeFirst();
    return [{ name: 'memory.shared.kbPerPod', value: (taken * KIB_PER_MIB) / CONTAINERS }];
  },
};
