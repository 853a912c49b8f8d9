import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { LinuxContainerResources } from '../service.ts';

/** What a control group holds its processes to. 0 stands for: not set. */
export interface CgroupLimits extends LinuxContainerResources {
  /** How many processes and threads there may be. */
  readonly pidsLimit: number;
}

/** A file of a control group and what is written into it. */
export interface CgroupSetting {
  readonly file: string;
  readonly value: string;
}

/** Where the two versions of control groups keep the same things. Paths of groups begin with '/', as the kernel's. */
export interface CgroupLayout {
  readonly version: 1 | 2;
  /** The folders of one group: one in version 2, one in each hierarchy in version 1. */
  folders(path: string): readonly string[];
  /** What lets the children of a group be held to limits, before they are made. */
  forChildren(path: string): readonly CgroupSetting[];
  settings(path: string, limits: CgroupLimits): readonly CgroupSetting[];
  /** Holds a line `oom_kill N`: how many processes of the group the kernel has killed for want of memory. */
  oomFile(path: string): string;
}

/** cgroup-v1/memory.rst, sched-bwc.rst, pids.rst */
class Version1 implements CgroupLayout {
  readonly version = 1;
  readonly #root: string;

  constructor(root: string) {
    this.#root = root;
  }

  #in(controller: string, path: string, file = ''): string {
    return join(this.#root, controller, path, file);
  }

  folders(path: string): string[] {
    // Where cpu and cpuacct are mounted as one, both names lead to the same folder.
    const controllers = ['memory', 'cpu', 'cpuacct', 'pids'].filter((name) => existsSync(join(this.#root, name)));
    return controllers.map((controller) => this.#in(controller, path));
  }

  forChildren(): CgroupSetting[] {
    return [];
  }

  settings(path: string, limits: CgroupLimits): CgroupSetting[] {
    const { cpuShares, cpuQuota, cpuPeriod, memoryLimitInBytes, pidsLimit } = limits;
    return [
      ...given(cpuShares, this.#in('cpu', path, 'cpu.shares'), String(cpuShares)),
      ...given(cpuQuota && cpuPeriod, this.#in('cpu', path, 'cpu.cfs_period_us'), String(cpuPeriod)),
      ...given(cpuQuota, this.#in('cpu', path, 'cpu.cfs_quota_us'), String(cpuQuota)),
      ...given(memoryLimitInBytes, this.#in('memory', path, 'memory.limit_in_bytes'), String(memoryLimitInBytes)),
      ...given(pidsLimit, this.#in('pids', path, 'pids.max'), String(pidsLimit)),
    ];
  }

  oomFile(path: string): string {
    return this.#in('memory', path, 'memory.oom_control');
  }
}

/** cgroup-v2.rst */
class Version2 implements CgroupLayout {
  readonly version = 2;
  readonly #root: string;

  constructor(root: string) {
    this.#root = root;
  }

  folders(path: string): string[] {
    return [join(this.#root, path)];
  }

  forChildren(path: string): CgroupSetting[] {
    return [{ file: join(this.#root, path, 'cgroup.subtree_control'), value: '+memory +cpu +pids' }];
  }

  settings(path: string, limits: CgroupLimits): CgroupSetting[] {
    const { cpuShares, cpuQuota, cpuPeriod, memoryLimitInBytes, pidsLimit } = limits;
    const file = (name: string): string => join(this.#root, path, name);
    return [
      ...given(cpuShares, file('cpu.weight'), String(weightOfShares(cpuShares))),
      ...given(cpuQuota, file('cpu.max'), `${cpuQuota} ${cpuPeriod || 100_000}`),
      ...given(memoryLimitInBytes, file('memory.max'), String(memoryLimitInBytes)),
      ...given(pidsLimit, file('pids.max'), String(pidsLimit)),
    ];
  }

  oomFile(path: string): string {
    return join(this.#root, path, 'memory.events');
  }
}

const given = (amount: number, file: string, value: string): CgroupSetting[] => (amount > 0 ? [{ file, value }] : []);

/**
 * Shares of version 1 as a weight of version 2: a curve through the least, the greatest and the default of both
 * (opencontainers/cgroups, ConvertCPUSharesToCgroupV2Value).
 */
export function weightOfShares(shares: number): number {
  if (shares <= 2) return 1;
  if (shares >= 262_144) return 10_000;
  const log = Math.log2(shares);
  return Math.ceil(10 ** ((log * log + 125 * log) / 612 - 7 / 34));
}

/** The control groups of a machine, as they are mounted; undefined where memory and cpu are not there. */
export function findLayout(root = '/sys/fs/cgroup'): CgroupLayout | undefined {
  if (existsSync(join(root, 'cgroup.controllers'))) return new Version2(root);
  return ['memory', 'cpu'].every((name) => existsSync(join(root, name))) ? new Version1(root) : undefined;
}
