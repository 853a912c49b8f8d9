import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { testFolder } from '../test-folder.ts';
import { findLayout, weightOfShares } from './cgroup-layout.ts';
import { Cgroups } from './cgroup.ts';

const LIMITS = { cpuPeriod: 100_000, cpuQuota: 50_000, cpuShares: 512, memoryLimitInBytes: 1 << 20, pidsLimit: 10 };

const contents = (settings: readonly { file: string; value: string }[], root: string) =>
  Object.fromEntries(settings.map(({ file, value }) => [file.replace(root, ''), value]));

test('version 2 is one folder for all, and hands its controllers on from group to group', () => {
  using folder = testFolder();
  writeFileSync(join(folder.path, 'cgroup.controllers'), 'cpu memory pids\n');
  const layout = findLayout(folder.path);
  expect(layout?.version).toBe(2);
  expect(layout?.folders('/a/b')).toEqual([join(folder.path, 'a/b')]);
  expect(contents(layout?.forChildren('/a') ?? [], folder.path)).toEqual({
    '/a/cgroup.subtree_control': '+memory +cpu +pids',
  });
  expect(contents(layout?.settings('/a/b', LIMITS) ?? [], folder.path)).toEqual({
    '/a/b/cpu.weight': '59',
    '/a/b/cpu.max': '50000 100000',
    '/a/b/memory.max': '1048576',
    '/a/b/pids.max': '10',
  });
});

test('version 1 is a folder in each hierarchy that is mounted', () => {
  using folder = testFolder();
  for (const name of ['memory', 'cpu', 'cpuacct']) mkdirSync(join(folder.path, name));
  const layout = findLayout(folder.path);
  expect(layout?.version).toBe(1);
  expect(layout?.folders('/a')).toEqual(['memory', 'cpu', 'cpuacct'].map((name) => join(folder.path, name, 'a')));
  expect(contents(layout?.settings('/a', { ...LIMITS, pidsLimit: 0 }) ?? [], folder.path)).toEqual({
    '/cpu/a/cpu.shares': '512',
    '/cpu/a/cpu.cfs_period_us': '100000',
    '/cpu/a/cpu.cfs_quota_us': '50000',
    '/memory/a/memory.limit_in_bytes': '1048576',
  });
});

test('a machine without the memory controller has no control groups for us', () => {
  using folder = testFolder();
  mkdirSync(join(folder.path, 'cpu'));
  expect(findLayout(folder.path)).toBeUndefined();
});

test('of version 2 the kills are those of the group', async () => {
  using folder = testFolder();
  writeFileSync(join(folder.path, 'cgroup.controllers'), '');
  mkdirSync(join(folder.path, 'a'));
  writeFileSync(
    join(folder.path, 'a', 'memory.events'),
    'low 0\nhigh 0\nmax 12\noom 2\noom_kill 3\noom_group_kill 0\n',
  );
  const layout = findLayout(folder.path);
  const cgroups = layout && new Cgroups(layout);
  expect(await cgroups?.oomKills('/a')).toBe(3);
  expect(await cgroups?.oomKills('/gone')).toBe(0);
});

test('a group that a controller is missing from is refused, and no file made in its place', async () => {
  using folder = testFolder();
  writeFileSync(join(folder.path, 'cgroup.controllers'), '');
  const layout = findLayout(folder.path);
  const made = (layout && new Cgroups(layout))?.make('/a', LIMITS);
  await expect(made).rejects.toThrow('control group /a cannot be made: ');
  expect(() => readFileSync(join(folder.path, 'a', 'memory.max'))).toThrow('ENOENT');
});

test.each([
  [0, 1],
  [2, 1],
  [1024, 100],
  [262_144, 10_000],
])('%i shares weigh %i', (shares, weight) => {
  expect(weightOfShares(shares)).toBe(weight);
});
