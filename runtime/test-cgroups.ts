import { randomBytes } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { findLayout } from './sandbox/cgroup-layout.ts';
import type { CgroupLayout } from './sandbox/cgroup-layout.ts';
import { Cgroups } from './sandbox/cgroup.ts';

export interface TestCgroups {
  readonly layout: CgroupLayout;
  /** A root for this test alone: '/wasmlet/kubepods/burstable/pod<random>'. */
  podPath(): string;
  /** Paths of the groups beneath a group, in any hierarchy. */
  below(path: string): string[];
  /** Number in a file of version 1's or version 2's, for example 'cpuacct.usage'. */
  read(path: string, file: string): string;
}

/** Control groups for tests; undefined on a machine where none can be made. */
export async function testCgroups(): Promise<TestCgroups | undefined> {
  const layout = findLayout();
  if (!layout) return undefined;
  const podPath = (): string => `/wasmlet/kubepods/burstable/pod${randomBytes(8).toString('hex')}`;
  const trial = podPath();
  const cgroups = new Cgroups(layout);
  try {
    await cgroups.make(trial, { cpuPeriod: 0, cpuQuota: 0, cpuShares: 0, memoryLimitInBytes: 1 << 30, pidsLimit: 0 });
  } catch {
    return undefined;
  } finally {
    await cgroups.removeEmpty(trial);
  }
  return {
    layout,
    podPath,
    below: (path) =>
      layout
        .folders(path)
        .filter((folder) => existsSync(folder))
        .flatMap((folder) => readdirSync(folder, { withFileTypes: true }))
        .filter((entry) => entry.isDirectory())
        .map(({ name }) => name),
    read: (path, file) => {
      const folder = layout.folders(path).find((candidate) => existsSync(join(candidate, file)));
      if (folder === undefined) throw new Error(`no ${file} in ${path}`);
      return readFileSync(join(folder, file), 'utf8');
    },
  };
}
