import { randomBytes } from 'node:crypto';
import { mkdtempDisposable } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Pod } from '../../agent/kube/types.ts';
import { describeOnCluster } from '../support/fixture.ts';
import { freePort } from '../support/ports.ts';
import { chartImages, whyNoContainers } from './chart-image.ts';
import { ChartRelease, containerIds } from './chart-release.ts';
import { LinuxKubelet, TAINT } from './linux-kubelet.ts';
import { LinuxMachine } from './linux-machine.ts';
import type { PodOnMachine } from './linux-pod.ts';
import { expectRightsUsed } from './rights.ts';

/** Of a test, with all that Helm waits for in it, where much else runs; the first time a Debian is made. */
const TIMEOUT_MS = 45 * 60_000;
/** Of what is waited for. */
const WAIT = { timeout: 300_000, interval: 200 };
const TICKERS = 2;
const why = await whyNoContainers();

const title = why === undefined ? 'a replica of the chart, without rights' : `mode unprivileged (skipped: ${why})`;
describeOnCluster(title, () => {
  if (why !== undefined) {
    test.skip('runs on Linux nodes', () => undefined);
    return;
  }
  const stack = new AsyncDisposableStack();
  const host = `linux-${randomBytes(3).toString('hex')}`;
  let images: ReadonlyMap<string, readonly string[]>;
  let release: ChartRelease;
  let node: string;
  let kubelets: Record<'a' | 'b', LinuxKubelet>;
  let machines: Record<'a' | 'b', LinuxMachine>;
  /** Where the replica is. */
  let place: 'a' | 'b' = 'a';

  const startMachine = async (suffix: string) => {
    const machine = stack.use(await LinuxMachine.start());
    const { cluster, api } = release;
    const labels = { 'wasmlet.dev/host': host };
    const nodeName = `${host}-${suffix}`;
    const kubelet = stack.use(await LinuxKubelet.start({ cluster, api, machine, nodeName, labels, images }));
    return { machine, kubelet };
  };
  /** Lets one machine alone take pods. */
  const cordonOther = async (chosen: 'a' | 'b') => {
    await release.cluster.kubectl.ok(['uncordon', `${host}-${chosen}`]);
    await release.cluster.kubectl.ok(['cordon', `${host}-${chosen === 'a' ? 'b' : 'a'}`]);
    place = chosen;
  };

  beforeAll(async () => {
    images = await chartImages(stack.use(await mkdtempDisposable(join(tmpdir(), 'wasmlet-layers-'))).path);
    release = stack.use(
      await ChartRelease.prepare({
        'image.tag': 'one',
        'unprivileged.port': await freePort(),
        'unprivileged.nodeSelector': { 'kubernetes.io/os': 'linux', 'wasmlet.dev/host': host },
        config: { logFormat: 'human' },
        tolerations: [{ key: TAINT.key, operator: 'Exists' }],
      }),
    );
    node = `${release.name}-0`;
    const [a, b] = [await startMachine('a'), await startMachine('b')];
    kubelets = { a: a.kubelet, b: b.kubelet };
    machines = { a: a.machine, b: b.machine };
    await cordonOther('a');
  }, TIMEOUT_MS);

  afterAll(() => stack.disposeAsync(), TIMEOUT_MS);

  const pod = (): PodOnMachine => kubelets[place].pod(({ metadata }) => metadata?.name === node);
  /** Kills one container of the replica's pod, and waits until it was started again. */
  const restart = async (container: string, signal: NodeJS.Signals) => {
    const replica = pod();
    const restarts = replica.restarts(container);
    await replica.container(container).kill(signal);
    await expect.poll(() => replica.restarts(container), WAIT).toBe(restarts + 1);
    await expect.poll(() => replica.isReady(), WAIT).toBe(true);
  };
  const running = () => release.running(TICKERS, [node]);
  const uids = (pods: readonly Pod[]) => pods.map(({ metadata }) => metadata?.uid).toSorted();
  /** Waits until other pods run in place of these. */
  const replaced = async (pods: readonly Pod[]) => {
    const old = uids(pods);
    const others = async () => uids(await running()).filter((uid) => !old.includes(uid)).length;
    await expect.poll(others, WAIT).toBe(TICKERS);
  };
  /** Waits until the same pods run, in new containers. */
  const restarted = async (pods: readonly Pod[]) => {
    const old = containerIds(pods);
    const others = async () => containerIds(await running()).filter((id) => !old.includes(id)).length;
    await expect.poll(others, WAIT).toBe(TICKERS);
    expect(uids(await running())).toEqual(uids(pods));
  };

  test('is a node and runs pods, as an ordinary user in containers of its own', { timeout: TIMEOUT_MS }, async () => {
    await release.command('install');
    await release.node(node);
    await release.command('test');
    await release.deployTicker(TICKERS);
    await running();
  });

  test('has pods run on when the agent is killed', { timeout: TIMEOUT_MS }, async () => {
    const before = await running();
    await restart('agent', 'SIGKILL');
    await release.node(node);
    expect(containerIds(await running())).toEqual(containerIds(before));
    await release.expectWholeLogs(before);
  });

  test('has pods begin anew, each where it was, when the runtime is killed', { timeout: TIMEOUT_MS }, async () => {
    const before = await running();
    await restart('runtime', 'SIGKILL');
    await restarted(before);
  });

  test('has its pods end, and others come, when the agent alone is told to end', { timeout: TIMEOUT_MS }, async () => {
    const before = await running();
    await restart('agent', 'SIGTERM');
    await replaced(before);
  });

  test('has its pods end, and others come, when it is upgraded', { timeout: TIMEOUT_MS }, async () => {
    const before = await running();
    await release.command('upgrade', { 'image.tag': 'two' });
    await release.rolledOut('statefulset');
    await replaced(before);
  });

  test('has its pods end, and others come, when it moves to another machine', { timeout: TIMEOUT_MS }, async () => {
    const before = await running();
    await cordonOther('b');
    await release.cluster.kubectl.ok(['-n', release.namespace, 'delete', 'pod', node]);
    await replaced(before);
    expect(await release.nodes()).toEqual([node]);
  });

  test('has its name and its pods on another machine when its own is lost', { timeout: TIMEOUT_MS }, async () => {
    const before = await running();
    await kubelets.b.powerOff();
    await machines.b[Symbol.asyncDispose]();
    await cordonOther('a');
    const force = ['--force', '--grace-period=0'];
    await release.cluster.kubectl.ok(['-n', release.namespace, 'delete', 'pod', node, ...force]);
    await restarted(before);
  });

  test('is drained and removed when it is uninstalled', { timeout: TIMEOUT_MS }, async () => {
    await release.command('uninstall');
    expect(await release.nodes()).toEqual([]);
    expect(await release.running(0, [node])).toEqual([]);
  });

  test('used every right that it gave, and lacked none', () => expectRightsUsed(release));
});
