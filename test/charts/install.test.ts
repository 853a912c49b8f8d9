import { afterAll, beforeAll, expect, test } from 'vitest';
import { describeOnCluster } from '../support/fixture.ts';
import { ChartRelease, containerIds } from './chart-release.ts';
import { Release } from './release.ts';
import { expectRightsUsed } from './rights.ts';

/** Of a test, with all that Helm waits for in it, where much else runs. */
const TIMEOUT_MS = 1_200_000;

describeOnCluster('a release of the chart, unprivileged', () => {
  let chart: ChartRelease;
  let containers: Release;
  let first: string;
  let second: string;
  const stack = new AsyncDisposableStack();

  beforeAll(async () => {
    chart = stack.use(await ChartRelease.prepare());
    const { cluster, api, namespace, name } = chart;
    [first, second] = [`${name}-0`, `${name}-1`];
    const config = { nodeIP: ['127.0.0.1'], address: '127.0.0.1', logFormat: 'human' };
    containers = stack.use(new Release({ cluster, api, namespace, config }));
  });

  afterAll(() => stack.disposeAsync());

  test('is installed, its nodes are Ready, and helm test says so', { timeout: TIMEOUT_MS }, async () => {
    await chart.command('install', { 'unprivileged.replicas': 2 });
    const ready = await chart.node(first);
    await chart.node(second);
    expect(ready.status?.capacity).toMatchObject({ cpu: '2', memory: '2Gi' });
    await chart.command('test');
  });

  test('has pods run on when an agent is killed and started again', { timeout: TIMEOUT_MS }, async () => {
    await chart.deployTicker(4);
    const before = await chart.running(4, [first, second]);
    const { agent } = containers.replica(first);
    await agent.kill('SIGKILL');
    await agent.start();
    await chart.node(first);
    const after = await chart.running(4, [first, second]);
    expect(containerIds(after)).toEqual(containerIds(before));
  });

  test('drains a node that is scaled down, and removes it', { timeout: TIMEOUT_MS }, async () => {
    expect((await chart.tickers()).some(({ spec }) => spec?.nodeName === second)).toBe(true);
    await chart.command('upgrade', { 'unprivileged.replicas': 1 });
    expect(await chart.nodes()).toEqual([first]);
    await chart.running(4, [first]);
  });

  test('comes back by a rollback', { timeout: TIMEOUT_MS }, async () => {
    await chart.command('rollback');
    await chart.node(second);
    await chart.running(4, [first, second]);
  });

  test('leaves nothing when it is uninstalled', { timeout: TIMEOUT_MS }, async () => {
    const { cluster, namespace, name } = chart;
    await cluster.kubectl.ok(['-n', namespace, 'scale', 'deployment/ticker', '--replicas=1']);
    await chart.command('uninstall');
    expect(await chart.nodes()).toEqual([]);
    const kinds = 'clusterroles,clusterrolebindings';
    const left = await cluster.kubectl.ok(['get', kinds, '-o', 'name']);
    expect(left).not.toContain(name);
    const inside = await cluster.kubectl.ok(['-n', namespace, 'get', 'sts,svc,pdb,cm,sa,job', '-o', 'name']);
    expect(inside).not.toContain(name);
  });

  test('used every right that it gave, and lacked none', () => expectRightsUsed(chart));
});
