import { readFile } from 'node:fs/promises';
import { readCgroup } from '../node/cgroup.ts';
import { readMachine, type MachineReading } from '../node/machine.ts';
import { fileSystem } from './file-systems.ts';
import type { FsStats, InterfaceStats, MemoryStats, NetworkStats, SwapStats } from './summary.ts';

/** What the machine uses, or the control group that holds the agent, where that is what the node has. */
export interface NodeUsage {
  readonly time: Date;
  readonly machine: MachineReading;
  /** Nanoseconds of CPU since the beginning. */
  readonly cpuUsageCoreNanoSeconds: number;
  readonly memory: MemoryStats;
  readonly swap: SwapStats;
}

/** USER_HZ: 100 on every architecture that Node runs on. */
const NANOSECONDS_PER_TICK = 1e9 / 100;

/** Reads CPU and memory of the node; its capacity is the Node object's (agent/node/capacity.ts). */
export async function nodeUsage(rootDir: string): Promise<NodeUsage> {
  const [machine, cgroup, stat, meminfo] = await Promise.all([
    readMachine(rootDir),
    readCgroup(),
    readFile('/proc/stat', 'utf8'),
    readFile('/proc/meminfo', 'utf8'),
  ]);
  const time = new Date();
  const { capacity, available } = machine.memory;
  const amount = (name: string): number =>
    Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(meminfo)?.[1] ?? 0) * 1024;
  const isLimited = capacity !== amount('MemTotal');
  const cgroupCpu = machine.cpuMillis === cgroup.cpuMillis ? cgroup.cpuUsageNanoSeconds : undefined;
  return {
    time,
    machine,
    cpuUsageCoreNanoSeconds: cgroupCpu ?? machineCpu(stat),
    memory: {
      time,
      availableBytes: available,
      // As MemoryPressure reckons: what cannot be had is used.
      workingSetBytes: Math.max(0, capacity - available),
      ...(isLimited ? {} : { usageBytes: capacity - amount('MemFree'), rssBytes: amount('AnonPages') }),
    },
    swap: {
      time,
      swapAvailableBytes: amount('SwapFree'),
      swapUsageBytes: amount('SwapTotal') - amount('SwapFree'),
    },
  };
}

/** user, nice, system, irq, softirq and steal of proc_stat(5); guests are in user. */
export function machineCpu(stat: string): number {
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0, steal = 0] = (/^cpu +(.*)$/m.exec(stat)?.[1] ?? '')
    .split(' ')
    .map(Number);
  return (user + nice + system + irq + softirq + steal) * NANOSECONDS_PER_TICK;
}

/** cAdvisor's: what is the machine's own or of another network. */
const IGNORED = ['lo', 'veth', 'docker', 'nerdctl'];
/** pkg/kubelet/stats/helper.go: the interface whose numbers stand for the node's. */
const DEFAULT_INTERFACE = 'eth0';

export async function nodeNetwork(): Promise<NetworkStats> {
  return networkStats(await readFile('/proc/net/dev', 'utf8'), new Date());
}

/** @param table as in proc_net(5), dev */
export function networkStats(table: string, time: Date): NetworkStats {
  const interfaces = table
    .split('\n')
    .slice(2)
    .map(interfaceStats)
    .filter((stats) => stats !== undefined)
    .filter(({ name }) => !IGNORED.some((prefix) => name.startsWith(prefix)));
  return { time, ...interfaces.find(({ name }) => name === DEFAULT_INTERFACE), interfaces };
}

function interfaceStats(line: string): InterfaceStats | undefined {
  const [, name, rest] = /^\s*(\S+?):\s*(.*)$/.exec(line) ?? [];
  if (name === undefined || rest === undefined) return undefined;
  const [rxBytes = 0, , rxErrors = 0, , , , , , txBytes = 0, , txErrors = 0] = rest.split(/\s+/).map(Number);
  return { name, rxBytes, rxErrors, txBytes, txErrors };
}

/** The images' file system, with what the images take of it. */
export async function imageFileSystem(info: {
  readonly path: string;
  readonly usedBytes: number;
  readonly inodesUsed: number;
}): Promise<FsStats> {
  const { usedBytes, inodesUsed } = info;
  return { ...(await fileSystem(info.path)), usedBytes, inodesUsed };
}
