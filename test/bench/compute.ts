import { besideWasmtime } from './beside-wasmtime.ts';
import type { Benchmark } from './benchmark.ts';

/** Calls, loops, memory, whole numbers, floats, vectors, calls through tables: test/workloads/c/kernels.c. */
export const compute: Benchmark = {
  name: 'compute',
  figures: ['compute.vsWasmtime'],
  run: async (_open, report) => [{ name: 'compute.vsWasmtime', value: await besideWasmtime('kernels', report) }],
};
