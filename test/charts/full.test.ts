import { randomBytes } from 'node:crypto';
import { mkdtempDisposable } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Pod } from '../../agent/kube/types.ts';
import { removeControlGroups } from '../support/cgroups.ts';
import { describeOnCluster } from '../support/fixture.ts';
import { freePort } from '../support/ports.ts';
import { chartImages, whyNoContainers } from './chart-image.ts';
import { ChartRelease, containerIds } from './chart-release.ts';
import { LinuxKubelet, TAINT } from './linux-kubelet.ts';
import { LinuxMachine } from './linux-machine.ts';
import { expectRightsUsed } from './rights.ts';

/** Of a test, with all that Helm waits for in it, where much else runs; the first time a Debian is made. */
const TIMEOUT_MS = 45 * 60_000;
/** Of what is waited for. */
const WAIT = { timeout: 300_000, interval: 200 };
const why = await whyNoContainers();

interface ServiceMonitor {
  readonly spec: { readonly endpoints: readonly { readonly path: string }[] };
}

describeOnCluster(why === undefined ? 'a release of the chart, full' : `mode full (skipped: ${why})`, () => {
  if (why !== undefined) {
    test.skip('runs beside Linux nodes', () => undefined);
    return;
  }
  const stack = new AsyncDisposableStack();
  let release: ChartRelease;
  let machine: LinuxMachine;
  let kubelet: LinuxKubelet;
  let node: string;
  let port: number;
  /** The pods that have to survive all that happens. */
  let before: Pod[];

  beforeAll(async () => {
    const folder = stack.use(await mkdtempDisposable(join(tmpdir(), 'wasmlet-layers-')));
    const images = await chartImages(folder.path);
    const nodeName = `linux-${randomBytes(3).toString('hex')}`;
    const cgroupRoot = `/wasmlet-${nodeName}`;
    stack.defer(() => removeControlGroups(cgroupRoot));
    machine = stack.use(await LinuxMachine.start());
    node = `wasm-${nodeName}`;
    port = await freePort();
    release = await ChartRelease.prepare({
      mode: 'full',
      'image.tag': 'one',
      'full.nodeSelector': { 'kubernetes.io/os': 'linux', 'wasmlet.dev/host': nodeName },
      'full.port': port,
      config: { cgroupRoot, cniConfDir: '', logFormat: 'human' },
      tolerations: [{ key: TAINT.key, operator: 'Exists' }],
    });
    const { cluster, api } = release;
    const labels = { 'wasmlet.dev/host': nodeName };
    kubelet = stack.use(await LinuxKubelet.start({ cluster, api, machine, nodeName, labels, images }));
    stack.use(release);
  }, TIMEOUT_MS);

  afterAll(() => stack.disposeAsync(), TIMEOUT_MS);

  const pod = () => kubelet.pod(({ metadata }) => metadata?.ownerReferences?.[0]?.kind === 'DaemonSet');
  const isSupervisor = (name: string) => name === 'wasmlet-supervi';
  const supervisor = () => {
    const found = machine.processes().find(({ name }) => isSupervisor(name));
    if (!found) throw new Error('no supervisor runs');
    return found;
  };

  test('has a node beside each chosen Linux node, and runs pods', { timeout: TIMEOUT_MS }, async () => {
    await release.command('install');
    const { status } = await release.node(node);
    expect(status?.capacity).toMatchObject({ cpu: '1', memory: '2Gi' });
    await release.command('test');
    await release.deployTicker(2);
    before = await release.running(2, [node]);
    // The runtime is the machine's, and no container's.
    expect(supervisor().program).toMatch(/^\/var\/lib\/wasmlet\/program\/[0-9a-f]{16}\/node$/);
  });

  test('serves what its ServiceMonitor names to who may read metrics', { timeout: TIMEOUT_MS }, async () => {
    const { cluster, namespace } = release;
    const made = await release.template({ 'serviceMonitor.enabled': true });
    const monitor = made.find(({ kind }) => kind === 'ServiceMonitor') as unknown as ServiceMonitor;
    const prometheus = await cluster.serviceAccountKubeconfig(namespace, 'prometheus');
    const server = [`--server=https://127.0.0.1:${port}`, '--insecure-skip-tls-verify'];
    const scrape = (path: string) => cluster.kubectlAs(prometheus)([...server, 'get', '--raw', path]);
    const role = `${namespace}-prometheus`;
    await cluster.kubectl.ok(['create', 'clusterrole', role, '--verb=get', '--resource=nodes/metrics']);
    stack.defer(async () => {
      await cluster.kubectl(['delete', 'clusterrole,clusterrolebinding', role]);
    });
    const subject = `--serviceaccount=${namespace}:prometheus`;
    await cluster.kubectl.ok(['create', 'clusterrolebinding', role, `--clusterrole=${role}`, subject]);
    // The right takes a moment to be known, and a refusal is remembered for a while.
    for (const { path } of monitor.spec.endpoints) {
      await expect.poll(async () => (await scrape(path)).exitCode, WAIT).toBe(0);
    }
    await expect.poll(async () => (await scrape('/metrics/resource')).stdout, WAIT).toContain(`"${namespace}"`);
  });

  /** Waits until the node works, and expects of its pods that nothing has happened to them: not a number is missing. */
  const expectSurvivors = async () => {
    await release.node(node);
    expect(containerIds(await release.running(2, [node]))).toEqual(containerIds(before));
    await release.expectWholeLogs(before);
  };

  test.each(['SIGKILL', 'SIGTERM'] as const)(
    'has pods run on when the agent gets %s',
    { timeout: TIMEOUT_MS },
    async (signal) => {
      const runtime = supervisor();
      const restarts = pod().restarts('agent');
      await pod().container('agent').kill(signal);
      await expect.poll(() => pod().restarts('agent'), WAIT).toBe(restarts + 1);
      await expect.poll(() => pod().isReady(), WAIT).toBe(true);
      await expectSurvivors();
      expect(supervisor()).toEqual(runtime);
    },
  );

  test('has pods run on when the runtime is killed', { timeout: TIMEOUT_MS }, async () => {
    const runtime = supervisor();
    process.kill(runtime.pid, 'SIGKILL');
    await expect
      .poll(() => machine.processes().some(({ name, pid }) => isSupervisor(name) && pid !== runtime.pid), WAIT)
      .toBe(true);
    await expectSurvivors();
  });

  test(
    'has pods run on over an upgrade and a rollback, each with a runtime of its own release',
    { timeout: TIMEOUT_MS },
    async () => {
      const first = supervisor();
      await release.command('upgrade', { 'image.tag': 'two' });
      await release.rolledOut('daemonset');
      await expectSurvivors();
      const second = supervisor();
      expect(second.program).not.toBe(first.program);
      await release.command('rollback');
      await release.rolledOut('daemonset');
      await expectSurvivors();
      expect(supervisor().program).toBe(first.program);
      expect(supervisor().pid).not.toBe(first.pid);
    },
  );

  test(
    'drains its nodes and leaves nothing but its folder when it is uninstalled',
    { timeout: TIMEOUT_MS },
    async () => {
      await release.command('uninstall');
      expect(await release.nodes()).toEqual([]);
      expect(await release.running(0, [node])).toEqual([]);
      await expect
        .poll(() => machine.processes().filter(({ program }) => program.includes('/wasmlet/')), WAIT)
        .toEqual([]);
    },
  );

  test('used every right that it gave, and lacked none', () => expectRightsUsed(release));
});
