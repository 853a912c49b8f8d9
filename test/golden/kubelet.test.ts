import { access, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { ConfigMap, CoreEvent, Pod, Secret } from '../../agent/kube/types.ts';
import type { Api } from '../support/api.ts';
import type { TestNamespace } from '../support/fixture.ts';
import { createNamespace, describeOnCluster, useCluster } from '../support/fixture.ts';
import type { GuestName } from '../support/guests.ts';
import { buildGuest } from '../support/guests.ts';
import { pushImage } from '../support/push.ts';
import type { WasmletKubelet } from './kubelet-over-wasmlet.ts';
import { startKubeletOverWasmlet } from './kubelet-over-wasmlet.ts';

const WAIT_MS = 90_000;

describeOnCluster("Kubernetes' own kubelet over wasmlet's CRI", () => {
  let kubelet: WasmletKubelet;
  let api: Api;
  let namespace: TestNamespace;

  beforeAll(async () => {
    const cluster = useCluster();
    api = await cluster.api();
    namespace = await createNamespace('kubelet');
    kubelet = await startKubeletOverWasmlet({
      nodeName: `kubelet-${process.pid}`,
      cluster,
      config: { clusterDNS: ['10.0.0.10'], clusterDomain: 'cluster.local' },
    });
  });
  afterAll(async () => {
    await namespace[Symbol.asyncDispose]();
    await kubelet[Symbol.asyncDispose]();
  });

  const image = async (guest: GuestName): Promise<string> => {
    const target = { registry: useCluster().registry, repository: `kubelet/${guest}`, tag: '1' };
    return (await pushImage({ ...target, wasm: await buildGuest(guest) })).reference;
  };
  const create = async (collection: string, object: ConfigMap | Pod | Secret): Promise<void> => {
    const { status, body } = await api.request('POST', `${namespace.path}/${collection}`, object);
    expect(status, JSON.stringify(body)).toBe(201);
  };
  const runPod = (name: string, spec: NonNullable<Pod['spec']>): Promise<void> =>
    create('pods', {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name },
      spec: { ...spec, nodeName: kubelet.nodeName },
    });
  const waitForPod = (name: string, wished: (pod: Pod) => boolean): Promise<Pod> =>
    api.waitFor<Pod>(`${namespace.path}/pods`, wished, { fieldSelector: `metadata.name=${name}`, timeoutMs: WAIT_MS });
  const logs = (...args: string[]): Promise<string> => useCluster().kubectl.ok(['-n', namespace.name, 'logs', ...args]);
  const events = async (name: string): Promise<string[]> => {
    const path = `${namespace.path}/events?fieldSelector=involvedObject.name%3D${name}`;
    const { items } = (await api.request<{ items: CoreEvent[] }>('GET', path)).body;
    expect(items.map(({ source }) => source?.component)).toEqual(items.map(() => 'kubelet'));
    return items.map(({ reason = '' }) => reason);
  };
  const waitForEvent = (name: string, reason: string): Promise<CoreEvent> =>
    api.waitFor<CoreEvent>(`${namespace.path}/events`, (event) => event.reason === reason, {
      fieldSelector: `involvedObject.name=${name}`,
      timeoutMs: WAIT_MS,
    });

  test('a pod with every kind of volume reads its files, logs them and ends with its exit code', async () => {
    await create('configmaps', {
      kind: 'ConfigMap',
      metadata: { name: 'settings' },
      data: { a: 'from a configMap\n' },
    });
    await create('secrets', { kind: 'Secret', metadata: { name: 'keys' }, stringData: { b: 'from a secret\n' } });
    const mount = (name: string, more: object = {}) => ({ name, mountPath: `/${name}`, ...more });
    await runPod('volumes', {
      restartPolicy: 'Never',
      initContainers: [{ name: 'first', image: await image('hello-wat') }],
      containers: [
        {
          name: 'reader',
          image: await image('cat'),
          args: ['/settings/a', '/keys/b', '/only/a', '/all/name', '/scratch'],
          volumeMounts: [
            mount('settings'),
            mount('keys'),
            { name: 'settings', mountPath: '/only/a', subPath: 'a' },
            mount('all', { readOnly: true }),
            mount('scratch'),
          ],
        },
        { name: 'failing', image: await image('exit'), args: ['3'] },
      ],
      volumes: [
        { name: 'settings', configMap: { name: 'settings' } },
        { name: 'keys', secret: { secretName: 'keys' } },
        { name: 'scratch', emptyDir: {} },
        {
          name: 'all',
          projected: {
            sources: [{ downwardAPI: { items: [{ path: 'name', fieldRef: { fieldPath: 'metadata.name' } }] } }],
          },
        },
      ],
    });
    const pod = await waitForPod('volumes', ({ status }) => status?.phase === 'Failed');
    const ended = pod.status?.containerStatuses?.map(({ name, state }) => [name, state?.terminated?.exitCode]);
    expect(await logs('volumes', '-c', 'reader')).toContain(
      'from a configMap\nfrom a secret\nfrom a configMap\nvolumes',
    );
    expect(ended).toEqual([
      ['failing', 3],
      ['reader', 0],
    ]);
    expect(pod.status?.initContainerStatuses?.[0]?.state?.terminated?.reason).toBe('Completed');
    await waitForEvent('volumes', 'Started');
    expect(new Set(await events('volumes'))).toEqual(new Set(['Pulling', 'Pulled', 'Created', 'Started']));
  });

  test('a container that does not answer its probe is killed and started again, and its log before is kept', async () => {
    await runPod('unhealthy', {
      terminationGracePeriodSeconds: 0,
      containers: [
        {
          name: 'main',
          image: await image('ticker'),
          args: ['1000', '1000'],
          livenessProbe: { tcpSocket: { port: 1, host: '127.0.0.1' }, periodSeconds: 1, failureThreshold: 2 },
        },
      ],
    });
    await waitForPod('unhealthy', ({ status }) => status?.containerStatuses?.[0]?.restartCount === 1);
    expect(await logs('unhealthy', '--previous')).toMatch(/^1\n/);
    expect(await events('unhealthy')).toEqual(expect.arrayContaining(['Unhealthy', 'Killing']));
  });

  test('a running pod goes when it is deleted', async () => {
    await runPod('leaving', {
      terminationGracePeriodSeconds: 1,
      containers: [{ name: 'main', image: await image('sleep') }],
    });
    const { metadata } = await waitForPod('leaving', ({ status }) => status?.phase === 'Running');
    await api.request('DELETE', `${namespace.path}/pods/leaving`);
    await waitForEvent('leaving', 'Killing');
    await useCluster().kubectl.ok(['-n', namespace.name, 'wait', '--for=delete', 'pod/leaving', '--timeout=60s']);
    // Housekeeping takes its folder away, every two seconds.
    const folder = join(kubelet.rootDir, 'pods', metadata?.uid ?? '');
    await expect.poll(() => exists(folder), { timeout: WAIT_MS }).toBe(false);
  });

  test('a static pod runs and has its mirror in the API while its file is there', async () => {
    const file = join(kubelet.staticPodPath, 'static.json');
    await writeFile(
      file,
      JSON.stringify({
        apiVersion: 'v1',
        kind: 'Pod',
        metadata: { name: 'static', namespace: namespace.name },
        spec: { containers: [{ name: 'main', image: await image('sleep') }], terminationGracePeriodSeconds: 1 },
      }),
    );
    const mirror = `static-${kubelet.nodeName}`;
    const pod = await waitForPod(mirror, ({ status }) => status?.phase === 'Running');
    expect(pod.metadata?.annotations).toHaveProperty(['kubernetes.io/config.source'], 'file');
    await rm(file);
    await useCluster().kubectl.ok(['-n', namespace.name, 'wait', '--for=delete', `pod/${mirror}`, '--timeout=60s']);
  });

  test('the machine is left alone: nothing is mounted, and what a kubelet writes is in its folder', async () => {
    expect(await readFile('/proc/self/mounts', 'utf8')).not.toContain(kubelet.rootDir);
    expect(await readdir(kubelet.podLogsDir)).toContainEqual(expect.stringMatching(`^${namespace.name}_`));
    expect(await readdir(kubelet.containerLogsDir)).toContainEqual(expect.stringContaining(`_${namespace.name}_`));
  });
});

function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
