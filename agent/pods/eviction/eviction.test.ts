import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { silentLogger } from '../../../base/log.ts';
import type { ContainerStats } from '../../../runtime/service.ts';
import type { Pod } from '../../kube/types.ts';
import { createAgentMetrics } from '../../metrics/agent-metrics.ts';
import { CONTAINER_NAME } from '../labels.ts';
import { hasStorageLimit, storageExcess } from './local-storage.ts';
import { evictOverLimit } from './manager.ts';

const MEBIBYTE = 1024 * 1024;

type Spec = NonNullable<Pod['spec']>;

const pod = (spec: Partial<Spec>): Pod => ({
  metadata: { name: 'p', namespace: 'default', uid: 'u-1' },
  spec: { containers: [{ name: 'c' }], ...spec },
});

const limited = (name: string, limit: string): Spec['containers'][number] => ({
  name,
  resources: { limits: { 'ephemeral-storage': limit } },
});

const usage = (volumes: Record<string, number>, containers: Record<string, number>) => ({
  volumes: new Map(Object.entries(volumes)),
  containers: new Map(Object.entries(containers)),
});

describe('the words of an eviction are those of the kubelet', () => {
  test('for an emptyDir over its sizeLimit', () => {
    const over = pod({ volumes: [{ name: 'scratch', emptyDir: { sizeLimit: '1024Ki' } }] });
    expect(storageExcess(over, usage({ scratch: MEBIBYTE }, {}))).toBeUndefined();
    expect(storageExcess(over, usage({ scratch: MEBIBYTE + 1 }, {}))?.message).toBe(
      'Usage of EmptyDir volume "scratch" exceeds the limit "1Mi". ',
    );
  });

  test('for a pod that stores more than all its containers may', () => {
    const two = pod({
      containers: [limited('a', '1Mi'), limited('b', '1Mi')],
      volumes: [{ name: 'scratch', emptyDir: {} }],
    });
    expect(storageExcess(two, usage({ scratch: 2 * MEBIBYTE }, { a: 0, b: 0 }))).toBeUndefined();
    expect(storageExcess(two, usage({ scratch: 2 * MEBIBYTE }, { a: 1, b: 0 }))?.message).toBe(
      'Pod ephemeral local storage usage exceeds the total limit of containers 2Mi. ',
    );
  });

  test('for a container that stores more than it may, while the pod as a whole does not', () => {
    const two = pod({ containers: [limited('a', '1Mi'), limited('b', '5M')] });
    expect(storageExcess(two, usage({}, { a: MEBIBYTE + 1, b: 0 }))?.message).toBe(
      'Container a exceeded its local ephemeral storage limit "1Mi". ',
    );
  });
});

test('what is in memory, and what the node does not hold for the pod, is not its storage', () => {
  const memory = pod({
    containers: [limited('c', '1Mi')],
    volumes: [
      { name: 'memory', emptyDir: { medium: 'Memory' } },
      { name: 'secret', secret: { secretName: 's' } },
    ],
  });
  expect(storageExcess(memory, usage({ memory: 2 * MEBIBYTE, secret: 2 * MEBIBYTE }, { c: 0 }))).toBeUndefined();
});

test('a pod without such a limit is never measured', () => {
  expect(hasStorageLimit(pod({ volumes: [{ name: 'v', emptyDir: {} }] }))).toBe(false);
  expect(hasStorageLimit(pod({ volumes: [{ name: 'v', emptyDir: { sizeLimit: '1Mi' } }] }))).toBe(true);
  expect(hasStorageLimit(pod({ containers: [limited('c', '1Mi')] }))).toBe(true);
});

describe('a node', () => {
  let root: string;
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'wasmlet-eviction-'));
  });
  afterEach(() => rmSync(root, { recursive: true }));

  const write = (path: string, bytes: number): void => {
    mkdirSync(join(root, path, '..'), { recursive: true });
    writeFileSync(join(root, path), Buffer.alloc(bytes, 1));
  };

  const stats = (writableBytes: number): ContainerStats => ({
    id: 'c-1',
    metadata: { name: 'c', attempt: 0 },
    labels: { [CONTAINER_NAME]: 'c' },
    timestamp: '',
    cpuUsageCoreNanoSeconds: 0,
    memoryWorkingSetBytes: 0,
    writableLayer: { usedBytes: writableBytes, inodesUsed: 1 },
  });

  /** What became of a pod that was looked at once. */
  async function look(wanted: Pod, writableBytes = 0): Promise<string[]> {
    const seen: string[] = [];
    await evictOverLimit({
      config: { rootDir: join(root, 'state'), podLogsDir: join(root, 'logs') },
      runtime: { listContainerStats: () => Promise.resolve([stats(writableBytes)]) },
      recorder: { record: (_ref, type, reason, message) => void seen.push(`${type} ${reason}: ${message}`) },
      metrics: createAgentMetrics(),
      logger: silentLogger,
      pods: () => [
        {
          pod: wanted,
          isActive: true,
          evict: ({ reason, message }, seconds) => void seen.push(`${reason} in ${seconds}s: ${message}`),
        },
      ],
    });
    return seen;
  }

  test('evicts a pod whose emptyDir is over its limit, with an event', async () => {
    const over = pod({ volumes: [{ name: 'scratch', emptyDir: { sizeLimit: '1Mi' } }] });
    write('state/pods/default/u-1/volumes/kubernetes.io~empty-dir/scratch/a/file', MEBIBYTE + 1);
    const message = 'Usage of EmptyDir volume "scratch" exceeds the limit "1Mi". ';
    expect(await look(over)).toEqual([`Warning Evicted: ${message}`, `Evicted in 1s: ${message}`]);
  });

  test('counts logs and writable layer of a container together', async () => {
    const one = pod({ containers: [limited('c', '2Mi')] });
    write('logs/default_p_u-1/c/0.log', MEBIBYTE);
    expect(await look(one, MEBIBYTE / 2)).toEqual([]);
    expect(await look(one, MEBIBYTE + 8192)).toHaveLength(2);
  });

  test('does not evict what the system cannot do without', async () => {
    const critical = pod({ containers: [limited('c', '1Mi')], priority: 2_000_001_000 });
    expect(await look(critical, 2 * MEBIBYTE)).toEqual([]);
  });
});
