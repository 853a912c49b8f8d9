import { expect, test } from 'vitest';
import type { ContainerStats } from '../../../runtime/service.ts';
import type { Pod } from '../../kube/types.ts';
import { stateView, usageView } from './view.ts';

const stats = (id: string, uid: string, nanoseconds: number, bytes: number): ContainerStats => ({
  id,
  metadata: { name: 'main', attempt: 0 },
  labels: { 'io.kubernetes.pod.uid': uid },
  timestamp: '',
  cpuUsageCoreNanoSeconds: nanoseconds,
  memoryWorkingSetBytes: bytes,
});

test('CPU is what was used between two readings, by pod and in all; memory is added up', () => {
  const first = usageView(
    [stats('a', 'p', 1e9, 10), stats('b', 'p', 0, 20), stats('c', 'q', 5e9, 30)],
    undefined,
    1000,
  );
  const second = usageView(
    // One went on, one did nothing, one is new and one is gone.
    [stats('a', 'p', 2e9, 11), stats('b', 'p', 0, 20), stats('d', 'q', 7e9, 40)],
    first.reading,
    3000,
  );
  expect(second.usage).toEqual({
    '': { at: 3000, cpu: 0.5, bytes: 71 },
    p: { at: 3000, cpu: 0.5, bytes: 31 },
    q: { at: 3000, cpu: 0, bytes: 40 },
  });
});

test('a container that begins anew under its id uses nothing, and not less than that', () => {
  const first = usageView([stats('a', 'p', 5e9, 10)], undefined, 0);
  expect(usageView([stats('a', 'p', 1e9, 10)], first.reading, 1000).usage['p']?.cpu).toBe(0);
});

const pod = (index: number): Pod => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: {
    name: `pod-${index}`,
    namespace: 'default',
    uid: String(index),
    creationTimestamp: new Date(index * 1000).toISOString(),
  },
  spec: { containers: [{ name: 'main' }] },
  status: { phase: 'Pending' },
});

test('of very many pods the newest are shown, by name, and how many more there are', () => {
  const { pods, morePods } = stateView(
    undefined,
    Array.from({ length: 510 }, (_, index) => pod(index)),
    [],
  );
  expect(morePods).toBe(10);
  expect(pods).toHaveLength(500);
  expect(pods.some(({ uid }) => uid === '9')).toBe(false);
  expect(pods[0]).toMatchObject({ name: 'pod-10', status: 'Pending', ready: '0/1', containers: ['main'] });
});
