import { describe, expect, test } from 'vitest';
import type { Image } from '../../images/service.ts';
import { loadConfig } from '../config/load.ts';
import type { NodeCondition, NodeStatus } from '../kube/types.ts';
import { nodeResources } from './capacity.ts';
import { conditionsChanged, nextConditions, type ConditionInputs } from './conditions.ts';
import { readMachine, readNodeInfo, type MachineReading } from './machine.ts';
import { createPressureMonitor } from './pressure.ts';
import { nextStatus, statusChanged, statusPatch, type NodeObservation } from './status.ts';

const GI = 1024 ** 3;
const NO_PRESSURE = { memory: false, disk: false, pid: false };
const WELL: ConditionInputs = {
  pressure: NO_PRESSURE,
  network: { ready: true, reason: '', message: '' },
  confinement: { status: true, reason: 'AllMeans', message: 'hosts are confined' },
  errors: [],
};
const T1 = '2026-01-01T00:00:00Z';
const T2 = '2026-01-01T00:00:10Z';

const reading = (change: Partial<MachineReading> = {}): MachineReading => ({
  cpuMillis: 1500,
  memory: { capacity: 4 * GI, available: 2 * GI },
  storage: { capacity: 100 * GI, available: 50 * GI },
  inodes: { capacity: 1000, available: 500 },
  pids: { capacity: 1000, available: 900 },
  ...change,
});

describe('conditions', () => {
  test('of a node that is well are those of a kubelet, Ready the last', () => {
    const { conditions, events } = nextConditions([], WELL, T1);
    expect(conditions.map(({ type, status, reason, message }) => [type, status, reason, message])).toEqual([
      ['NetworkUnavailable', 'False', 'NetworkReady', 'runtime network is ready'],
      ['MemoryPressure', 'False', 'KubeletHasSufficientMemory', 'kubelet has sufficient memory available'],
      ['DiskPressure', 'False', 'KubeletHasNoDiskPressure', 'kubelet has no disk pressure'],
      ['PIDPressure', 'False', 'KubeletHasSufficientPID', 'kubelet has sufficient PID available'],
      ['HostsConfined', 'True', 'AllMeans', 'hosts are confined'],
      ['Ready', 'True', 'KubeletReady', 'kubelet is posting ready status'],
    ]);
    expect(events).toEqual(['NodeHasSufficientMemory', 'NodeHasNoDiskPressure', 'NodeHasSufficientPID', 'NodeReady']);
  });

  test('say where pods have no network of their own, which is no fault of the network', () => {
    const network = { ready: true, reason: 'PodsShareNodeAddress', message: 'runtime network is ready; pods share' };
    expect(nextConditions([], { ...WELL, network }, T1).conditions[0]).toMatchObject({
      type: 'NetworkUnavailable',
      status: 'False',
      reason: network.reason,
      message: network.message,
    });
  });

  test('keep their transition time until their status changes', () => {
    const first = nextConditions([], WELL, T1).conditions;
    const pressed = { ...WELL, pressure: { ...NO_PRESSURE, disk: true }, errors: ['a', 'b'] };
    const { conditions, events } = nextConditions(first, pressed, T2);
    expect(conditions.map(({ type, lastTransitionTime }) => [type, lastTransitionTime])).toEqual([
      ['NetworkUnavailable', T1],
      ['MemoryPressure', T1],
      ['DiskPressure', T2],
      ['PIDPressure', T1],
      ['HostsConfined', T1],
      ['Ready', T2],
    ]);
    expect(conditions.every(({ lastHeartbeatTime }) => lastHeartbeatTime === T2)).toBe(true);
    expect(events).toEqual(['NodeHasDiskPressure', 'NodeNotReady']);
    expect(conditions.at(-1)).toMatchObject({ status: 'False', reason: 'KubeletNotReady', message: '[a, b]' });
  });

  test('of others are left alone', () => {
    const foreign: NodeCondition = { type: 'KernelDeadlock', status: 'False' };
    expect(nextConditions([foreign], WELL, T1).conditions[0]).toBe(foreign);
  });

  test('that differ in their heartbeat alone have not changed', () => {
    const first = nextConditions([], WELL, T1).conditions;
    expect(conditionsChanged(first, nextConditions(first, WELL, T2).conditions)).toBe(false);
    expect(conditionsChanged(first, nextConditions(first, { ...WELL, errors: ['a'] }, T2).conditions)).toBe(true);
  });
});

describe('pressure', () => {
  const { evictionHard } = loadConfig({ flags: {}, env: {} });

  test.each([
    ['memory', { memory: { capacity: GI, available: 100 * 1024 ** 2 - 1 } }],
    ['disk', { storage: { capacity: 1000, available: 99 } }],
    ['disk', { inodes: { capacity: 1000, available: 49 } }],
    ['pid', { pids: { capacity: 1000, available: 49 } }],
  ] as const)('of %s is seen below its threshold', (signal, change) => {
    const monitor = createPressureMonitor(evictionHard, 0);
    expect(monitor.evaluate(reading(), 0)).toEqual(NO_PRESSURE);
    expect(monitor.evaluate(reading(change), 1)).toEqual({ ...NO_PRESSURE, [signal]: true });
  });

  test('stays for the transition period after it has gone', () => {
    const monitor = createPressureMonitor(evictionHard, 1000);
    monitor.evaluate(reading({ pids: { capacity: 1000, available: 1 } }), 0);
    expect(monitor.evaluate(reading(), 999).pid).toBe(true);
    expect(monitor.evaluate(reading(), 1000).pid).toBe(false);
  });

  test('is not made of inodes where a file system counts none', () => {
    const monitor = createPressureMonitor(evictionHard, 0);
    expect(monitor.evaluate(reading({ inodes: { capacity: 0, available: 0 } }), 0).disk).toBe(false);
  });
});

describe('resources', () => {
  test('allocatable is capacity less what is reserved and what eviction takes back', () => {
    const config = loadConfig({ flags: { 'system-reserved': 'cpu=250m,memory=1Gi', 'max-pods': '9' }, env: {} });
    expect(nodeResources(reading(), config)).toEqual({
      capacity: { cpu: '1500m', memory: '4Gi', 'ephemeral-storage': '100Gi', pods: '9' },
      allocatable: { cpu: '1250m', memory: '2972Mi', 'ephemeral-storage': '90Gi', pods: '9' },
    });
  });

  test('configured capacity stands in place of what was found', () => {
    const config = loadConfig({ flags: { capacity: 'cpu=250m,memory=50Mi' }, env: {} });
    const { capacity, allocatable } = nodeResources(reading(), config);
    expect(capacity).toMatchObject({ cpu: '250m', memory: '50Mi', 'ephemeral-storage': '100Gi' });
    expect(allocatable).toMatchObject({ cpu: '250m', memory: '0' });
  });

  test('this machine can be read', async () => {
    const machine = await readMachine('/');
    expect(machine.cpuMillis).toBeGreaterThan(0);
    expect(machine.memory.capacity).toBeGreaterThanOrEqual(machine.memory.available);
    expect(machine.storage.capacity).toBeGreaterThan(machine.storage.available);
    expect(machine.pids.available).toBeGreaterThan(0);
    const info = await readNodeInfo();
    expect(info).toMatchObject({ operatingSystem: 'wasip1', architecture: 'wasm' });
    expect(info.bootID).toMatch(/^[0-9a-f-]{36}$/);
  });
});

describe('the status', () => {
  const image = (name: string, size: number): Image => ({
    id: `sha256:${name}`,
    repoTags: [`r/${name}:1`],
    repoDigests: [`r/${name}@sha256:${name}`],
    size,
    os: 'wasip1',
    architecture: 'wasm',
    config: { entrypoint: [], cmd: [], env: [], workingDir: '', user: '', labels: {} },
  });
  const seen = (change: Partial<NodeObservation> = {}): NodeObservation => ({
    ...WELL,
    nodeName: 'n',
    internalIPs: ['10.0.0.1', 'fd00::1'],
    resources: { capacity: { cpu: '1' }, allocatable: { cpu: '1' } },
    nodeInfo: { kubeletVersion: 'v1' } as NodeObservation['nodeInfo'],
    port: 10250,
    images: [],
    runtimeHandlers: [],
    ...change,
  });
  const at = (existing: NodeStatus, observation = seen()) => nextStatus(existing, observation, T1).status;

  test('lists the largest images, at most fifty', () => {
    const images = Array.from({ length: 60 }, (_, index) => image(`i${index}`, index));
    const listed = at({}, seen({ images })).images ?? [];
    expect(listed).toHaveLength(50);
    expect(listed[0]).toEqual({ names: ['r/i59@sha256:i59', 'r/i59:1'], sizeBytes: 59 });
  });

  test('has extended resources that others advertise as allocatable', () => {
    const status = at({ capacity: { 'example.com/dongle': '2' } });
    expect(status.capacity).toEqual({ 'example.com/dongle': '2', cpu: '1' });
    expect(status.allocatable).toEqual({ 'example.com/dongle': '2', cpu: '1' });
  });

  test('has not changed when only time has passed, or when an empty list was left out by the server', () => {
    const { images: _, runtimeHandlers: __, ...stored } = at({});
    expect(statusChanged(stored, nextStatus(stored, seen(), T2).status)).toBe(false);
  });

  test('declares what it can do, which alone is no reason to write it', () => {
    const status = at({});
    expect(status.declaredFeatures).toEqual(['RestartAllContainersOnContainerExits']);
    const { declaredFeatures: _, ...dropped } = status;
    expect(statusChanged(dropped, nextStatus(dropped, seen(), T2).status)).toBe(false);
    expect(statusPatch(dropped, at(dropped)).status).toMatchObject({ declaredFeatures: status.declaredFeatures });
  });

  test('is patched in what changed, with the conditions for their heartbeat', () => {
    const before = at({});
    const after = at(before, seen({ images: [image('a', 1)], internalIPs: ['10.0.0.2'] }));
    const { status, metadata } = statusPatch(before, after);
    expect(Object.keys(status).sort()).toEqual(['addresses', 'conditions', 'images']);
    expect(status).toMatchObject({
      addresses: [
        { type: 'InternalIP', address: '10.0.0.2' },
        { type: 'Hostname', address: 'n' },
        { $patch: 'replace' },
      ],
    });
    expect(metadata).toBeUndefined();
  });
});
