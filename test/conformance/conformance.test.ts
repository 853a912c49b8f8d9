/** The fast ones of the specs that are known to pass, so that none falls back unseen. `npm run conformance` runs all. */
import { expect, test } from 'vitest';
import { describeOnCluster } from '../support/fixture.ts';
import { readPassing } from './passing.ts';
import { runConformance } from './run.ts';

/** Seconds that a spec may have taken when it was recorded. */
const FAST_SECONDS = 10;
const TIMEOUT_MS = 8 * 60_000;

function escapeForGo(text: string): string {
  return text.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`);
}

// A cluster of its own, for the suite's pods land on any node without taints, and the node takes any pod.
describeOnCluster("Kubernetes' node conformance suite", () => {
  test(
    'no fast spec that is known to pass fails',
    async () => {
      const fast = (await readPassing()).filter(({ seconds }) => seconds <= FAST_SECONDS).map(({ name }) => name);
      const specs = await runConformance(
        {
          focus: [fast.map(escapeForGo).join('|')],
          skip: [],
          nodes: 1,
          procs: 8,
          runs: 1,
          specTimeout: '3m',
          timeout: '7m',
          plainWasi: false,
          rename: false,
        },
        { report: (line) => process.stderr.write(`conformance: ${line}\n`) },
      );
      const passed = new Set(specs.filter(({ state }) => state === 'passed').map(({ name }) => name));
      expect(fast.length).toBeGreaterThan(0);
      expect(fast.filter((name) => !passed.has(name))).toEqual([]);
    },
    TIMEOUT_MS,
  );
});
