import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { describeOnCluster, useCluster } from '../support/fixture.ts';
import { caseNames } from './case.ts';
import { DIFFERENCES } from './differences.ts';
import { startAgentNode } from './nodes.ts';
import { playCase } from './play.ts';
import { openStage, type Stage } from './stage.ts';
import { compareTraces } from './trace/compare.ts';
import { judge, type ListedDifference } from './trace/listed.ts';
import type { Trace } from './trace/trace.ts';

const NAMES = await caseNames();

describeOnCluster('a pod on our node, beside what a kubelet did with it', () => {
  const stack = new AsyncDisposableStack();
  const used = new Set<ListedDifference>();
  const played = new Set<string>();
  let stage: Stage;

  beforeAll(async () => {
    const cluster = useCluster();
    const api = await cluster.api();
    const node = stack.use(await startAgentNode(cluster, api));
    const { registry, auditLog } = cluster;
    if (auditLog === undefined) throw new Error('calls are counted in the audit log, which a cluster of our own has');
    stage = stack.use(await openStage({ api, auditLog, registry, node }));
  });
  afterAll(() => stack.disposeAsync());

  test.concurrent.for(NAMES)('%s', async (name, { expect }) => {
    const {
      played: { recording },
      trace,
    } = await playCase(stage, name);
    const recorded = JSON.parse(await readFile(recording, 'utf8')) as Trace;
    const { unlisted, used: needed } = judge(name, compareTraces(recorded, trace), DIFFERENCES);
    for (const entry of needed) used.add(entry);
    played.add(name);
    expect(unlisted).toEqual([]);
  });

  test('every difference that is listed still shows', ({ skip }) => {
    if (played.size < NAMES.length) skip('some cases were not played');
    expect(DIFFERENCES.filter((entry) => !entry.byChance && !used.has(entry))).toEqual([]);
  });
});
