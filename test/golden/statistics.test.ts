import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { describeScene } from '../e2e/scene.ts';
import { useCluster } from '../support/fixture.ts';
import { nodePort } from '../support/node-port.ts';
import { startKubeletOverWasmlet } from './kubelet-over-wasmlet.ts';
import { statisticsOf, type StatisticsForm } from './statistics.ts';

/** What a kubelet of the version in test/golden/go/go.mod tells. WASMLET_TEST_RECORD=true records it anew. */
const RECORDING = join(import.meta.dirname, 'statistics.json');
const isRecording = process.env['WASMLET_TEST_RECORD'] === 'true';
const RECORD_MS = 600_000;
const isOwnCluster = !process.env['WASMLET_TEST_KUBECONFIG'];

/** What the kubelet tells and we do not, as patterns of 'FORM FAMILY' and 'FORM PATH', and why. */
const MISSING: readonly (readonly [RegExp, string])[] = [
  [/^resource (container|pod)_swap_/, 'the runtime does not know swap of containers; the kubelet makes 0 of that'],
  [/ pods\[\]\.(containers\[\]\.)?swap\./, 'as above'],
  [/\.(pageFaults|majorPageFaults)$/, 'as swap'],
  [/\.psi\.|\.io\./, 'pressure of control groups, which the fixture makes up'],
  [/ pods\[\].*\.memory\.availableBytes$/, 'a container without a limit has none; the kubelet makes 0 of that'],
];

/** What we tell and this kubelet does not, for it has no cAdvisor that would. */
const MORE: readonly (readonly [RegExp, string])[] = [
  [/ node\.network\./, "the machine's interfaces"],
  [/ node\.systemContainers\[\]\./, 'the agent, and all pods together'],
  [/ pods\[\]\.process_stats\.process_count$/, 'guests'],
  [/ pods\[\]\.volume\[\]\./, 'the kubelet measures volumes in the background, at first within a minute'],
  [/ pods\[\]\.containers\[\]\.rootfs\./, 'what the writable layer takes, which over CRI is not told'],
  [/ pods\[\].*\.memory\.usageBytes$/, 'the same as the working set'],
];

function expectOnly(differences: readonly string[], known: readonly (readonly [RegExp, string])[]): void {
  expect(differences.filter((difference) => !known.some(([pattern]) => pattern.test(difference)))).toEqual([]);
}

describeScene('statistics of a node with one pod', (scene) => {
  test.runIf(isOwnCluster && isRecording)(
    'are recorded of the kubelet',
    async () => {
      const cluster = useCluster();
      const env = { GOLDEN_MACHINE_STATISTICS: '1' };
      await using kubelet = await startKubeletOverWasmlet({ nodeName: `recorded-${process.pid}`, cluster, env });
      const recorded = await statisticsOf(kubelet, cluster, {});
      await writeFile(RECORDING, `${JSON.stringify(recorded, undefined, 2)}\n`);
    },
    RECORD_MS,
  );

  test.runIf(isOwnCluster)('are those that the kubelet tells, but for what is listed', async () => {
    const recorded = JSON.parse(await readFile(RECORDING, 'utf8')) as StatisticsForm;
    const { nodeName } = scene().agent;
    const asked = { nodeName, port: await nodePort(scene().api, nodeName) };
    const ours = await statisticsOf(asked, useCluster(), { runtimeClassName: 'wasm' });
    const every = (form: StatisticsForm) =>
      Object.entries(form).flatMap(([name, entries]: [string, string[]]) => entries.map((entry) => `${name} ${entry}`));
    const [theirs, own] = [new Set(every(recorded)), new Set(every(ours))];
    expect(theirs.size).toBeGreaterThan(50);
    expectOnly([...theirs.difference(own)], MISSING);
    expectOnly([...own.difference(theirs)], MORE);
    for (const [pattern] of MISSING)
      expect([...theirs].some((each) => pattern.test(each) && !own.has(each))).toBe(true);
    for (const [pattern] of MORE) expect([...own].some((each) => pattern.test(each) && !theirs.has(each))).toBe(true);
  });
});
