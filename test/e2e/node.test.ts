/**
 * The node manager against a real API server with the Node authorizer and NodeRestriction on, as system:node:NAME and
 * nothing more. The runtime stands still here: what pods do has tests of its own.
 */
import { randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { loadConfig } from '../../agent/config/load.ts';
import type { Config } from '../../agent/config/schema.ts';
import { createEventRecorder } from '../../agent/kube/events.ts';
import { createKubeClient, type HttpKubeClient } from '../../agent/kube/http-client.ts';
import { createReflector } from '../../agent/kube/reflector.ts';
import type { CoreEvent, Lease, Node, ObjectReference, Pod } from '../../agent/kube/types.ts';
import { clientCertificateFile, obtainIdentity } from '../../agent/node/identity.ts';
import { createNodeManager, type NodeManager } from '../../agent/node/manager.ts';
import { silentLogger } from '../../base/log.ts';
import type { RuntimeStatus } from '../../runtime/service.ts';
import { describeOnCluster, useCluster } from '../support/fixture.ts';

const READY_RUNTIME: RuntimeStatus = {
  conditions: [
    { type: 'RuntimeReady', status: true, reason: '', message: '' },
    { type: 'NetworkReady', status: true, reason: '', message: '' },
  ],
  runtimeHandlers: [{ name: 'wasm', features: { recursiveReadOnlyMounts: false, userNamespaces: false } }],
};

/** A node manager that runs, and what it stands on. */
interface RunningNode extends AsyncDisposable {
  readonly name: string;
  readonly client: HttpKubeClient;
  readonly manager: NodeManager;
  /** Ends it as SIGTERM does. */
  stop(): Promise<void>;
}

describeOnCluster('a node', () => {
  let admin: HttpKubeClient;
  let folder: string;
  let runtime = READY_RUNTIME;

  beforeAll(async () => {
    admin = createKubeClient({ kubeconfigFile: useCluster().kubeconfig, qps: 500, burst: 500, logger: silentLogger });
    folder = await mkdtemp(join(tmpdir(), 'wasmlet-node-test-'));
  });

  afterAll(async () => {
    await admin[Symbol.asyncDispose]();
    await rm(folder, { recursive: true });
  });

  function configFor(name: string, flags: Record<string, string> = {}): Config {
    return loadConfig({
      flags: { 'node-name': name, 'root-dir': join(folder, name), 'node-ip': '127.0.0.1', ...flags },
      env: {},
    });
  }

  async function startNode(flags: Record<string, string> = {}, name = newName()): Promise<RunningNode> {
    const kubeconfigFile = await useCluster().nodeKubeconfig(name);
    const client = createKubeClient({ kubeconfigFile, qps: 50, burst: 100, logger: silentLogger });
    const recorder = createEventRecorder(client, { component: 'kubelet', host: name, logger: silentLogger });
    const manager = createNodeManager({
      config: configFor(name, flags),
      client,
      recorder,
      runtimeStatus: () => Promise.resolve(runtime),
      images: () => Promise.resolve([]),
      serverPort: () => 12345,
      logger: silentLogger,
    });
    const controller = new AbortController();
    const running = manager.run(controller.signal);
    const stop = async () => {
      controller.abort();
      await running;
      await recorder[Symbol.asyncDispose]();
    };
    const dispose = async () => {
      await stop();
      await client[Symbol.asyncDispose]();
      await admin.delete(`/api/v1/nodes/${name}`).catch(() => undefined);
    };
    return { name, client, manager, stop, [Symbol.asyncDispose]: dispose };
  }

  const newName = () => `node-${randomBytes(4).toString('hex')}`;

  const nodeOf = (name: string) => admin.get<Node>(`/api/v1/nodes/${name}`);

  /** The first state of an object that a watch shows and `holds` accepts. */
  async function until<T extends Node | Lease | CoreEvent>(
    path: string,
    fieldSelector: string,
    holds: (object: T) => boolean,
  ): Promise<T> {
    const controller = new AbortController();
    const signal = AbortSignal.any([controller.signal, AbortSignal.timeout(60_000)]);
    const found = Promise.withResolvers<T>();
    const check = (object: T) => {
      if (holds(object)) found.resolve(object);
    };
    const reflector = createReflector<T>({
      client: admin,
      path,
      query: { fieldSelector },
      handler: { onAdd: check, onUpdate: check, onDelete: () => undefined },
      logger: silentLogger,
    });
    const running = reflector.run(signal).then(() => found.reject(new Error(`${path} ${fieldSelector}: not in time`)));
    try {
      return await found.promise;
    } finally {
      controller.abort();
      await running;
    }
  }

  const untilNode = (name: string, holds: (node: Node) => boolean) =>
    until<Node>('/api/v1/nodes', `metadata.name=${name}`, holds);
  const untilEvent = (name: string, reason: string) =>
    until<CoreEvent>('/api/v1/namespaces/default/events', `involvedObject.name=${name},reason=${reason}`, () => true);
  const condition = (node: Node, type: string) => node.status?.conditions?.find((found) => found.type === type);
  const isReady = (node: Node) => condition(node, 'Ready')?.status === 'True';

  test('registers as the kubelet does, with the platform of its images, and is Ready', async () => {
    await using running = await startNode({
      'node-labels': 'example.com/rack=r1',
      'provider-id': 'wasmlet://r1',
      capacity: 'cpu=3,memory=2Gi',
      'system-reserved': 'cpu=500m',
      'max-pods': '77',
    });
    const node = await untilNode(running.name, isReady);
    expect(node.metadata?.labels).toMatchObject({
      'kubernetes.io/os': 'wasip1',
      'kubernetes.io/arch': 'wasm',
      'kubernetes.io/hostname': running.name,
      'example.com/rack': 'r1',
    });
    expect(node.spec?.providerID).toBe('wasmlet://r1');
    expect(node.spec?.taints).toContainEqual({ key: 'kubernetes.io/arch', value: 'wasm', effect: 'NoSchedule' });
    expect(node.status?.capacity).toMatchObject({ cpu: '3', memory: '2Gi', pods: '77' });
    expect(node.status?.allocatable).toMatchObject({ cpu: '2500m', memory: '1948Mi', pods: '77' });
    expect(node.status?.addresses).toEqual([
      { type: 'InternalIP', address: '127.0.0.1' },
      { type: 'Hostname', address: running.name },
    ]);
    expect(node.status?.daemonEndpoints).toEqual({ kubeletEndpoint: { Port: 12345 } });
    expect(node.status?.nodeInfo).toMatchObject({
      operatingSystem: 'wasip1',
      architecture: 'wasm',
      containerRuntimeVersion: expect.stringMatching(/^wasmlet:\/\//) as string,
      kubeletVersion: expect.stringMatching(/^v1\.36\.\d+\+wasmlet\./) as string,
    });
    expect(node.status?.runtimeHandlers?.map(({ name }) => name)).toEqual(['wasm']);
    expect(node.status?.conditions?.map(({ type, status, reason }) => [type, status, reason])).toEqual([
      ['NetworkUnavailable', 'False', 'NetworkReady'],
      ['MemoryPressure', 'False', 'KubeletHasSufficientMemory'],
      ['DiskPressure', 'False', 'KubeletHasNoDiskPressure'],
      ['PIDPressure', 'False', 'KubeletHasSufficientPID'],
      ['Ready', 'True', 'KubeletReady'],
    ]);
    expect(running.manager.hostIPs).toEqual(['127.0.0.1']);
  });

  test('is schedulable: the control plane takes its not-ready taint away', async () => {
    await using running = await startNode();
    await untilNode(running.name, (node) => node.spec?.taints?.length === 1);
  });

  test('says what it does in events from kubelet', async () => {
    await using running = await startNode();
    const started = await untilEvent(running.name, 'Starting');
    expect(started).toMatchObject({
      source: { component: 'kubelet', host: running.name },
      reportingComponent: 'kubelet',
      involvedObject: { kind: 'Node', uid: running.name },
      count: 1,
    });
    const ready = await untilEvent(running.name, 'NodeReady');
    expect(ready.message).toBe(`Node ${running.name} status is now: NodeReady`);
  });

  test('holds a lease that belongs to its Node and is renewed', async () => {
    await using running = await startNode({ 'node-lease-duration-seconds': '4' });
    const path = '/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases';
    const selector = `metadata.name=${running.name}`;
    const lease = await until<Lease>(path, selector, ({ metadata }) => metadata?.ownerReferences !== undefined);
    const node = await nodeOf(running.name);
    expect(lease.spec).toMatchObject({ holderIdentity: running.name, leaseDurationSeconds: 4 });
    expect(lease.metadata?.ownerReferences).toEqual([
      { apiVersion: 'v1', kind: 'Node', name: running.name, uid: node.metadata?.uid },
    ]);
    await until<Lease>(path, selector, ({ spec }) => (spec?.renewTime ?? '') > (lease.spec?.renewTime ?? ''));
    await admin.delete(`${path}/${running.name}`);
    await until<Lease>(path, selector, ({ metadata }) => metadata?.uid !== lease.metadata?.uid);
  });

  test('comes back when its Node object is deleted, with a lease for the new one', async () => {
    await using running = await startNode({ 'node-lease-duration-seconds': '4' });
    const first = await untilNode(running.name, isReady);
    await admin.delete(`/api/v1/nodes/${running.name}`);
    const second = await untilNode(running.name, (node) => node.metadata?.uid !== first.metadata?.uid && isReady(node));
    const path = '/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases';
    await until<Lease>(
      path,
      `metadata.name=${running.name}`,
      ({ metadata }) => metadata?.ownerReferences?.[0]?.uid === second.metadata?.uid,
    );
  });

  test('takes over a Node object that exists, with its default labels set right and its taints left', async () => {
    const name = newName();
    await admin.create<Node>('/api/v1/nodes', {
      apiVersion: 'v1',
      kind: 'Node',
      metadata: { name, labels: { 'kubernetes.io/os': 'linux', 'example.com/mine': 'kept' } },
      spec: { taints: [{ key: 'example.com/mine', effect: 'NoSchedule' }] },
    });
    await using running = await startNode({ 'node-labels': 'topology.kubernetes.io/zone=z1' }, name);
    const node = await untilNode(running.name, isReady);
    expect(node.metadata?.labels).toMatchObject({
      'kubernetes.io/os': 'wasip1',
      'topology.kubernetes.io/zone': 'z1',
      'example.com/mine': 'kept',
    });
    expect(node.spec?.taints?.map(({ key }) => key)).not.toContain('kubernetes.io/arch');
  });

  test('tells when the runtime is not ready, and when it is again', async () => {
    runtime = {
      ...READY_RUNTIME,
      conditions: [
        { type: 'RuntimeReady', status: true, reason: '', message: '' },
        { type: 'NetworkReady', status: false, reason: 'NoPlugin', message: 'no CNI plugin' },
      ],
    };
    await using running = await startNode({ 'node-status-update-frequency': '200ms' });
    const down = await untilNode(running.name, () => true);
    expect(condition(down, 'Ready')).toMatchObject({
      status: 'False',
      reason: 'KubeletNotReady',
      message: 'container runtime network not ready: NetworkReady=false reason:NoPlugin message:no CNI plugin',
    });
    expect(condition(down, 'NetworkUnavailable')).toMatchObject({ status: 'True', reason: 'NoPlugin' });
    runtime = READY_RUNTIME;
    await untilNode(running.name, isReady);
  });

  test('says that it is shutting down', async () => {
    await using running = await startNode();
    await untilNode(running.name, isReady);
    await running.stop();
    expect(condition(await nodeOf(running.name), 'Ready')).toMatchObject({
      status: 'False',
      reason: 'KubeletNotReady',
      message: 'node is shutting down',
    });
  });

  test('sends its status only when something changed', async () => {
    await using running = await startNode({ 'node-status-update-frequency': '100ms' });
    await untilNode(running.name, isReady);
    const before = running.client.requestCounts.get('PATCH nodes/status') ?? 0;
    const heartbeats = running.client.requestCounts.get('GET nodes') ?? 0;
    // The taint that the control plane takes away comes by the watch: rounds have gone by when it is gone.
    await untilNode(running.name, (node) => node.spec?.taints?.length === 1);
    expect((running.client.requestCounts.get('PATCH nodes/status') ?? 0) - before).toBeLessThanOrEqual(1);
    expect(running.client.requestCounts.get('GET nodes') ?? 0).toBe(heartbeats);
  });

  test('may do what a node may and nothing else', async () => {
    await using running = await startNode();
    await untilNode(running.name, isReady);
    await expect(running.client.delete(`/api/v1/nodes/${running.name}`)).rejects.toMatchObject({ status: 403 });
    await expect(running.client.list('/api/v1/secrets')).rejects.toMatchObject({ status: 403, reason: 'Forbidden' });
    const taints = { spec: { taints: [] } };
    await expect(running.client.patch(`/api/v1/nodes/${running.name}`, 'merge', taints)).rejects.toMatchObject({
      message: expect.stringContaining('not allowed to modify taints') as string,
    });
  });

  test('events that repeat are counted, and similar ones combined', async () => {
    await using running = await startNode();
    const recorder = createEventRecorder(running.client, {
      component: 'kubelet',
      host: running.name,
      logger: silentLogger,
    });
    const ref: ObjectReference = {
      apiVersion: 'v1',
      kind: 'Pod',
      namespace: 'default',
      name: `pod-of-${running.name}`,
      fieldPath: 'spec.containers{main}',
    };
    for (let i = 0; i < 3; i++) recorder.record(ref, 'Warning', 'BackOff', 'Back-off restarting failed container');
    for (let i = 0; i < 12; i++) recorder.record(ref, 'Normal', 'Pulling', `Pulling image ${i}`);
    await recorder[Symbol.asyncDispose]();
    const { items } = await admin.list<CoreEvent>('/api/v1/namespaces/default/events', {
      query: { fieldSelector: `involvedObject.name=${ref.name ?? ''}` },
    });
    const repeated = items.filter(({ reason }) => reason === 'BackOff');
    expect(repeated).toHaveLength(1);
    expect(repeated[0]).toMatchObject({ count: 3, involvedObject: { fieldPath: 'spec.containers{main}' } });
    const similar = items.filter(({ reason }) => reason === 'Pulling');
    expect(similar).toHaveLength(10);
    expect(similar.filter(({ message }) => message?.startsWith('(combined from similar events): '))).toEqual([
      expect.objectContaining({ count: 3, message: '(combined from similar events): Pulling image 11' }),
    ]);
  });

  test('obtains its certificate by a service account, and keeps it', async () => {
    const name = newName();
    const config = configFor(name, { 'bootstrap-kubeconfig': await useCluster().bootstrapKubeconfig() });
    const signal = AbortSignal.timeout(60_000);
    const kubeconfigFile = await obtainIdentity(config, silentLogger, signal);
    expect(kubeconfigFile).toBe(join(folder, name, 'kubeconfig'));
    const pem = await readFile(clientCertificateFile(config), 'utf8');
    expect((await stat(clientCertificateFile(config))).mode & 0o777).toBe(0o600);

    await using client = createKubeClient({ kubeconfigFile, qps: 50, burst: 100, logger: silentLogger });
    const pods = await client.list<Pod>('/api/v1/pods', { query: { fieldSelector: `spec.nodeName=${name}` } });
    expect(pods.items).toEqual([]);
    await expect(client.list('/api/v1/pods')).rejects.toMatchObject({ status: 403 });

    expect(await obtainIdentity(config, silentLogger, signal)).toBe(kubeconfigFile);
    expect(await readFile(clientCertificateFile(config), 'utf8')).toBe(pem);
  });

  test("refuses another node's identity before it asks anything", async () => {
    const kubeconfig = await useCluster().nodeKubeconfig(newName());
    const config = configFor(newName(), { kubeconfig });
    await expect(obtainIdentity(config, silentLogger, AbortSignal.timeout(5000))).rejects.toMatchObject({
      code: 'InvalidConfig',
      message: expect.stringMatching(/is the identity of system:node:node-.*, but nodeName is node-/) as string,
    });
  });
});
