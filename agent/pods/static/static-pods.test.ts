import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { silentLogger } from '../../../base/log.ts';
import type { ImageService } from '../../../images/service.ts';
import { configSchema } from '../../config/schema.ts';
import { createAgentMetrics, createProbeMetrics } from '../../metrics/agent-metrics.ts';
import type { Node } from '../../kube/types.ts';
import { createPodManager, type PodManager } from '../manager.ts';
import { FakeApi } from '../testing/fake-api.ts';
import { FakeRuntime } from '../testing/fake-runtime.ts';
import { image, makeNode, makePod } from '../testing/fixtures.ts';
import { PATIENCE } from '../../../test/support/patience.ts';

const UID = 'a-uid-of-its-own';
const NAME = 'web-node-1';

let root: string;
let manifests: string;
let api: FakeApi;
let runtime: FakeRuntime;
let stop: AbortController;
let node: Node | undefined;
let running: Promise<void>;
let manager: PodManager | undefined;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'wasmlet-static-'));
  manifests = join(root, 'manifests');
  await mkdir(manifests);
  api = new FakeApi();
  runtime = new FakeRuntime();
  stop = new AbortController();
  node = { ...makeNode(), metadata: { ...makeNode().metadata, uid: 'node-uid' } };
  running = Promise.resolve();
});

afterEach(async () => {
  stop.abort();
  await running;
  await rm(root, { recursive: true });
});

function start(): void {
  const images: Partial<ImageService> = { imageStatus: () => Promise.resolve(image) };
  manager = createPodManager({
    config: configSchema.parse({
      nodeName: 'node-1',
      rootDir: join(root, 'state'),
      podLogsDir: join(root, 'logs'),
      containerLogsDir: join(root, 'links'),
      staticPodPath: manifests,
      resolvConf: '',
    }),
    client: api,
    runtime,
    images: images as ImageService,
    volumes: {
      mountPod: () => Promise.resolve(),
      containerMounts: () => Promise.resolve([]),
      unmountPod: () => Promise.resolve(),
      listPodsOnDisk: () => Promise.resolve([]),
    },
    environment: { make: () => Promise.resolve({ envs: [] }) },
    objects: { configMap: () => Promise.resolve(undefined), secret: () => Promise.resolve(undefined) },
    recorder: { record: () => undefined },
    metrics: createAgentMetrics(),
    probeMetrics: createProbeMetrics(),
    node: { name: 'node-1', hostIPs: () => ['10.0.0.1'], get: () => node, expected: makeNode },
    logger: silentLogger,
  });
  running = manager.run(stop.signal);
}

const write = (label: string, uid = UID): Promise<void> =>
  writeFile(
    join(manifests, 'web.yaml'),
    JSON.stringify({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'web', labels: { label }, ...(uid === '' ? {} : { uid }) },
      spec: { containers: [{ name: 'app', image: 'example.test/app:1' }], terminationGracePeriodSeconds: 1 },
    }),
  );

const removeManifest = (): Promise<void> => rm(join(manifests, 'web.yaml'));
const until = (check: () => void) => vi.waitFor(check, { ...PATIENCE, interval: 5 });
const mirror = () => api.pods.get(NAME);
const startsOf = (name: string) => runtime.calls.filter((call) => call === `startContainer ${name}`).length;
const untilShown = () => until(() => expect(mirror()?.status?.phase).toBe('Running'));

test('a static pod runs, and a mirror pod of the node shows it until its manifest is gone', async () => {
  await write('one');
  start();
  await untilShown();
  expect(mirror()?.metadata).toMatchObject({
    namespace: 'default',
    labels: { label: 'one' },
    annotations: {
      'kubernetes.io/config.source': 'file',
      'kubernetes.io/config.hash': UID,
      'kubernetes.io/config.mirror': UID,
    },
    ownerReferences: [{ kind: 'Node', name: 'node-1', uid: 'node-uid', controller: true }],
  });
  expect(mirror()?.metadata?.uid).not.toBe(UID);
  await removeManifest();
  await until(() => expect(mirror()).toBeUndefined());
  expect(runtime.calls).toContain('stopContainer app 2');
});

test('it runs while the Node is not registered, and is shown once it is', async () => {
  const registered = node;
  node = undefined;
  await write('one');
  start();
  await until(() => expect(startsOf('app')).toBe(1));
  expect(mirror()).toBeUndefined();
  node = registered;
  await untilShown();
});

test('a mirror that is deleted is made anew, with the status, and the pod runs on', async () => {
  await write('one');
  start();
  await untilShown();
  const before = mirror()?.metadata?.uid;
  api.markDeleted(NAME, 30);
  await until(() => expect(mirror()?.metadata?.uid).not.toBe(before));
  await untilShown();
  const second = mirror()?.metadata?.uid;
  api.removeNow(NAME);
  await until(() => expect(mirror()?.metadata?.uid).not.toBe(second));
  await untilShown();
  expect(startsOf('app')).toBe(1);
});

test('another version of the manifest is another pod, which begins when the one before has ended', async () => {
  await write('one', '');
  start();
  await untilShown();
  await write('two', '');
  await until(() => expect(mirror()?.metadata?.labels?.['label']).toBe('two'));
  await untilShown();
  const order = runtime.calls.filter((call) => /^(stop|start)Container/.test(call));
  expect(order).toEqual(['startContainer app', 'stopContainer app 2', 'startContainer app']);
});

test('a manifest that comes back before its pod has ended starts it anew', async () => {
  await write('one');
  start();
  await untilShown();
  await removeManifest();
  await until(() => expect(runtime.calls).toContain('stopContainer app 2'));
  await write('one');
  await until(() => expect(startsOf('app')).toBe(2));
  await untilShown();
});

test('an agent that is started anew takes over the pod that runs, and its mirror', async () => {
  await write('one');
  start();
  await untilShown();
  stop.abort();
  await running;
  stop = new AbortController();
  start();
  await until(() => expect(manager?.pod('default', NAME)?.status?.phase).toBe('Running'));
  await removeManifest();
  await until(() => expect(mirror()).toBeUndefined());
  expect(api.requestCounts.get('POST pods')).toBe(1);
  expect(startsOf('app')).toBe(1);
});

test('a mirror without a static pod is deleted', async () => {
  const annotations = { 'kubernetes.io/config.mirror': 'of-nobody' };
  api.add(makePod({}, { metadata: { name: 'left-over', uid: 'uid-9', annotations } }));
  start();
  await until(() => expect(api.pods.has('left-over')).toBe(false));
  expect(runtime.calls).toEqual([]);
});

test('a pod of the API is what it is, whatever it says of its source', async () => {
  const annotations = { 'kubernetes.io/config.source': 'file' };
  api.add(makePod({}, { metadata: { annotations } }));
  start();
  await until(() => expect(api.pods.get('web')?.status?.phase).toBe('Running'));
  expect(api.requestCounts.get('POST pods')).toBeUndefined();
  api.markDeleted('web', 1);
  await until(() => expect(api.pods.has('web')).toBe(false));
});
