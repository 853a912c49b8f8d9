import { status } from '@grpc/grpc-js';
import { findLayout } from '../sandbox/cgroup-layout.ts';
import { expect, test } from 'vitest';
import { VERSION } from '../../base/version.ts';
import type { PodSandbox, PodSandboxStatusResponse, StatusResponse, VersionResponse } from './messages.ts';
import { NODE_ADDRESS, TestCri } from './test-cri.ts';

test('the runtime tells its version and that it is ready, with its handlers', async () => {
  await using cri = await TestCri.start();
  expect(await cri.client.call<VersionResponse>('version')).toEqual({
    version: '0.1.0',
    runtimeName: 'wasmlet',
    runtimeVersion: VERSION,
    runtimeApiVersion: 'v1',
  });
  const answer = await cri.client.call<StatusResponse>('status', { verbose: true });
  expect(answer.status.conditions.map(({ type, status: ready }) => [type, ready])).toEqual([
    ['RuntimeReady', true],
    ['NetworkReady', true],
    ['HostsConfined', expect.any(Boolean)],
    ['ControlGroupsReady', findLayout() !== undefined],
  ]);
  expect(answer.runtimeHandlers.map(({ name }) => name)).toEqual(['', 'wasm', 'wasm-shared', 'wasm-interpreter']);
  expect(JSON.parse(answer.info['config'] ?? '')).toMatchObject({ podIPs: [NODE_ADDRESS] });
  expect((await cri.client.call<StatusResponse>('status')).info).toEqual({});
});

test('what a kubelet asks at its start is answered', async () => {
  await using cri = await TestCri.start();
  expect(await cri.client.call('runtimeConfig')).toEqual({});
  expect(await cri.client.call('updateRuntimeConfig')).toEqual({});
});

test('a sandbox is run, shown with the address of the node, stopped and removed', async () => {
  await using cri = await TestCri.start();
  const config = cri.sandboxConfig();
  const before = Date.now();
  const { podSandboxId } = await cri.client.call<{ podSandboxId: string }>('runPodSandbox', {
    config,
    runtimeHandler: 'wasm',
  });
  const { status: shown } = await cri.client.call<PodSandboxStatusResponse>('podSandboxStatus', { podSandboxId });
  expect(shown).toMatchObject({
    id: podSandboxId,
    metadata: config.metadata,
    state: 'SANDBOX_READY',
    network: { ip: NODE_ADDRESS, additionalIps: [] },
    linux: { namespaces: { options: { network: 'POD' } } },
    labels: config.labels,
    runtimeHandler: 'wasm',
  });
  expect(Number(shown.createdAt) / 1e6).toBeGreaterThanOrEqual(before);
  expect(Number(shown.createdAt) / 1e6).toBeLessThanOrEqual(Date.now());

  await cri.client.call('stopPodSandbox', { podSandboxId });
  const list = (filter: object) => cri.client.call<{ items: PodSandbox[] }>('listPodSandbox', { filter });
  expect((await list({ state: { state: 'SANDBOX_READY' } })).items).toEqual([]);
  expect((await list({ labelSelector: config.labels })).items.map(({ id }) => id)).toEqual([podSandboxId]);
  expect((await list({ id: podSandboxId.slice(0, 13) })).items).toHaveLength(1);

  await cri.client.call('removePodSandbox', { podSandboxId });
  await cri.client.call('removePodSandbox', { podSandboxId });
  expect((await list({})).items).toEqual([]);
  await expect(cri.client.call('podSandboxStatus', { podSandboxId })).rejects.toMatchObject({
    code: status.NOT_FOUND,
  });
});

test("a sandbox on the host's network is shown as such, without an address", async () => {
  await using cri = await TestCri.start();
  const linux = { securityContext: { namespaceOptions: { network: 'NODE' } } };
  const config = { ...cri.sandboxConfig({ linux }), hostname: '' };
  const { podSandboxId } = await cri.client.call<{ podSandboxId: string }>('runPodSandbox', { config });
  const { status: shown } = await cri.client.call<PodSandboxStatusResponse>('podSandboxStatus', { podSandboxId });
  expect(shown.network).toBeNull();
  expect(shown.linux.namespaces.options.network).toBe('NODE');
});

test('a handler that is not configured is refused by name', async () => {
  await using cri = await TestCri.start();
  const request = { config: cri.sandboxConfig(), runtimeHandler: 'gvisor' };
  await expect(cri.client.call('runPodSandbox', request)).rejects.toMatchObject({
    details: 'no runtime for "gvisor" is configured',
  });
});

test('sandboxes are also listed as a stream', async () => {
  await using cri = await TestCri.start();
  await cri.client.call('runPodSandbox', { config: cri.sandboxConfig() });
  await cri.client.call('runPodSandbox', { config: cri.sandboxConfig() });
  const listed: PodSandbox[] = [];
  for await (const { podSandboxes } of cri.client.stream<{ podSandboxes: PodSandbox[] }>('streamPodSandboxes')) {
    listed.push(...podSandboxes);
  }
  expect(listed.map(({ metadata }) => metadata.name).toSorted()).toEqual(['pod-1', 'pod-2']);
});
