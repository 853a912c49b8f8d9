import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { readCgroup } from './cgroup.ts';

const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
});

/** Control group files as a kernel would show them. */
function fixture(membership: string, files: Record<string, string>) {
  const folder = mkdtempSync(join(tmpdir(), 'wasmlet-cgroup-'));
  folders.push(folder);
  for (const [path, content] of Object.entries({ ...files, membership })) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), `${content}\n`);
  }
  return { root: folder, membership: join(folder, 'membership') };
}

const NOTHING = {
  cpuMillis: undefined,
  memoryLimitBytes: undefined,
  memoryAvailableBytes: undefined,
  pidsMax: undefined,
  pidsCurrent: undefined,
};

describe('version 2', () => {
  test('the tightest limit on the way to the root holds, for each resource', async () => {
    const places = fixture('0::/pods/agent', {
      'cpu.max': 'max 100000',
      'pods/cpu.max': '150000 100000',
      'pods/cpu.stat': 'usage_usec 1234\nuser_usec 1000',
      'pods/agent/cpu.stat': 'usage_usec 5',
      'pods/agent/cpu.max': '400000 100000',
      'pods/memory.max': 'max',
      'pods/agent/memory.max': '1000',
      'pods/agent/memory.current': '600',
      'pods/agent/memory.stat': 'anon 300\ninactive_file 200\nfile 300',
      'pods/pids.max': '100',
      'pods/pids.current': '40',
      'pods/agent/pids.max': 'max',
    });
    expect(await readCgroup(places)).toEqual({
      cpuMillis: 1500,
      cpuUsageNanoSeconds: 1_234_000,
      memoryLimitBytes: 1000,
      memoryAvailableBytes: 600,
      pidsMax: 100,
      pidsCurrent: 40,
    });
  });

  test('a parent with less left than the own group decides what is available', async () => {
    const places = fixture('0::/a/b', {
      'a/memory.max': '2000',
      'a/memory.current': '1950',
      'a/b/memory.max': '1000',
      'a/b/memory.current': '100',
    });
    expect(await readCgroup(places)).toMatchObject({ memoryLimitBytes: 1000, memoryAvailableBytes: 50 });
  });

  test('in a container, whose path is the root of its own view, the limits of the mount hold', async () => {
    const places = fixture('0::/', { 'memory.max': '500', 'memory.current': '0', 'cpu.max': '50000 100000' });
    expect(await readCgroup(places)).toMatchObject({ memoryLimitBytes: 500, cpuMillis: 500 });
  });

  test('without limits there are none', async () => {
    expect(await readCgroup(fixture('0::/', {}))).toEqual(NOTHING);
  });
});

describe('version 1', () => {
  test('each controller has a path of its own', async () => {
    const places = fixture('4:memory:/m\n2:cpu,cpuacct:/c\n8:pids:/\n0::/', {
      'memory/m/memory.limit_in_bytes': '4096',
      'memory/m/memory.usage_in_bytes': '1000',
      'memory/m/memory.stat': 'inactive_file 1\ntotal_inactive_file 500',
      'memory/memory.limit_in_bytes': '9223372036854771712',
      'cpuacct/c/cpuacct.usage': '77',
      'cpuacct/cpuacct.usage': '78',
      'cpu/c/cpu.cfs_quota_us': '25000',
      'cpu/c/cpu.cfs_period_us': '100000',
      'cpu/cpu.cfs_quota_us': '-1',
      'cpu/cpu.cfs_period_us': '100000',
    });
    expect(await readCgroup(places)).toEqual({
      ...NOTHING,
      cpuMillis: 250,
      cpuUsageNanoSeconds: 77,
      memoryLimitBytes: 4096,
      memoryAvailableBytes: 4096 - 500,
    });
  });

  test('a path of the host, which a container does not see, falls back to the mount', async () => {
    const places = fixture('4:memory:/docker/abc', {
      'memory/memory.limit_in_bytes': '4096',
      'memory/memory.usage_in_bytes': '96',
    });
    expect(await readCgroup(places)).toMatchObject({ memoryLimitBytes: 4096, memoryAvailableBytes: 4000 });
  });
});
