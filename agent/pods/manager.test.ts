import { mkdtemp, readdir, readlink, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { WasmletError } from '../../base/errors.ts';
import { silentLogger } from '../../base/log.ts';
import type { Image, ImageService, PullOptions } from '../../images/service.ts';
import { configSchema } from '../config/schema.ts';
import { createAgentMetrics, createProbeMetrics, type AgentMetrics } from '../metrics/agent-metrics.ts';
import type { Instrument } from '../metrics/instruments.ts';
import type { Node, Pod, Secret } from '../kube/types.ts';
import { createPodManager, type PodManager } from './manager.ts';
import { FakeApi } from './testing/fake-api.ts';
import { FakeRuntime } from './testing/fake-runtime.ts';
import { container, image, makeNode, makePod } from './testing/fixtures.ts';
import { PATIENCE } from '../../test/support/patience.ts';

let root: string;
let api: FakeApi;
let runtime: FakeRuntime;
let stop: AbortController;
let events: string[];
let present: Image | undefined;
let pull: (options: PullOptions) => Promise<Image>;
let mounted: Set<string>;
let node: Node;
let running: Promise<void>[];
let metrics: AgentMetrics;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'wasmlet-pods-'));
  api = new FakeApi();
  runtime = new FakeRuntime();
  stop = new AbortController();
  events = [];
  present = image;
  pull = () => Promise.resolve(image);
  mounted = new Set();
  node = makeNode();
  running = [];
  metrics = createAgentMetrics();
});

afterEach(async () => {
  stop.abort();
  await Promise.all(running);
  await rm(root, { recursive: true });
});

/** Values of a family of metrics by those of their labels; of a histogram how many observations there are. */
const counted = (instrument: Instrument): Record<string, number> =>
  Object.fromEntries(
    instrument
      .family()
      .samples.filter(({ suffix = '_count' }) => suffix === '_count')
      .map(({ labelValues, value }) => [labelValues.join(' '), value]),
  );

function startManager(): PodManager {
  const images: Partial<ImageService> = {
    imageStatus: () => Promise.resolve(present),
    pullImage: (options) => pull(options),
  };
  const manager = createPodManager({
    config: configSchema.parse({
      nodeName: 'node-1',
      clusterDNS: ['10.0.0.10'],
      rootDir: join(root, 'state'),
      podLogsDir: join(root, 'logs'),
      containerLogsDir: join(root, 'links'),
    }),
    client: api,
    runtime,
    images: images as ImageService,
    volumes: {
      mountPod: (pod) => Promise.resolve(void mounted.add(pod.metadata?.uid ?? '')),
      containerMounts: () => Promise.resolve([]),
      unmountPod: (uid) => Promise.resolve(void mounted.delete(uid)),
      listPodsOnDisk: () => Promise.resolve([]),
    },
    environment: {
      make: (_pod, { env = [] }) => Promise.resolve({ envs: env.map(({ name, value = '' }) => ({ name, value })) }),
    },
    objects: {
      configMap: () => Promise.resolve(undefined),
      secret: () => Promise.resolve<Secret | undefined>(undefined),
    },
    recorder: { record: (_ref, _type, reason, message) => void events.push(`${reason}: ${message}`) },
    metrics,
    probeMetrics: createProbeMetrics(),
    node: { name: 'node-1', hostIPs: () => ['10.0.0.1'], get: () => node },
    logger: silentLogger,
  });
  running.push(manager.run(stop.signal));
  return manager;
}

/** Ends the manager as kill -9 would: pods and runtime stay as they are. */
async function stopManager(): Promise<void> {
  stop.abort();
  await Promise.all(running);
  stop = new AbortController();
}

const statusOf = (name = 'web') => api.pods.get(name)?.status;
const appState = () => statusOf()?.containerStatuses?.[0];
const until = (check: () => void | Promise<void>) => vi.waitFor(check, { ...PATIENCE, interval: 5 });
const untilPhase = (phase: string, name = 'web') => until(() => expect(statusOf(name)?.phase).toBe(phase));

describe('a pod that runs', () => {
  test('is Running and ready with the address of the node', async () => {
    startManager();
    api.add(makePod());
    await untilPhase('Running');
    expect(statusOf()).toMatchObject({
      podIP: '10.0.0.1',
      hostIP: '10.0.0.1',
      observedGeneration: 1,
      containerStatuses: [
        {
          ready: true,
          started: true,
          restartCount: 0,
          imageID: image.repoDigests[0],
          containerID: expect.stringMatching(/^wasmlet:\/\/container-\d+$/) as string,
        },
      ],
    });
    const conditions = statusOf()?.conditions?.map(({ type, status }) => `${type}=${status}`);
    expect(conditions).toEqual(
      expect.arrayContaining([
        'PodReadyToStartContainers=True',
        'Initialized=True',
        'Ready=True',
        'ContainersReady=True',
        'PodScheduled=True',
      ]),
    );
    expect(events).toEqual([
      'Pulled: Container image "example.test/app:1" already present on machine and can be accessed by the pod',
      'Created: Container created',
      'Started: Container started',
    ]);
  });

  test('is counted, with its containers, and how long it took', async () => {
    runtime.behaviours.set('first', { exitCode: 0 });
    const manager = startManager();
    api.add(makePod({ initContainers: [container('first')] }));
    await untilPhase('Running');
    api.add(
      makePod(
        { containers: [container('app', { resources: { requests: { cpu: '50' } } })] },
        { metadata: { name: 'big', uid: 'uid-2' } },
      ),
    );
    await untilPhase('Failed', 'big');
    expect(counted(metrics.startedPods)).toEqual({ '': 1 });
    expect(counted(metrics.startedContainers)).toEqual({ init_container: 1, container: 1 });
    expect(counted(metrics.startedContainersErrors)).toEqual({});
    expect(counted(metrics.admissionRejections)).toEqual({ OutOfcpu: 1 });
    expect(counted(metrics.podStartDuration)).toEqual({ '': 1 });
    expect(counted(metrics.podWorkerStartDuration)).toEqual({ '': 2 });
    expect(counted(metrics.containersPerPod)).toEqual({ '': 2 });
    expect(counted(metrics.podWorkerDuration)).toMatchObject({ create: 2 });
    expect(manager.counted().filter(({ isActive }) => isActive)).toEqual([
      { isStatic: false, isActive: true, isDesired: true, lifecycle: 'sync' },
    ]);
  });

  test('costs two patches until it is Running', async () => {
    startManager();
    api.add(makePod());
    await untilPhase('Running');
    expect(Object.fromEntries(api.requestCounts)).toEqual({ 'PATCH pods/status': 2 });
  });

  test('has its arguments expanded and the variables of image and pod', async () => {
    startManager();
    api.add(
      makePod({ containers: [container('app', { args: ['--at=$(PLACE)'], env: [{ name: 'PLACE', value: 'here' }] })] }),
    );
    await untilPhase('Running');
    const [{ config } = {}] = [...runtime.containers.values()];
    expect(config?.args).toEqual(['app.wasm', '--at=here']);
    expect(config?.envs).toEqual([
      { key: 'HOSTNAME', value: 'web' },
      { key: 'FROM_IMAGE', value: '1' },
      { key: 'PLACE', value: 'here' },
    ]);
  });

  test('has a legacy link to its log', async () => {
    startManager();
    api.add(makePod());
    await until(async () => expect(await readdir(join(root, 'links'))).toHaveLength(1));
    const [link = ''] = await readdir(join(root, 'links'));
    expect(link).toMatch(/^web_default_app-container-\d+\.log$/);
    expect(await readlink(join(root, 'links', link))).toBe(join(root, 'logs', 'default_web_uid-1', 'app', '0.log'));
  });

  test('goes on when the agent is restarted, and nothing is started again', async () => {
    startManager();
    api.add(makePod());
    await untilPhase('Running');
    await stopManager();
    runtime.calls.length = 0;
    await startManager().ready;
    await until(() => expect(mounted.size).toBe(1));
    expect(appState()?.restartCount).toBe(0);
    expect(runtime.calls).toEqual([]);
    expect(api.phases).toEqual(['Pending', 'Running']);
  });

  test('keeps its status while the runtime is away', async () => {
    const manager = startManager();
    api.add(makePod());
    await untilPhase('Running');
    runtime.faults.set('listContainers', new WasmletError('Unavailable', 'gone'));
    await stopManager();
    startManager();
    expect(manager.pods()).toHaveLength(1);
    expect(statusOf()?.phase).toBe('Running');
    expect(appState()?.state?.running).toBeDefined();
  });
});

describe('a pod that ends', () => {
  test('with 0 is Succeeded when it is not to be restarted', async () => {
    runtime.behaviours.set('app', { exitCode: 0 });
    startManager();
    api.add(makePod({ restartPolicy: 'Never' }));
    await untilPhase('Succeeded');
    expect(appState()?.state?.terminated).toMatchObject({ exitCode: 0, reason: 'Completed' });
    expect(statusOf()?.conditions?.find(({ type }) => type === 'Ready')).toMatchObject({
      status: 'False',
      reason: 'PodCompleted',
    });
    expect(mounted.size).toBe(0);
    expect(runtime.calls.filter((call) => call.startsWith('startContainer'))).toHaveLength(1);
  });

  test('with 7 is Failed, with the code', async () => {
    runtime.behaviours.set('app', { exitCode: 7 });
    startManager();
    api.add(makePod({ restartPolicy: 'Never' }));
    await untilPhase('Failed');
    expect(appState()?.state?.terminated).toMatchObject({ exitCode: 7, reason: 'Error' });
  });

  test('again and again waits in CrashLoopBackOff', async () => {
    runtime.behaviours.set('app', { exitCode: 1 });
    startManager();
    api.add(makePod());
    await until(() => expect(appState()?.state?.waiting?.reason).toBe('CrashLoopBackOff'));
    expect(appState()).toMatchObject({
      restartCount: 1,
      lastState: { terminated: { exitCode: 1 } },
      state: { waiting: { message: 'back-off 10s restarting failed container=app pod=web_default(uid-1)' } },
    });
    expect(statusOf()?.phase).toBe('Running');
    expect(events).toContain('BackOff: Back-off restarting failed container app in pod web_default(uid-1)');
    expect(runtime.containers.size).toBeLessThanOrEqual(2);
  });

  test('runs its init containers first, in order', async () => {
    runtime.behaviours.set('one', { exitCode: 0 }).set('two', { exitCode: 0 });
    startManager();
    api.add(makePod({ initContainers: [container('one'), container('two')] }));
    await untilPhase('Running');
    const started = runtime.calls.filter((call) => call.startsWith('startContainer'));
    expect(started).toEqual(['startContainer one', 'startContainer two', 'startContainer app']);
  });

  test('past its deadline is Failed with DeadlineExceeded', async () => {
    startManager();
    api.add(makePod({ activeDeadlineSeconds: 1 }));
    await untilPhase('Failed');
    expect(statusOf()).toMatchObject({
      reason: 'DeadlineExceeded',
      message: 'Pod was active on the node longer than the specified deadline',
    });
    expect(runtime.calls).toContainEqual(expect.stringMatching(/^stopContainer app/));
  });
});

describe('a pod that is deleted', () => {
  test('is stopped with its grace period, and its object goes last', async () => {
    startManager();
    api.add(makePod());
    await untilPhase('Running');
    api.markDeleted('web', 20);
    await until(() => expect(api.pods.size).toBe(0));
    expect(runtime.calls).toContain('stopContainer app 20');
    expect(events).toContain('Killing: Stopping container app');
    expect(api.phases.at(-1)).toBe('Failed');
    expect(Object.fromEntries(api.requestCounts)).toEqual({ 'PATCH pods/status': 3, 'DELETE pods': 1 });
    await until(() => expect(runtime.sandboxes.size).toBe(0));
    await until(async () => expect(await readdir(join(root, 'links'))).toEqual([]));
    await until(async () => expect(await readdir(join(root, 'logs'))).toEqual([]));
  });

  test('while its image is pulled, has the pull given up', async () => {
    present = undefined;
    let aborted = false;
    pull = ({ signal }) =>
      new Promise((_resolve, reject) => {
        signal.addEventListener('abort', () => {
          aborted = true;
          reject(new WasmletError('Cancelled', 'given up'));
        });
      });
    startManager();
    api.add(makePod());
    await until(() => expect(events).toContain('Pulling: Pulling image "example.test/app:1"'));
    api.markDeleted('web', 30);
    await until(() => expect(api.pods.size).toBe(0));
    expect(aborted).toBe(true);
    expect(runtime.calls.some((call) => call.startsWith('createContainer'))).toBe(false);
  });

  test('by force is ended all the same', async () => {
    startManager();
    api.add(makePod());
    await untilPhase('Running');
    api.removeNow('web');
    await until(() => expect(runtime.sandboxes.size).toBe(0));
    expect(runtime.calls).toContain('stopContainer app 2');
  });

  test('with a grace period that is then shortened, ends by the shorter one', async () => {
    runtime.behaviours.set('app', { stopsAfterMs: Infinity });
    startManager();
    api.add(makePod());
    await untilPhase('Running');
    api.markDeleted('web', 3600);
    await until(() => expect(runtime.calls).toContain('stopContainer app 3600'));
    runtime.behaviours.set('app', {});
    api.markDeleted('web', 5);
    await until(() => expect(api.pods.size).toBe(0));
    expect(runtime.calls).toContain('stopContainer app 5');
    expect(events.filter((event) => event.startsWith('Killing'))).toHaveLength(1);
  });

  test('while the agent was down, is removed from the runtime', async () => {
    startManager();
    api.add(makePod());
    await untilPhase('Running');
    await stopManager();
    api.removeNow('web');
    startManager();
    await until(() => expect(runtime.sandboxes.size).toBe(0));
  });

  test('and made anew under its name, gives way first', async () => {
    runtime.behaviours.set('app', { stopsAfterMs: 50 });
    startManager();
    api.add(makePod());
    await untilPhase('Running');
    api.removeNow('web');
    api.add(makePod({}, { metadata: { uid: 'uid-2' } }));
    await until(() => expect(statusOf()?.phase).toBe('Running'));
    const order = runtime.calls.filter((call) => /^(stop|start)Container/.test(call));
    expect(order).toEqual(['startContainer app', 'stopContainer app 2', 'startContainer app']);
  });
});

describe('a pod into which someone looks', () => {
  const debug = { ...container('debug'), resources: {} };

  test('runs the ephemeral container that was added, once, and counts nothing on it', async () => {
    startManager();
    const pod = api.add(makePod());
    await untilPhase('Running');
    runtime.behaviours.set('debug', { exitCode: 3 });
    api.change({
      ...pod,
      metadata: { ...pod.metadata, generation: 2 },
      spec: { ...makePod().spec, containers: [container('app')], ephemeralContainers: [debug] },
    });
    const debugState = () => statusOf()?.ephemeralContainerStatuses?.[0];
    await until(() => expect(debugState()?.state?.terminated?.exitCode).toBe(3));
    expect(debugState()).toMatchObject({ name: 'debug', ready: false, restartCount: 0 });
    expect(debugState()?.started).toBeUndefined();
    expect(statusOf()?.phase).toBe('Running');
    expect(runtime.calls.filter((call) => call === 'startContainer debug')).toHaveLength(1);
  });
});

describe('a rule that restarts all containers', () => {
  const restartPolicyRules = [{ action: 'RestartAllContainers', exitCodes: { operator: 'In', values: [42] } }];
  const trigger = container('trigger', { restartPolicy: 'Never', restartPolicyRules });

  test('ends and removes all, and begins anew with the init containers', async () => {
    startManager();
    runtime.behaviours.set('init', { exitCode: 0 });
    api.add(makePod({ initContainers: [container('init')], containers: [container('app'), trigger] }));
    await untilPhase('Running');
    await until(() => expect(statusOf()?.containerStatuses?.every(({ ready }) => ready)).toBe(true));
    const [running] = [...runtime.containers.values()].filter(({ metadata }) => metadata.name === 'trigger');
    runtime.exit(running?.id ?? '', 42);
    await until(() => expect(statusOf()?.containerStatuses?.map(({ restartCount }) => restartCount)).toEqual([1, 1]));
    await until(() => expect(statusOf()?.containerStatuses?.every(({ ready }) => ready)).toBe(true));
    expect(statusOf()).toMatchObject({
      phase: 'Running',
      initContainerStatuses: [{ name: 'init', restartCount: 1 }],
      containerStatuses: [
        { name: 'app', lastState: { terminated: { reason: 'RestartingAllContainers', exitCode: 137 } } },
        { name: 'trigger', lastState: { terminated: { reason: 'RestartingAllContainers', exitCode: 137 } } },
      ],
    });
    expect(statusOf()?.conditions?.find(({ type }) => type === 'AllContainersRestarting')?.status).toBe('False');
    expect(runtime.calls.filter((call) => call.startsWith('startContainer'))).toEqual([
      'startContainer init',
      'startContainer app',
      'startContainer trigger',
      'startContainer init',
      'startContainer app',
      'startContainer trigger',
    ]);
    expect(events).toContain('Killing: killing');
    expect(runtime.calls.filter((call) => call.startsWith('runPodSandbox'))).toHaveLength(1);
  });
});

describe('a pod that cannot run here', () => {
  test('is Failed with a reason that says what to change', async () => {
    startManager();
    api.add(makePod({ hostPID: true }));
    await untilPhase('Failed');
    expect(statusOf()).toMatchObject({
      reason: 'UnsupportedPodSpec',
      message: 'Pod was rejected: hostPID is not possible: a guest sees no processes; remove hostPID',
    });
    expect(events).toEqual([expect.stringMatching(/^UnsupportedPodSpec: hostPID is not possible/)]);
    api.markDeleted('web', 30);
    await until(() => expect(api.pods.size).toBe(0));
    expect(runtime.calls).toEqual([]);
  });

  test('is Failed when the node is full, and counts no more', async () => {
    startManager();
    const cpu = (amount: string) => [container('app', { resources: { requests: { cpu: amount } } })];
    api.add(makePod({ containers: cpu('1500m') }));
    await untilPhase('Running');
    api.add(makePod({ containers: cpu('1') }, { metadata: { name: 'big', uid: 'uid-2' } }));
    await untilPhase('Failed', 'big');
    expect(statusOf('big')).toMatchObject({
      reason: 'OutOfcpu',
      message: "Pod was rejected: Node didn't have enough resource: cpu, requested: 1000, used: 1500, capacity: 2000",
    });
  });
});

describe('an image', () => {
  beforeEach(() => (present = undefined));

  test('that cannot be pulled is a waiting reason with back-off', async () => {
    pull = () => Promise.reject(new WasmletError('ErrImagePull', 'no such image'));
    startManager();
    api.add(makePod());
    await until(() => expect(appState()?.state?.waiting?.reason).toBe('ErrImagePull'));
    expect(appState()?.state?.waiting?.message).toBe('no such image');
    expect(statusOf()?.phase).toBe('Pending');
    expect(events).toEqual([
      'Pulling: Pulling image "example.test/app:1"',
      'Failed: Failed to pull image "example.test/app:1": no such image',
      'Failed: Error: ErrImagePull',
    ]);
  });

  test('that is for Linux makes the pod wait, never fail', async () => {
    pull = () => Promise.reject(new WasmletError('ImageNotRunnable', 'the image holds no Wasm module'));
    startManager();
    api.add(makePod({ restartPolicy: 'Never' }));
    await until(() => expect(appState()?.state?.waiting?.message).toBe('the image holds no Wasm module'));
    expect(statusOf()?.phase).toBe('Pending');
  });

  test('that is being pulled shows the pod ready to start containers', async () => {
    const pulled = Promise.withResolvers<Image>();
    pull = () => pulled.promise;
    startManager();
    api.add(makePod());
    await until(() =>
      expect(statusOf()?.conditions?.find(({ type }) => type === 'PodReadyToStartContainers')?.status).toBe('True'),
    );
    expect(appState()?.state?.waiting?.reason).toBe('ContainerCreating');
    pulled.resolve(image);
    await untilPhase('Running');
    expect(events[1]).toMatch(
      /^Pulled: Successfully pulled image "example.test\/app:1" in \S+ \(\S+ including waiting\)\. Image size: 1234 bytes\.$/,
    );
  });
});

describe('faults', () => {
  test('of the runtime making a sandbox are told and tried again', async () => {
    runtime.faults.set('runPodSandbox', new WasmletError('Internal', 'no room'));
    startManager();
    api.add(makePod());
    await until(() => expect(events).toContain('FailedCreatePodSandBox: Failed to create pod sandbox: no room'));
    runtime.faults.clear();
    await untilPhase('Running');
  });

  test('at the start of a container are told, and it backs off', async () => {
    runtime.behaviours.set('app', { startError: 'module has no _start' });
    startManager();
    api.add(makePod());
    await until(() => expect(appState()?.lastState?.terminated?.reason).toBe('StartError'));
    expect(events).toContain('Failed: Error: module has no _start');
  });

  test('of the API when a status is written do not lose it', async () => {
    api.patchFaults.push(new Error('boom'), new Error('boom'));
    startManager();
    api.add(makePod());
    await untilPhase('Running');
  });
});

test('a shutdown that ends pods fails them as the kubelet does', async () => {
  const manager = startManager();
  api.add(makePod());
  await untilPhase('Running');
  await manager.shutdown(AbortSignal.timeout(5000));
  expect(statusOf()).toMatchObject({
    phase: 'Failed',
    reason: 'Terminated',
    message: 'Pod was terminated in response to imminent node shutdown.',
    conditions: expect.arrayContaining([
      expect.objectContaining({
        type: 'DisruptionTarget',
        status: 'True',
        reason: 'TerminationByKubelet',
        message: 'Pod was terminated in response to imminent node shutdown.',
      }),
    ]) as unknown,
  });
});

test('pods() shows a status that is newer than the API has', async () => {
  const manager = startManager();
  await manager.ready;
  const pod: Pod = api.add(makePod());
  await untilPhase('Running');
  expect(manager.pod('default', 'web')?.status?.phase).toBe('Running');
  expect(manager.pod('default', 'web')?.metadata?.uid).toBe(pod.metadata?.uid);
  expect(manager.pod('default', 'other')).toBeUndefined();
});
