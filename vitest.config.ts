import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          include: [
            '{base,agent,images,runtime,wasi,build}/**/*.test.ts',
            'test/golden/trace/*.test.ts',
            'test/conformance/results.test.ts',
            'test/charts/{chart,outside}.test.ts',
            'test/{docs,fuzz,spec}/*.test.ts',
          ],
          // What takes seconds takes minutes where much else runs.
          testTimeout: 120_000,
          hookTimeout: 120_000,
        },
      },
      {
        test: {
          name: 'e2e',
          include: [
            'test/charts/{accepted,claims,full,install,suite,unprivileged}.test.ts',
            'test/{cluster,corpus,e2e,examples,packaging,wasi}/**/*.test.ts',
            'test/workloads/standins/standins.test.ts',
          ],
          globalSetup: ['test/support/global-setup.ts'],
          testTimeout: 300_000,
          hookTimeout: 300_000,
          // One control plane and two cores: files run side by side in two workers, no more.
          maxWorkers: 2,
          maxConcurrency: 8,
          sequence: { groupOrder: 1 },
        },
      },
      {
        test: {
          name: 'oracles',
          include: ['test/golden/*.test.ts', 'test/conformance/conformance.test.ts'],
          globalSetup: ['test/support/global-setup.ts'],
          testTimeout: 300_000,
          hookTimeout: 300_000,
          // Calls are counted and times told, as a kubelet's were that had a machine to itself: one file after the other.
          maxWorkers: 1,
          // Cases of test/golden at a time: most of their time they wait.
          maxConcurrency: 8,
          sequence: { groupOrder: 2 },
        },
      },
    ],
  },
});
