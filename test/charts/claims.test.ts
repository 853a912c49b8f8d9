/**
 * The volume claims of mode unprivileged, with Kubernetes' own controllers: of StatefulSets, of volumes and their claims,
 * of what is in use. The volumes are made by hand, as where nothing provisions them. No pod has to run for any of it.
 */
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { KubeObject } from '../../agent/kube/types.ts';
import { describeOnCluster } from '../support/fixture.ts';
import { ChartRelease } from './chart-release.ts';

/** Of a test, with all that Helm waits for in it, where much else runs. */
const TIMEOUT_MS = 600_000;
/** Of what is waited for. */
const WAIT = { timeout: 300_000, interval: 200 };

interface Claim extends KubeObject {
  readonly spec: {
    readonly accessModes: readonly string[];
    readonly storageClassName?: string;
    readonly volumeName?: string;
    readonly resources: { readonly requests: { readonly storage: string } };
  };
  readonly status?: { readonly phase?: string };
}

/** What a volume is, apart from its name. */
interface VolumeOptions {
  readonly storageClassName: string;
  readonly accessMode: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly storage?: string;
}

describeOnCluster('volume claims of a release of the chart', () => {
  const stack = new AsyncDisposableStack();
  let release: ChartRelease;
  /** Also the name of its storage class: there are no others in it, and nothing provisions. */
  let name: string;

  beforeAll(async () => {
    // Without hooks: no pod runs that would have to be told to go.
    const values = { 'departure.enabled': false, 'unprivileged.nodeSelector': { 'example.com/none': 'here' } };
    release = stack.use(await ChartRelease.prepare({ ...values, 'unprivileged.persistence.enabled': true }));
    name = release.name;
    const storageClass = {
      apiVersion: 'storage.k8s.io/v1',
      kind: 'StorageClass',
      metadata: { name },
      provisioner: 'kubernetes.io/no-provisioner',
      allowVolumeExpansion: true,
    };
    await make([storageClass]);
    stack.defer(async () => {
      const { kubectl } = release.cluster;
      await kubectl.ok(['delete', 'persistentvolume', '-l', `example.com/release=${name}`, '--wait=false']);
      await kubectl.ok(['delete', 'storageclass', name]);
    });
  }, TIMEOUT_MS);

  afterAll(() => stack.disposeAsync(), TIMEOUT_MS);

  const make = async (items: readonly object[]) => {
    const input = JSON.stringify({ apiVersion: 'v1', kind: 'List', items });
    await release.cluster.kubectl.ok(['create', '-f', '-'], { input });
  };
  /** Makes a volume for each suffix; nothing is ever written to them. */
  const makeVolumes = async (suffixes: readonly string[], options: VolumeOptions) => {
    const { storageClassName, accessMode, labels = {}, storage = '20Gi' } = options;
    const volumes = suffixes.map((suffix) => ({
      apiVersion: 'v1',
      kind: 'PersistentVolume',
      metadata: { name: `${name}-${suffix}`, labels: { 'example.com/release': name, ...labels } },
      spec: {
        capacity: { storage },
        accessModes: [accessMode],
        storageClassName,
        persistentVolumeReclaimPolicy: 'Retain',
        hostPath: { path: `/nonexistent/${name}/${suffix}` },
      },
    }));
    await make(volumes);
  };
  const claims = async () => {
    const path = `/api/v1/namespaces/${release.namespace}/persistentvolumeclaims`;
    return (await release.api.request<{ items: Claim[] }>('GET', path)).body.items;
  };
  const names = async () => (await claims()).map(({ metadata }) => metadata?.name).toSorted();
  const claimOf = (...replicas: readonly number[]) => replicas.map((replica) => `state-${name}-${replica}`);
  /** The volumes that the claims of the release are bound to, by their suffix. */
  const bound = async () =>
    (await claims())
      .filter(({ status }) => status?.phase === 'Bound')
      .map(({ spec }) => spec.volumeName?.replace(`${name}-`, ''))
      .toSorted();
  const untilBound = async (...volumes: readonly string[]) => expect.poll(bound, WAIT).toEqual(volumes);
  const uids = async () => (await claims()).map(({ metadata }) => metadata?.uid).toSorted();
  /** Kinds of what the claims are deleted with. */
  const owners = async () => (await claims()).map(({ metadata }) => metadata?.ownerReferences?.[0]?.kind);
  const podUids = async () => {
    const path = `/api/v1/namespaces/${release.namespace}/pods`;
    const { items } = (await release.api.request<{ items: KubeObject[] }>('GET', path)).body;
    return items.map(({ metadata }) => metadata?.uid).toSorted();
  };
  /** Waits until the StatefulSet has so many pods; their claims are made before them. */
  const untilReplicas = async (count: number) => expect.poll(podUids, WAIT).toHaveLength(count);

  test('are one for each replica, of the size, class and mode that are named', { timeout: TIMEOUT_MS }, async () => {
    await makeVolumes(['a', 'b'], { storageClassName: name, accessMode: 'ReadWriteOncePod' });
    await makeVolumes(['small'], { storageClassName: name, accessMode: 'ReadWriteOncePod', storage: '1Gi' });
    await makeVolumes(['shared'], { storageClassName: name, accessMode: 'ReadWriteMany' });
    await makeVolumes(['other'], { storageClassName: `${name}-other`, accessMode: 'ReadWriteOncePod' });
    const values = { 'unprivileged.replicas': 2, 'unprivileged.persistence.storageClassName': name };
    await release.command('install', values);
    await untilBound('a', 'b');
    expect(await names()).toEqual(claimOf(0, 1));
    const [claim] = await claims();
    expect(claim?.spec).toMatchObject({
      accessModes: ['ReadWriteOncePod'],
      storageClassName: name,
      resources: { requests: { storage: '10Gi' } },
    });
    await untilReplicas(2);
  });

  test('go with the replica that is scaled down', { timeout: TIMEOUT_MS }, async () => {
    const values = { 'unprivileged.replicas': 1, 'unprivileged.persistence.storageClassName': name };
    await release.command('upgrade', values);
    await expect.poll(names, WAIT).toEqual(claimOf(0));
  });

  test('stay when an upgrade says so, and are a replica’s again', { timeout: TIMEOUT_MS }, async () => {
    const retention = { 'unprivileged.persistence.retention': { whenScaled: 'Retain', whenDeleted: 'Delete' } };
    const values = { 'unprivileged.persistence.storageClassName': name, ...retention };
    const [before] = await uids();
    await release.command('upgrade', { ...values, 'unprivileged.replicas': 0 });
    await untilReplicas(0);
    // What they go with is their owner: no longer the replica's pod.
    expect(await owners()).toEqual(['StatefulSet']);
    await release.command('upgrade', { ...values, 'unprivileged.replicas': 1 });
    await untilReplicas(1);
    expect(await uids()).toEqual([before]);
  });
  test('are made larger as docs/upgrade.md says', { timeout: TIMEOUT_MS }, async () => {
    const { kubectl } = release.cluster;
    const values = {
      'unprivileged.replicas': 1,
      'unprivileged.persistence.storageClassName': name,
      'unprivileged.persistence.size': '15Gi',
    };
    const inside = ['-n', release.namespace];
    // As Kubernetes has it, for every StatefulSet.
    await expect(release.command('upgrade', values)).rejects.toThrow(
      /updates to statefulset spec for fields other than/,
    );
    const patch = JSON.stringify({ spec: { resources: { requests: { storage: '15Gi' } } } });
    const [claim = ''] = claimOf(0);
    await kubectl.ok([...inside, 'patch', 'pvc', claim, '-p', patch]);
    await kubectl.ok([...inside, 'delete', 'statefulset', name, '--cascade=orphan']);
    const [pod] = await podUids();
    await release.command('upgrade', values);
    // The pod is one of the new StatefulSet's, as it should be.
    const updated = ['wait', '--for=jsonpath={.status.updatedReplicas}=1', `statefulset/${name}`, '--timeout=5m'];
    await kubectl.ok([...inside, ...updated], { timeoutMs: WAIT.timeout });
    expect(await podUids()).toEqual([pod]);
    expect((await claims()).map(({ spec }) => spec.resources.requests.storage)).toEqual(['15Gi']);
  });

  test('go when the release is uninstalled', { timeout: TIMEOUT_MS }, async () => {
    await release.command('uninstall');
    await expect.poll(names, WAIT).toEqual([]);
  });

  test('stay when the release is uninstalled and the values say so', { timeout: TIMEOUT_MS }, async () => {
    const labels = { 'example.com/for': name };
    // Without a class: where there is a default class, only '-' leaves it out.
    await makeVolumes(['marked'], { storageClassName: '', accessMode: 'ReadWriteOnce', labels });
    await makeVolumes(['unmarked'], { storageClassName: '', accessMode: 'ReadWriteOnce' });
    await release.command('install', {
      'unprivileged.persistence.storageClassName': '-',
      'unprivileged.persistence.accessModes': ['ReadWriteOnce'],
      'unprivileged.persistence.selector': { matchLabels: labels },
      'unprivileged.persistence.annotations': { 'example.com/backup': 'no' },
      'unprivileged.persistence.retention': { whenScaled: 'Delete', whenDeleted: 'Retain' },
    });
    await untilBound('marked');
    const [claim] = await claims();
    expect(claim?.metadata?.annotations).toMatchObject({ 'example.com/backup': 'no' });
    await release.command('uninstall');
    await untilReplicas(0);
    expect(await owners()).toEqual([undefined]);
    expect(await bound()).toEqual(['marked']);
  });
});
