import { afterEach, beforeEach, expect, test } from 'vitest';
import { silentLogger } from '../../../base/log.ts';
import type { Registry } from '../registry/registry.ts';
import { nodes } from '../resources/cluster.ts';
import { pods } from '../resources/pods/pods.ts';
import type { ApiObject } from '../storage/object.ts';
import { createTestRegistry, objectOf } from '../test-registry.ts';
import { Scheduler } from './scheduler.ts';

let scene: ReturnType<typeof createTestRegistry>;
let registry: Registry;
beforeEach(() => {
  scene = createTestRegistry();
  ({ registry } = scene);
});
afterEach(() => scene[Symbol.dispose]());

const node = (cpu: string): void => {
  const place = { resource: nodes, namespace: '', name: 'node' };
  const status = { allocatable: { cpu, memory: '1Gi', pods: '10' } };
  if (registry.find(place)) registry.update(place, 'free', (object) => ({ ...object, status }));
  else registry.create(nodes, objectOf('Node', 'node'), '');
  registry.update(place, 'free', (object) => ({ ...object, status }));
};
const pod = (name: string, spec: object = {}): void => {
  const containers = [{ name: 'c', image: 'example/i:1', resources: { requests: { cpu: '1' } } }];
  registry.create(pods, objectOf('Pod', name, { spec: { containers, ...spec } }), 'default');
};
const read = (name: string): ApiObject => registry.get({ resource: pods, namespace: 'default', name });
const nodeOf = (name: string): string => ((read(name)['spec'] ?? {}) as { nodeName?: string }).nodeName ?? '';
const setPhase = (name: string, phase: string): void => {
  registry.update({ resource: pods, namespace: 'default', name }, 'free', (object) => ({
    ...object,
    status: { phase },
  }));
};

/** Resolves when a pod is as wished after a write. */
async function until(name: string, wished: (pod: ApiObject) => boolean): Promise<void> {
  if (wished(read(name))) return;
  const { promise, resolve } = Promise.withResolvers<undefined>();
  const unsubscribe = registry.store.subscribe(({ key, object }) => {
    if (key.resource === pods.storage && key.name === name && wished(object)) resolve(undefined);
  });
  await promise.finally(unsubscribe);
}
const bound = async (name: string): Promise<void> => await until(name, () => nodeOf(name) === 'node');
const refused = async (name: string): Promise<void> =>
  await until(name, ({ status }) => JSON.stringify(status ?? {}).includes('Insufficient cpu'));

test('pods that wait are bound as others end, are deleted, or the node grows', async () => {
  node('1');
  using _scheduler = new Scheduler(registry, silentLogger);
  for (const name of ['a', 'b', 'c', 'd']) pod(name);
  await bound('a');
  for (const name of ['b', 'c', 'd']) await refused(name);
  setPhase('a', 'Running');
  await new Promise(setImmediate);
  expect(nodeOf('b')).toBe('');
  setPhase('a', 'Succeeded');
  await bound('b');
  registry.delete({ resource: pods, namespace: 'default', name: 'b' }, { gracePeriodSeconds: 0 });
  await bound('c');
  expect(nodeOf('d')).toBe('');
  node('2');
  await bound('d');
});

test('what runs already counts when the scheduler begins, and what waited is looked at', async () => {
  node('2');
  pod('runs', { nodeName: 'node' });
  pod('over', { nodeName: 'node' });
  setPhase('over', 'Failed');
  pod('first');
  pod('second');
  using _scheduler = new Scheduler(registry, silentLogger);
  await bound('first');
  await refused('second');
});

test('pods of another scheduler and pods with gates are left alone', async () => {
  node('9');
  using _scheduler = new Scheduler(registry, silentLogger);
  pod('foreign', { schedulerName: 'other' });
  pod('gated', { schedulingGates: [{ name: 'example.com/wait' }] });
  pod('ours');
  await bound('ours');
  expect([nodeOf('foreign'), nodeOf('gated')]).toEqual(['', '']);
});
