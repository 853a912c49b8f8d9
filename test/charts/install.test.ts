import { randomBytes } from 'node:crypto';
import { mkdtempDisposable } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { KubeObject, Node, Pod } from '../../agent/kube/types.ts';
import { containerStatus, isReady } from '../e2e/scene.ts';
import { requestsOf } from '../support/audit-log.ts';
import type { Api } from '../support/api.ts';
import { createNamespace, describeOnCluster, useCluster, type TestCluster } from '../support/fixture.ts';
import { buildGuest } from '../support/guests.ts';
import { pushImage } from '../support/push.ts';
import { CHART, createHelm, objectsOf, type Helm } from './helm.ts';
import { Release } from './release.ts';

/** Of a test, with all that Helm waits for in it, where much else runs. */
const TIMEOUT_MS = 1_200_000;
/** Of what a test waits for. */
const WAIT_MS = 300_000;

interface Rules {
  readonly rules: readonly { readonly resources: readonly string[]; readonly verbs: readonly string[] }[];
}

/** What rules allow, as 'VERB RESOURCE/SUBRESOURCE'. */
const allowed = (role: KubeObject | undefined): string[] =>
  ((role as unknown as Rules | undefined)?.rules ?? []).flatMap(({ resources, verbs }) =>
    resources.flatMap((resource) => verbs.map((verb) => `${verb} ${resource}`)),
  );

describeOnCluster('a release of the chart, unprivileged', () => {
  const name = `wasmlet-${randomBytes(3).toString('hex')}`;
  const [first, second] = [`${name}-0`, `${name}-1`];
  let cluster: TestCluster;
  let api: Api;
  let helm: Helm;
  let namespace: string;
  let release: Release;
  const stack = new AsyncDisposableStack();

  beforeAll(async () => {
    cluster = useCluster();
    api = await cluster.api();
    const folder = await mkdtempDisposable(join(tmpdir(), 'wasmlet-helm-'));
    stack.defer(() => folder.remove());
    helm = await createHelm(folder.path, cluster.facts.kubeconfig);
    const made = stack.use(await createNamespace('chart', cluster));
    namespace = made.name;
    const config = { nodeIP: ['127.0.0.1'], address: '127.0.0.1', logFormat: 'human' };
    release = stack.use(new Release({ cluster, api, namespace, config }));
  });

  afterAll(() => stack.disposeAsync());

  // The cluster's runtime classes are those of the other tests.
  const chart = (command: string, ...sets: string[]) =>
    helm.ok([
      ...[command, name, CHART, '--namespace', namespace, '--timeout', '9m', '--set', 'runtimeClasses.create=false'],
      ...sets.flatMap((set) => ['--set', set]),
    ]);
  const labels = () => `labelSelector=${encodeURIComponent(`wasmlet.dev/release=${namespace}.${name}`)}`;
  const nodes = async () => (await api.request<{ items: Node[] }>('GET', `/api/v1/nodes?${labels()}`)).body.items;
  const node = (nodeName: string) =>
    api.waitFor<Node>('/api/v1/nodes', isReady, { fieldSelector: `metadata.name=${nodeName}`, timeoutMs: WAIT_MS });
  const podsOfApp = async () => {
    const path = `/api/v1/namespaces/${namespace}/pods?labelSelector=app%3Dticker`;
    return (await api.request<{ items: Pod[] }>('GET', path)).body.items;
  };
  const running = async (count: number, on: readonly string[]) => {
    const check = async () => {
      const pods = (await podsOfApp()).filter(({ metadata, status }) => {
        return metadata?.deletionTimestamp === undefined && status?.phase === 'Running';
      });
      return pods.filter(({ spec }) => on.includes(spec?.nodeName ?? '')).length;
    };
    await expect.poll(check, { timeout: WAIT_MS, interval: 500 }).toBe(count);
    return podsOfApp();
  };

  test('is installed, its nodes are Ready, and helm test says so', { timeout: TIMEOUT_MS }, async () => {
    await cluster.kubectl.ok(['apply', '-f', join(CHART, '../../manifests/runtimeclasses.yaml')]);
    await chart('install', 'unprivileged.replicas=2');
    const ready = await node(first);
    await node(second);
    expect(ready.status?.capacity).toMatchObject({ cpu: '2', memory: '2Gi' });
    await helm.ok(['test', name, '--namespace', namespace, '--timeout', '9m']);
  });

  test('has pods run on when an agent is killed and started again', { timeout: TIMEOUT_MS }, async () => {
    const { reference } = await pushImage({
      registry: cluster.registry,
      repository: 'test/ticker-chart',
      tag: '1',
      flavour: 'cncf',
      wasm: await buildGuest('ticker'),
    });
    const spec = {
      runtimeClassName: 'wasm',
      nodeSelector: { 'wasmlet.dev/release': `${namespace}.${name}` },
      terminationGracePeriodSeconds: 1,
      topologySpreadConstraints: [
        {
          maxSkew: 1,
          topologyKey: 'kubernetes.io/hostname',
          whenUnsatisfiable: 'DoNotSchedule',
          // A cordoned node is none to spread to.
          nodeTaintsPolicy: 'Honor',
          labelSelector: { matchLabels: { app: 'ticker' } },
        },
      ],
      containers: [{ name: 'ticker', image: reference, args: ['100', '1000000'] }],
    };
    const matchLabels = { app: 'ticker' };
    const deployment = {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name: 'ticker', namespace },
      spec: { replicas: 4, selector: { matchLabels }, template: { metadata: { labels: matchLabels }, spec } },
    };
    await cluster.kubectl.ok(['apply', '-f', '-'], { input: JSON.stringify(deployment) });
    const before = await running(4, [first, second]);
    const { agent } = release.replica(first);
    await agent.kill('SIGKILL');
    await agent.start();
    await node(first);
    const after = await running(4, [first, second]);
    const containers = (pods: readonly Pod[]) => pods.map((pod) => containerStatus(pod)?.containerID).toSorted();
    expect(containers(after)).toEqual(containers(before));
  });

  test('drains a node that is scaled down, and removes it', { timeout: TIMEOUT_MS }, async () => {
    expect((await podsOfApp()).some(({ spec }) => spec?.nodeName === second)).toBe(true);
    await chart('upgrade', 'unprivileged.replicas=1');
    expect((await nodes()).map(({ metadata }) => metadata?.name)).toEqual([first]);
    await running(4, [first]);
  });

  test('comes back by a rollback', { timeout: TIMEOUT_MS }, async () => {
    await helm.ok(['rollback', name, '1', '--namespace', namespace, '--timeout', '9m']);
    await node(second);
    await running(4, [first, second]);
  });

  test('leaves nothing when it is uninstalled', { timeout: TIMEOUT_MS }, async () => {
    await cluster.kubectl.ok(['-n', namespace, 'scale', 'deployment/ticker', '--replicas=1']);
    await helm.ok(['uninstall', name, '--namespace', namespace, '--timeout', '9m']);
    expect(await nodes()).toEqual([]);
    const kinds = 'clusterroles,clusterrolebindings';
    const left = await cluster.kubectl.ok(['get', kinds, '-o', 'name']);
    expect(left).not.toContain(name);
    const inside = await cluster.kubectl.ok(['-n', namespace, 'get', 'sts,svc,pdb,cm,sa,job', '-o', 'name']);
    expect(inside).not.toContain(name);
  });

  test('used every right that it gave, and lacked none', async () => {
    const { auditLog } = cluster;
    if (auditLog === undefined) return;
    const made = objectsOf(await helm.ok(['template', name, CHART, '--namespace', namespace]));
    const role = (suffix: string) =>
      made.find(({ kind, metadata }) => kind === 'ClusterRole' && metadata?.name === `${namespace}-${name}-${suffix}`);
    const account = (suffix: string) => requestsOf(auditLog, `system:serviceaccount:${namespace}:${name}${suffix}`);
    // `nodeclient` is not asked for: the controller manager asks whether it is allowed.
    const bootstrap = allowed(role('bootstrap')).filter((right) => !right.endsWith('/nodeclient'));
    for (const [given, asked] of [
      [bootstrap, await account('')],
      [allowed(role('departure')), await account('-departure')],
      [allowed(role('test')), await account('-test')],
    ] as const) {
      expect([...asked.allowed].toSorted()).toEqual([...given].toSorted());
      expect([...asked.refused]).toEqual([]);
    }
  });
});
