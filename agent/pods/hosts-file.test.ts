import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { PodSpec } from '../kube/types.ts';
import { makeHostsMount } from './hosts-file.ts';
import { container, makePod } from './testing/fixtures.ts';

let folder: string;
let path: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'wasmlet-hosts-'));
  path = join(folder, 'pod/etc-hosts');
});
afterEach(() => rmSync(folder, { recursive: true }));

const LOCAL = `# Kubernetes-managed hosts file.
127.0.0.1\tlocalhost
::1\tlocalhost ip6-localhost ip6-loopback
fe00::0\tip6-localnet
fe00::0\tip6-mcastprefix
fe00::1\tip6-allnodes
fe00::2\tip6-allrouters
`;

async function hostsOf(spec: Partial<PodSpec>, podIPs = ['10.2.0.5', 'fd00::5']): Promise<string> {
  const mount = await makeHostsMount({
    pod: makePod(spec),
    container: container('app'),
    podIPs,
    clusterDomain: 'cluster.local',
    path,
  });
  expect(mount).toEqual({ containerPath: '/etc/hosts', hostPath: path, readonly: false });
  return readFileSync(path, 'utf8');
}

test('the file names the pod at each of its addresses', async () => {
  expect(await hostsOf({})).toBe(`${LOCAL}10.2.0.5\tweb\nfd00::5\tweb\n`);
  expect(statSync(path).mode & 0o777).toBe(0o644);
});

test('a pod with a subdomain has its full name first', async () => {
  expect(await hostsOf({ hostname: 'db', subdomain: 'sets' }, ['10.2.0.5'])).toBe(
    `${LOCAL}10.2.0.5\tdb.sets.default.svc.cluster.local\tdb\n`,
  );
});

test('hostAliases stand at the end', async () => {
  const hostAliases = [
    { ip: '192.0.2.7', hostnames: ['a.test', 'b.test'] },
    { ip: '192.0.2.8', hostnames: ['c'] },
  ];
  expect(await hostsOf({ hostAliases }, ['10.2.0.5'])).toBe(
    `${LOCAL}10.2.0.5\tweb\n\n# Entries added by HostAliases.\n192.0.2.7\ta.test\tb.test\n192.0.2.8\tc\n`,
  );
});

test('a pod in the host’s network has the node’s file', async () => {
  const hostAliases = [{ ip: '192.0.2.7', hostnames: ['a.test'] }];
  expect(await hostsOf({ hostNetwork: true, hostAliases }, [])).toBe(
    `# Kubernetes-managed hosts file (host network).\n${readFileSync('/etc/hosts', 'utf8')}` +
      '\n# Entries added by HostAliases.\n192.0.2.7\ta.test\n',
  );
});

test('a container that mounts its own has that, and a pod without an address has none', async () => {
  const own = container('app', { volumeMounts: [{ name: 'v', mountPath: '/etc/hosts' }] });
  const request = { pod: makePod(), podIPs: ['10.2.0.5'], clusterDomain: '', path };
  expect(await makeHostsMount({ ...request, container: own })).toBeUndefined();
  expect(await makeHostsMount({ ...request, container: container('app'), podIPs: [] })).toBeUndefined();
});
