import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { listNamespaces } from '../../runtime/sandbox/network/namespace.ts';
import { namespacePrefix } from '../../runtime/sandbox/network/pod-networks.ts';
import type { TestNetwork } from '../../runtime/test-network.ts';
import type { TestAgent } from '../support/agent.ts';

/** What a node without pods keeps: the bundle of its hosts and the root folder that they see, and one that waits. */
const WARM_HOSTS = 1;
const KEPT_IN_RUN = /^(host-[0-9a-f]+|root)$/;
const CGROUP_MOUNT = '/sys/fs/cgroup';

/**
 * All that a node without pods should not have: processes, sockets, folders, files half written, mounts, control groups,
 * namespaces, addresses. Empty when it is clean.
 */
export async function leftovers(agent: TestAgent, network?: TestNetwork): Promise<string[]> {
  const found = await Promise.all([
    processes(agent),
    runFiles(agent),
    entries(join(agent.rootDir, 'pods'), 'folder'),
    entries(agent.podLogsDir, 'folder of logs'),
    entries(agent.containerLogsDir, 'link to a log'),
    temporaryFiles(agent.rootDir),
    mounts(agent.folder),
    controlGroups(agent.cgroupRoot),
    namespaces(agent.rootDir),
    network ? addresses(network) : [],
  ]);
  return found.flat();
}

/** Those of the agent that are too many. */
async function processes(agent: TestAgent): Promise<string[]> {
  const hosts = await agent.hostPids();
  if (hosts.length <= WARM_HOSTS) return [];
  const shown = await Promise.all(hosts.map((pid) => readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => 'gone')));
  return shown.map((command, index) => `process ${String(hosts[index])}: ${command.replaceAll('\0', ' ')}`);
}

async function runFiles({ rootDir }: TestAgent): Promise<string[]> {
  const names = (await list(join(rootDir, 'run'))).filter((name) => !KEPT_IN_RUN.test(name));
  // Of the host that waits.
  const hosts = new Set(names.map((name) => name.replace(/\.(sock|stderr|bind)$/, '')));
  return hosts.size <= WARM_HOSTS ? [] : names.map((name) => `run/${name}`);
}

const entries = async (folder: string, what: string): Promise<string[]> =>
  (await list(folder)).map((name) => `${what} ${join(folder, name)}`);

async function temporaryFiles(root: string): Promise<string[]> {
  const names = await readdir(root, { recursive: true }).catch(() => []);
  return names.filter((name) => /\.tmp$|\.partial$/.test(name)).map((name) => `file ${name}`);
}

async function mounts(folder: string): Promise<string[]> {
  const points = (await readFile('/proc/self/mounts', 'utf8')).split('\n').map((line) => line.split(' ')[1] ?? '');
  return points.filter((point) => point.startsWith(`${folder}/`)).map((point) => `mount ${point}`);
}

/** Where a supervisor is killed while it removes these, being empty, the next pod's removal takes them. */
const ABOVE_PODS = ['kubepods', 'burstable', 'besteffort'];

/** The groups of pods and containers, in each hierarchy. */
async function controlGroups(root: string): Promise<string[]> {
  const hierarchies = [CGROUP_MOUNT, ...(await list(CGROUP_MOUNT)).map((name) => join(CGROUP_MOUNT, name))];
  const below = await Promise.all(
    hierarchies.map(async (hierarchy) => {
      const names = await readdir(join(hierarchy, root), { withFileTypes: true, recursive: true }).catch(() => []);
      return names
        .filter((entry) => entry.isDirectory() && !ABOVE_PODS.includes(entry.name))
        .map(({ parentPath, name }) => `group ${join(parentPath, name)}`);
    }),
  );
  return below.flat();
}

const namespaces = async (root: string): Promise<string[]> =>
  (await listNamespaces(namespacePrefix(root))).map((name) => `namespace ${name}`);

const addresses = async (network: TestNetwork): Promise<string[]> => [
  ...network.leases().map((lease) => `address ${lease}`),
  ...(await network.pairs()).map((pair) => `interface ${pair}`),
];

const list = (folder: string): Promise<string[]> => readdir(folder).catch(() => []);
