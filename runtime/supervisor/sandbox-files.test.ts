import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { ContainerConfig, PodSandboxConfig } from '../service.ts';
import { makeSandboxFiles, sandboxMounts } from './sandbox-files.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'wasmlet-sandbox-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const config = (change: Partial<PodSandboxConfig>): PodSandboxConfig => ({
  metadata: { namespace: 'ns', name: 'web', uid: 'u', attempt: 0 },
  hostname: 'web',
  logDirectory: '',
  portMappings: [],
  hostNetwork: false,
  labels: {},
  annotations: {},
  ...change,
});

const container = (change: Partial<ContainerConfig>): ContainerConfig => ({ mounts: [], ...change }) as ContainerConfig;
const text = (name: string): string => readFileSync(join(folder, name), 'utf8');

test('the sandbox’s files say its name and its resolver', async () => {
  const dnsConfig = { servers: ['10.0.0.10', '10.0.0.11'], searches: ['a.test', 'b.test'], options: ['ndots:5'] };
  await makeSandboxFiles(folder, config({ dnsConfig }));
  expect(text('hostname')).toBe('web\n');
  expect(text('resolv.conf')).toBe(
    'search a.test b.test\nnameserver 10.0.0.10\nnameserver 10.0.0.11\noptions ndots:5\n',
  );
  expect(statSync(join(folder, 'resolv.conf')).mode & 0o777).toBe(0o644);
});

test('without settings the resolver and the hosts are the node’s', async () => {
  await makeSandboxFiles(folder, config({}));
  expect(text('resolv.conf')).toBe(readFileSync('/etc/resolv.conf', 'utf8'));
  expect(text('hosts')).toBe(readFileSync('/etc/hosts', 'utf8'));
});

test('a container sees them where it mounts nothing else, read-only where its root is', async () => {
  await makeSandboxFiles(folder, config({}));
  const own = { containerPath: '/etc/hosts', hostPath: '/x', readonly: false };
  const securityContext = { supplementalGroups: [], readonlyRootfs: true };
  expect(sandboxMounts(folder, container({ mounts: [own], securityContext }))).toEqual([
    { containerPath: '/etc/hostname', hostPath: join(folder, 'hostname'), readonly: true },
    { containerPath: '/etc/resolv.conf', hostPath: join(folder, 'resolv.conf'), readonly: true },
  ]);
});

test('a sandbox of an earlier release, which has no such files, shows none', () => {
  expect(sandboxMounts(folder, container({}))).toEqual([]);
});
