import { besideWasmtime } from './beside-wasmtime.ts';
import type { Benchmark } from './benchmark.ts';

/** Clock, random numbers, standard streams and files, small and large: test/workloads/c/calls.c. */
export const wasiCalls: Benchmark = {
  name: 'wasi',
  figures: ['wasi.vsWasmtime'],
  run: async (_open, report) => [{ name: 'wasi.vsWasmtime', value: await besideWasmtime('calls', report) }],
};
