import { randomBytes } from 'node:crypto';
import { mkdtempDisposable } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { KubeObject, Pod } from '../../agent/kube/types.ts';
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

interface CertificateRequest extends KubeObject {
  readonly spec: { readonly username?: string };
}

interface KubeEvent extends KubeObject {
  readonly involvedObject: { readonly uid: string };
  readonly message: string;
}

/** Whether a pod is of the release that was installed second. */
const isSecond = ({ spec }: Pod): boolean => spec?.containers[0]?.image?.endsWith(':two') ?? false;

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
  /** Linux nodes by the end of their name. */
  const nodes = new Map<string, { machine: LinuxMachine; kubelet: LinuxKubelet }>();
  /** Where the replica is. */
  let place = 'a';

  const startNode = async (suffix: string) => {
    const machine = stack.use(await LinuxMachine.start());
    const { cluster, api } = release;
    const labels = { 'wasmlet.dev/host': host };
    const nodeName = `${host}-${suffix}`;
    const kubelet = stack.use(await LinuxKubelet.start({ cluster, api, machine, nodeName, labels, images }));
    nodes.set(suffix, { machine, kubelet });
  };
  const nodeAt = (suffix: string) => {
    const found = nodes.get(suffix);
    if (!found) throw new Error(`there is no node ${suffix}`);
    return found;
  };
  /** Lets one machine alone take pods. */
  const cordonOthers = async (chosen: string) => {
    const { kubectl } = release.cluster;
    await kubectl.ok(['uncordon', `${host}-${chosen}`]);
    const others = [...nodes.keys()].filter((suffix) => suffix !== chosen);
    await kubectl.ok(['cordon', ...others.map((suffix) => `${host}-${suffix}`)]);
    place = chosen;
  };
  /** Deletes the replica's pod, which comes anew on another machine. */
  const moveTo = async (suffix: string) => {
    await cordonOthers(suffix);
    await release.cluster.kubectl.ok(['-n', release.namespace, 'delete', 'pod', node]);
  };
  /** The replica's machine loses its power, and is given up for another one. */
  const loseFor = async (suffix: string) => {
    const { kubelet, machine } = nodeAt(place);
    await kubelet.powerOff();
    await machine[Symbol.asyncDispose]();
    await cordonOthers(suffix);
    const force = ['--force', '--grace-period=0'];
    await release.cluster.kubectl.ok(['-n', release.namespace, 'delete', 'pod', node, ...force]);
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
    for (const suffix of ['a', 'b']) await startNode(suffix);
    await cordonOthers('a');
  }, TIMEOUT_MS);

  afterAll(() => stack.disposeAsync(), TIMEOUT_MS);

  const pod = (): PodOnMachine => nodeAt(place).kubelet.pod(({ metadata }) => metadata?.name === node);
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

  test('is upgraded when its node was drained, where its update waits for that', { timeout: TIMEOUT_MS }, async () => {
    const { cluster, namespace } = release;
    const before = await running();
    await release.command('upgrade', { 'image.tag': 'one', 'unprivileged.updateStrategy': 'OnDelete' });
    // As docs/upgrade.md says.
    const options = { timeoutMs: WAIT.timeout };
    await cluster.kubectl.ok(['drain', node, '--ignore-daemonsets'], options);
    expect(isSecond(pod().pod)).toBe(true);
    await cluster.kubectl.ok(['-n', namespace, 'delete', 'pod', node], options);
    await cluster.kubectl.ok(['wait', '--for=condition=Ready', '--timeout=5m', `node/${node}`], options);
    await cluster.kubectl.ok(['uncordon', node]);
    await replaced(before);
    expect(isSecond(pod().pod)).toBe(false);
  });

  test('has its pods end, and others come, when it moves to another machine', { timeout: TIMEOUT_MS }, async () => {
    const before = await running();
    await moveTo('b');
    await replaced(before);
    expect(await release.nodes()).toEqual([node]);
  });

  test('has its name and its pods on another machine when its own is lost', { timeout: TIMEOUT_MS }, async () => {
    const before = await running();
    await loseFor('a');
    await restarted(before);
  });

  test('is drained and removed when it is uninstalled', { timeout: TIMEOUT_MS }, async () => {
    await release.command('uninstall');
    expect(await release.nodes()).toEqual([]);
    expect(await release.running(0, [node])).toEqual([]);
  });

  /** Requests for certificates of the release's agents, so far. */
  const certificates = async () => {
    const path = '/apis/certificates.k8s.io/v1/certificatesigningrequests';
    const { items } = (await release.api.request<{ items: CertificateRequest[] }>('GET', path)).body;
    const account = `system:serviceaccount:${release.namespace}:${release.name}`;
    return items.filter(({ spec }) => spec.username === account).length;
  };
  /** What was said of the images of pods. */
  const pulls = async (pods: readonly Pod[]) => {
    const path = `/api/v1/namespaces/${release.namespace}/events?fieldSelector=reason%3DPulled`;
    const { items } = (await release.api.request<{ items: KubeEvent[] }>('GET', path)).body;
    const wished = new Set(uids(pods));
    return items.filter(({ involvedObject: { uid } }) => wished.has(uid)).map(({ message }) => message);
  };

  test('has its images and its identity on another machine, with a claim', { timeout: TIMEOUT_MS }, async () => {
    const { kubectl } = release.cluster;
    const { path } = stack.use(await mkdtempDisposable(join(tmpdir(), 'wasmlet-claim-')));
    const volume = {
      apiVersion: 'v1',
      kind: 'PersistentVolume',
      metadata: { name: host },
      spec: {
        capacity: { storage: '10Gi' },
        accessModes: ['ReadWriteOncePod'],
        storageClassName: host,
        persistentVolumeReclaimPolicy: 'Retain',
        nfs: { server: '192.0.2.1', path },
      },
    };
    await kubectl.ok(['create', '-f', '-'], { input: JSON.stringify(volume) });
    stack.defer(async () => {
      await kubectl.ok(['delete', 'persistentvolume', host, '--wait=false']);
    });
    await startNode('c');
    await cordonOthers('a');
    await release.command('install', {
      'unprivileged.persistence': { enabled: true, size: '10Gi', storageClassName: host },
    });
    await release.node(node);
    const before = await running();
    const requested = await certificates();
    await moveTo('c');
    await replaced(before);
    const after = await running();
    expect(await certificates()).toBe(requested);
    expect(await pulls(after)).toEqual(
      after.map(() => expect.stringContaining('already present on machine') as string),
    );
  });

  test('has what its pods were, and their logs, where its machine is lost', { timeout: TIMEOUT_MS }, async () => {
    const before = await running();
    const requested = await certificates();
    await loseFor('a');
    await restarted(before);
    expect(await certificates()).toBe(requested);
    for (const { metadata } of before) {
      const log = ['-n', release.namespace, 'logs', '--previous', metadata?.name ?? ''];
      expect(await release.cluster.kubectl.ok(log)).toMatch(/^1\n2\n/);
    }
    await release.command('uninstall');
    const claims = ['-n', release.namespace, 'wait', '--for=delete', 'pvc', '--all', '--timeout=5m'];
    await release.cluster.kubectl.ok(claims, { timeoutMs: WAIT.timeout });
  });

  test('used every right that it gave, and lacked none', () => expectRightsUsed(release));
});
