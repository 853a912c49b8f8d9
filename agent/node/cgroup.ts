import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

/** What the agent's own control group allows it and has used; undefined: no limit. Version 1 and 2. */
export interface CgroupReading {
  readonly cpuMillis: number | undefined;
  /** Nanoseconds of CPU that the group with the tightest CPU limit has used; undefined without one. */
  readonly cpuUsageNanoSeconds: number | undefined;
  readonly memoryLimitBytes: number | undefined;
  /** What is left under the tightest limit, page cache that can be dropped counted as left. */
  readonly memoryAvailableBytes: number | undefined;
  readonly pidsMax: number | undefined;
  readonly pidsCurrent: number | undefined;
}

export interface CgroupPlaces {
  /** Default '/proc/self/cgroup'. */
  readonly membership?: string;
  /** Default '/sys/fs/cgroup'. */
  readonly root?: string;
}

/** Names of the same things in the two versions. */
interface Version {
  readonly cpu: (folder: string) => Promise<number | undefined>;
  readonly memoryLimit: string;
  readonly memoryUsage: string;
  readonly inactiveFile: string;
}

const V2: Version = {
  async cpu(folder) {
    const [quota, period] = (await text(join(folder, 'cpu.max')))?.split(/\s+/) ?? [];
    return millis(Number(quota), Number(period));
  },
  memoryLimit: 'memory.max',
  memoryUsage: 'memory.current',
  inactiveFile: 'inactive_file',
};

const V1: Version = {
  cpu: async (folder) =>
    millis(
      (await number(join(folder, 'cpu.cfs_quota_us'))) ?? Number.NaN,
      (await number(join(folder, 'cpu.cfs_period_us'))) ?? Number.NaN,
    ),
  memoryLimit: 'memory.limit_in_bytes',
  memoryUsage: 'memory.usage_in_bytes',
  inactiveFile: 'total_inactive_file',
};

/** Version 1 writes "no limit" as the largest multiple of a page. */
const UNLIMITED = 2 ** 62;

/** Reads the limits that hold for this process: the tightest of its control group and those above. */
export async function readCgroup(places: CgroupPlaces = {}): Promise<CgroupReading> {
  const root = places.root ?? '/sys/fs/cgroup';
  const membership = parseMembership((await text(places.membership ?? '/proc/self/cgroup')) ?? '');
  const cpu = foldersOf(root, membership, 'cpu');
  const memory = foldersOf(root, membership, 'memory');
  const pids = foldersOf(root, membership, 'pids');
  const memories = await Promise.all(memory.folders.map((folder) => readMemory(folder, memory.version)));
  const pidLimits = await Promise.all(pids.folders.map((folder) => readPids(folder)));
  const cpuLimits = await Promise.all(cpu.folders.map((folder) => cpu.version.cpu(folder)));
  const cpuMillis = least(cpuLimits);
  return {
    cpuMillis,
    cpuUsageNanoSeconds:
      cpuMillis === undefined ? undefined : await readCpuUsage(root, membership, cpuLimits.indexOf(cpuMillis)),
    memoryLimitBytes: least(memories.map(({ limit }) => limit)),
    memoryAvailableBytes: least(memories.map(({ available }) => available)),
    ...tightestPids(pidLimits),
  };
}

/** Controller to path; '' stands for version 2. */
function parseMembership(content: string): Map<string, string> {
  const paths = new Map<string, string>();
  for (const line of content.split('\n')) {
    const [, controllers, path] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
    if (controllers === undefined || path === undefined) continue;
    for (const controller of controllers.split(',')) paths.set(controller, path);
  }
  return paths;
}

/** The folders from a process's own control group up to the root; the limits of all of them hold. */
function foldersOf(root: string, membership: ReadonlyMap<string, string>, controller: string) {
  const v1 = membership.get(controller);
  const path = v1 ?? membership.get('') ?? '/';
  const mount = v1 === undefined ? root : join(root, controller);
  const parts = path.split('/').filter((part) => part !== '' && part !== '..');
  const folders = parts.map((_, index) => join(mount, ...parts.slice(0, parts.length - index)));
  return { folders: [...folders, mount], version: v1 === undefined ? V2 : V1 };
}

/** @param level how far above this process's own control group */
async function readCpuUsage(
  root: string,
  membership: ReadonlyMap<string, string>,
  level: number,
): Promise<number | undefined> {
  const { folders, version } = foldersOf(root, membership, 'cpuacct');
  const folder = folders[level] ?? root;
  if (version === V1) return number(join(folder, 'cpuacct.usage'));
  const usage = /^usage_usec (\d+)$/m.exec((await text(join(folder, 'cpu.stat'))) ?? '')?.[1];
  return usage === undefined ? undefined : Number(usage) * 1000;
}

async function readMemory(folder: string, version: Version) {
  const limit = await number(join(folder, version.memoryLimit));
  if (limit === undefined || limit >= UNLIMITED) return { limit: undefined, available: undefined };
  const usage = (await number(join(folder, version.memoryUsage))) ?? 0;
  const inactive = new RegExp(`^${version.inactiveFile} (\\d+)$`, 'm').exec(
    (await text(join(folder, 'memory.stat'))) ?? '',
  );
  const workingSet = Math.max(0, usage - Number(inactive?.[1] ?? 0));
  return { limit, available: Math.max(0, limit - workingSet) };
}

interface PidLimit {
  readonly pidsMax: number | undefined;
  readonly pidsCurrent: number | undefined;
}

async function readPids(folder: string): Promise<PidLimit> {
  return { pidsMax: await number(join(folder, 'pids.max')), pidsCurrent: await number(join(folder, 'pids.current')) };
}

/** The limit that leaves the fewest processes to start. */
function tightestPids(limits: readonly PidLimit[]): PidLimit {
  const left = ({ pidsMax = Infinity, pidsCurrent = 0 }: PidLimit) => pidsMax - pidsCurrent;
  const limited = limits.filter(({ pidsMax }) => pidsMax !== undefined).sort((a, b) => left(a) - left(b));
  return limited[0] ?? { pidsMax: undefined, pidsCurrent: undefined };
}

const millis = (quota: number, period: number): number | undefined =>
  quota > 0 && period > 0 ? Math.round((quota / period) * 1000) : undefined;

function least(values: readonly (number | undefined)[]): number | undefined {
  const known = values.filter((value) => value !== undefined);
  return known.length === 0 ? undefined : Math.min(...known);
}

async function text(path: string): Promise<string | undefined> {
  try {
    return (await readFile(path, 'utf8')).trim();
  } catch {
    // Controllers that are not mounted, files that this kernel does not have: no limit from there.
    return undefined;
  }
}

/** undefined also for 'max'. */
async function number(path: string): Promise<number | undefined> {
  const value = Number((await text(path)) ?? Number.NaN);
  return Number.isNaN(value) ? undefined : value;
}
