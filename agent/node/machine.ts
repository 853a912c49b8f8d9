import { readFile, statfs } from 'node:fs/promises';
import { availableParallelism, release, totalmem } from 'node:os';
import { VERSION, KUBERNETES_VERSION } from '../../base/version.ts';
import type { NodeStatus } from '../kube/types.ts';
import { readCgroup } from './cgroup.ts';
import { NODE_ARCH, NODE_OS } from './labels.ts';

/** What is there and what is left of it: the machine's, or what the agent's control group leaves of that. */
export interface MachineReading {
  readonly cpuMillis: number;
  readonly memory: Amount;
  /** The file system of rootDir, bytes. */
  readonly storage: Amount;
  /** The file system of rootDir; capacity 0 where it does not count them. */
  readonly inodes: Amount;
  readonly pids: Amount;
}

export interface Amount {
  readonly capacity: number;
  readonly available: number;
}

/** Reads the machine. @param rootDir a folder that exists */
export async function readMachine(rootDir: string): Promise<MachineReading> {
  const [cgroup, files, pids, meminfo] = await Promise.all([
    readCgroup(),
    statfs(rootDir),
    readPids(),
    readFile('/proc/meminfo', 'utf8'),
  ]);
  const machine = { capacity: totalmem(), available: memAvailable(meminfo) };
  const memoryLimit = Math.min(machine.capacity, cgroup.memoryLimitBytes ?? Infinity);
  return {
    cpuMillis: Math.min(availableParallelism() * 1000, cgroup.cpuMillis ?? Infinity),
    memory: {
      capacity: memoryLimit,
      available: Math.min(machine.available, cgroup.memoryAvailableBytes ?? Infinity),
    },
    storage: { capacity: files.blocks * files.bsize, available: files.bavail * files.bsize },
    inodes: { capacity: files.files, available: files.ffree },
    pids: tightest(pids, {
      capacity: cgroup.pidsMax ?? Infinity,
      available: (cgroup.pidsMax ?? Infinity) - (cgroup.pidsCurrent ?? 0),
    }),
  };
}

const tightest = (a: Amount, b: Amount): Amount => (a.available <= b.available ? a : b);

const memAvailable = (meminfo: string): number => Number(/^MemAvailable:\s+(\d+) kB$/m.exec(meminfo)?.[1] ?? 0) * 1024;

/** Process ids of the whole machine (pkg/kubelet/stats/pidlimit). */
async function readPids(): Promise<Amount> {
  const [pidMax, threadsMax, loadavg] = await Promise.all(
    ['sys/kernel/pid_max', 'sys/kernel/threads-max', 'loadavg'].map((name) => readFile(`/proc/${name}`, 'utf8')),
  );
  const capacity = Math.min(Number(pidMax), Number(threadsMax));
  const running = Number(/^\S+ \S+ \S+ \d+\/(\d+)/.exec(loadavg ?? '')?.[1] ?? 0);
  return { capacity, available: capacity - running };
}

/**
 * The version that `kubectl get nodes` shows: Kubernetes' own, so that version checks read it, with ours as build
 * metadata, which they pass over.
 */
export const NODE_VERSION = `${KUBERNETES_VERSION}+wasmlet.${VERSION}`;

export type NodeInfo = NonNullable<NodeStatus['nodeInfo']>;

/** status.nodeInfo; read once, as none of it changes while the agent runs. */
export async function readNodeInfo(): Promise<NodeInfo> {
  const machineID = (await firstOf('/etc/machine-id', '/var/lib/dbus/machine-id')) ?? '';
  const osRelease = (await firstOf('/etc/os-release', '/usr/lib/os-release')) ?? '';
  return {
    machineID,
    // Only root reads the board's own; machine-id stands in for it, as on machines without DMI.
    systemUUID: (await firstOf('/sys/class/dmi/id/product_uuid')) ?? machineID,
    bootID: (await firstOf('/proc/sys/kernel/random/boot_id')) ?? '',
    kernelVersion: release(),
    osImage: /^PRETTY_NAME="?([^"\n]*)"?$/m.exec(osRelease)?.[1] ?? 'Linux',
    containerRuntimeVersion: `wasmlet://${VERSION}`,
    kubeletVersion: NODE_VERSION,
    kubeProxyVersion: '',
    operatingSystem: NODE_OS,
    architecture: NODE_ARCH,
  };
}

async function firstOf(...paths: string[]): Promise<string | undefined> {
  for (const path of paths) {
    const content = await readFile(path, 'utf8').catch(() => '');
    if (content.trim() !== '') return content.trim();
  }
  return undefined;
}
