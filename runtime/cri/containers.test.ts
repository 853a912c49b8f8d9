import { existsSync, readdirSync, readFileSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { status } from '@grpc/grpc-js';
import { expect, test } from 'vitest';
import { counts, exits, prints, SLEEPS, SPINS, TRAPS } from '../test-guests.ts';
import { until } from '../test-runtime.ts';
import type { Container, ContainerEventResponse, ContainerStatus, ContainerStatusResponse } from './messages.ts';
import { TestCri } from './test-cri.ts';
import { pathsBelow } from '../test-folder.ts';

const CRI_LINE = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z stdout F /;

async function statusOf(cri: TestCri, containerId: string): Promise<ContainerStatus> {
  return (await cri.client.call<ContainerStatusResponse>('containerStatus', { containerId })).status;
}

async function exited(cri: TestCri, containerId: string): Promise<ContainerStatus> {
  await cri.runtime.exited(containerId);
  return await statusOf(cri, containerId);
}

test('a container runs from creation to removal, and nothing of it is left but its log', async () => {
  await using cri = await TestCri.start();
  const { containerId, podSandboxId, reference, imageRef, sandboxConfig } = await cri.create(prints('hello\n'));
  const created = await statusOf(cri, containerId);
  expect(created).toMatchObject({ state: 'CONTAINER_CREATED', startedAt: 0, finishedAt: 0 });

  await cri.client.call('startContainer', { containerId });
  const ended = await exited(cri, containerId);
  const logPath = join(sandboxConfig.logDirectory, 'main/2.log');
  expect(ended).toMatchObject({
    id: containerId,
    metadata: { name: 'main', attempt: 2 },
    state: 'CONTAINER_EXITED',
    image: { image: reference },
    imageRef: `${reference.replace(/:1$/, '')}@${imageRef}`,
    imageId: imageRef,
    exitCode: 0,
    reason: 'Completed',
    labels: { 'io.kubernetes.container.name': 'main' },
    annotations: { 'io.kubernetes.container.hash': '1' },
    logPath,
  });
  expect(Number(ended.startedAt)).toBeGreaterThan(Number(ended.createdAt));
  expect(Number(ended.finishedAt)).toBeGreaterThanOrEqual(Number(ended.startedAt));
  expect(readFileSync(logPath, 'utf8')).toMatch(CRI_LINE);

  await cri.client.call('removeContainer', { containerId });
  await cri.client.call('removePodSandbox', { podSandboxId });
  await expect(statusOf(cri, containerId)).rejects.toMatchObject({ code: status.NOT_FOUND });
  expect(existsSync(logPath)).toBe(true);
  expect(readdirSync(join(cri.runtime.root, 'pods'))).toEqual([]);
});

test.for([
  ['an exit code', exits(7), { exitCode: 7, reason: 'Error' }],
  ['a trap', TRAPS, { exitCode: 134, reason: 'Error' }],
] as const)('%s stands in the status', async ([, guest, expected]) => {
  await using cri = await TestCri.start();
  const { containerId } = await cri.run(guest);
  expect(await exited(cri, containerId)).toMatchObject(expected);
});

test('a guest that cannot start fails StartContainer, and is exited as StartError with 128', async () => {
  await using cri = await TestCri.start();
  const { containerId } = await cri.create('(module (import "nowhere" "f" (func)) (func (export "_start")))');
  const failure = await cri.client.call('startContainer', { containerId }).catch((error: unknown) => error);
  expect(failure).toMatchObject({ details: expect.stringContaining('nowhere') as string });
  expect(await statusOf(cri, containerId)).toMatchObject({ exitCode: 128, reason: 'StartError' });
});

test('a runtime class whose pods share hosts: one process, and the module of an image rewritten once', async () => {
  await using cri = await TestCri.start();
  const image = await cri.pullTree('shared', { 'app.wasm': SPINS });
  const [first, second] = [await cri.run(image, {}, 'wasm-shared'), await cri.run(image, {}, 'wasm-shared')];
  expect(cri.runtime.hostPid(first.containerId)).toBe(cri.runtime.hostPid(second.containerId));
  expect(readdirSync(join(cri.runtime.root, 'images', 'rewritten'))).toHaveLength(1);
  await cri.client.call('stopContainer', { containerId: first.containerId, timeout: 10 });
  expect(await statusOf(cri, first.containerId)).toMatchObject({ exitCode: 143, reason: 'Error' });
  expect(await statusOf(cri, second.containerId)).toMatchObject({ state: 'CONTAINER_RUNNING' });
});

test('a container that computes without end is stopped, at the latest after its grace period', async () => {
  await using cri = await TestCri.start();
  const { containerId } = await cri.run(SPINS);
  await cri.client.call('stopContainer', { containerId, timeout: 1 });
  expect(await statusOf(cri, containerId)).toMatchObject({ state: 'CONTAINER_EXITED', reason: 'Error' });
  await cri.client.call('stopContainer', { containerId, timeout: 1 });
  await cri.client.call('stopContainer', { containerId: 'f'.repeat(64), timeout: 1 });
});

test('containers are found by filter, as a list and as a stream, by the beginning of an id too', async () => {
  await using cri = await TestCri.start();
  const { containerId, podSandboxId, imageRef } = await cri.run(SLEEPS);
  const list = async (filter: object) =>
    (await cri.client.call<{ containers: Container[] }>('listContainers', { filter })).containers;
  const [listed] = await list({ podSandboxId });
  expect(listed).toMatchObject({ id: containerId, podSandboxId, imageId: imageRef, state: 'CONTAINER_RUNNING' });
  expect(await list({ state: { state: 'CONTAINER_EXITED' } })).toEqual([]);
  expect(await list({ labelSelector: { 'io.kubernetes.container.name': 'other' } })).toEqual([]);
  expect(await list({ id: containerId.slice(0, 10) })).toHaveLength(1);
  expect(await list({ id: 'zzz' })).toEqual([]);
  const streamed: Container[] = [];
  for await (const { containers } of cri.client.stream<{ containers: Container[] }>('streamContainers')) {
    streamed.push(...containers);
  }
  expect(streamed).toEqual(await list({}));
  expect((await statusOf(cri, containerId.slice(0, 10))).id).toBe(containerId);
});

test('image and pod are merged into arguments and environment, and a mount without a host path gets a folder', async () => {
  await using cri = await TestCri.start();
  const hostPath = join(cri.runtime.root, 'made/by/mount');
  const { containerId } = await cri.create(SLEEPS, {
    args: ['--serve'],
    envs: [{ key: 'NAME', value: Buffer.from('välue') }],
    mounts: [{ containerPath: '/data', hostPath, readonly: true }],
    linux: {
      resources: { cpuPeriod: 100_000, memoryLimitInBytes: 2 ** 33 },
      securityContext: {
        runAsUser: { value: 1000 },
        runAsGroup: { value: 50 },
        supplementalGroups: [7],
        readonlyRootfs: true,
      },
    },
  });
  expect(existsSync(hostPath)).toBe(true);
  const record = pathsBelow(cri.runtime.root).find((path) => path.endsWith(join(containerId, 'config.json')));
  const { body } = JSON.parse(readFileSync(join(cri.runtime.root, record ?? ''), 'utf8')) as {
    body: { config: Record<string, unknown> };
  };
  expect(body.config).toMatchObject({
    args: ['guest.wasm', '--serve'],
    workingDir: '/',
    envs: [
      { key: 'HOSTNAME', value: 'pod-1' },
      { key: 'NAME', value: 'välue' },
    ],
    mounts: [{ containerPath: '/data', hostPath, readonly: true }],
    logLimits: { maxSize: 0 },
    securityContext: { runAsUser: 1000, runAsGroup: 50, supplementalGroups: [7], readonlyRootfs: true },
    resources: { cpuPeriod: 100_000, memoryLimitInBytes: 2 ** 33 },
  });
});

test('an image that was not pulled, and one as a volume, are refused', async () => {
  await using cri = await TestCri.start();
  await expect(cri.create(SLEEPS, { image: { image: 'nowhere/at/all:1' } })).rejects.toMatchObject({
    code: status.NOT_FOUND,
  });
  const mounts = [{ containerPath: '/data', image: { image: 'busybox' } }];
  await expect(cri.create(SLEEPS, { mounts })).rejects.toMatchObject({
    details: expect.stringMatching(/^ImageVolumeMountFailed: \/data/) as string,
  });
});

test('a log that was moved away is written on until it is reopened, then the new one; no line is lost', async () => {
  await using cri = await TestCri.start();
  const { containerId, sandboxConfig } = await cri.run(counts(1_000_000, 1_000_000));
  const logPath = join(sandboxConfig.logDirectory, 'main/2.log');
  const rotated = `${logPath}.20260102-150405`;
  const lines = (path: string) => readFileSync(path, 'utf8').split('\n').slice(0, -1);
  await until(() => existsSync(logPath) && lines(logPath).length > 3);
  renameSync(logPath, rotated);
  const moved = lines(rotated).length;
  await until(() => lines(rotated).length > moved);
  expect(existsSync(logPath)).toBe(false);
  await cri.client.call('reopenContainerLog', { containerId });
  await until(() => lines(logPath).length > 3);
  await cri.client.call('stopContainer', { containerId, timeout: 0 });
  const numbers = [...lines(rotated), ...lines(logPath)].map((line) => Number(line.replace(CRI_LINE, '')));
  expect(numbers).toEqual(numbers.map((_, index) => index));
  await expect(cri.client.call('reopenContainerLog', { containerId })).rejects.toMatchObject({
    code: status.FAILED_PRECONDITION,
  });
});

test('events tell of sandboxes and containers, with their status at that time', async () => {
  await using cri = await TestCri.start();
  const events = cri.client.stream<ContainerEventResponse>('getContainerEvents');
  // The stream stands once it has told of something.
  let stands = false;
  const first = events.next().then(() => (stands = true));
  await until(async () => {
    await cri.client.call('runPodSandbox', { config: cri.sandboxConfig() });
    return stands;
  });
  await first;
  const { containerId, podSandboxId } = await cri.run(exits(3));
  const seen: ContainerEventResponse[] = [];
  for await (const event of events) {
    if (event.containerId === containerId) seen.push(event);
    if (event.containerId === containerId && event.containerEventType === 'CONTAINER_STOPPED_EVENT') break;
  }
  expect(seen.map(({ containerEventType }) => containerEventType)).toEqual([
    'CONTAINER_CREATED_EVENT',
    'CONTAINER_STARTED_EVENT',
    'CONTAINER_STOPPED_EVENT',
  ]);
  expect(seen.at(-1)).toMatchObject({
    podSandboxStatus: { id: podSandboxId },
    containersStatuses: [{ id: containerId, exitCode: 3, reason: 'Error' }],
  });
  events.cancel();
});
