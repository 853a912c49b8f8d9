import { afterEach, beforeEach, expect, test } from 'vitest';
import { silentLogger } from '../../../base/log.ts';
import type { Place, Registry } from '../registry/registry.ts';
import type { Resource } from '../resources/resource.ts';
import { namespaces } from '../resources/cluster.ts';
import { configMaps } from '../resources/data.ts';
import { coreEvents } from '../resources/events.ts';
import type { Change } from '../storage/object.ts';
import { createTestRegistry, objectOf } from '../test-registry.ts';
import { recordEvent } from './events.ts';
import { GarbageCollector } from './garbage.ts';
import { removeOldEvents } from './housekeeping.ts';
import { NamespaceController } from './namespaces.ts';

const FINALIZERS = ['example.com/wait'];

let scene: ReturnType<typeof createTestRegistry>;
let registry: Registry;
beforeEach(() => {
  scene = createTestRegistry();
  ({ registry } = scene);
});
afterEach(() => scene[Symbol.dispose]());

const place = (name: string, namespace = 'default', resource: Resource = configMaps): Place => ({
  resource,
  namespace,
  name,
});
const create = (name: string, metadata: object = {}, namespace = 'default') =>
  registry.create(configMaps, objectOf('ConfigMap', name, {}, metadata), namespace);

/** Takes the finalizers away that keep an object. */
const letGo = (name: string, namespace = 'default'): void => {
  registry.update(place(name, namespace), 'free', (object) => {
    delete object.metadata.finalizers;
    return object;
  });
};

/** Resolves with the change that is wished for. */
async function change(wished: (change: Change) => boolean): Promise<Change> {
  const { promise, resolve } = Promise.withResolvers<Change>();
  const unsubscribe = registry.store.subscribe((told) => {
    if (wished(told)) resolve(told);
  });
  return await promise.finally(unsubscribe);
}
const gone = async (name: string): Promise<Change> =>
  await change(({ key, type }) => type === 'DELETED' && key.name === name);
const ending = async (name: string): Promise<Change> =>
  await change(({ key, object }) => key.name === name && object.metadata.deletionTimestamp !== undefined);

test('a namespace goes when all that was in it has, with events that came meanwhile', async () => {
  registry.create(namespaces, objectOf('Namespace', 'n'), '');
  const held = ['a', 'b', 'c'];
  for (const name of held) create(name, { finalizers: FINALIZERS }, 'n');
  create('free', {}, 'n');
  using _controller = new NamespaceController(registry, 'CERTIFICATE', silentLogger);
  const told = Promise.all([...held.map(ending), gone('free')]);
  const over = gone('n');
  registry.delete(place('n', '', namespaces), {});
  await told;
  for (const name of held) {
    const about = registry.get(place(name, 'n'));
    recordEvent(registry, about, { type: 'Normal', reason: 'Ending', message: name, component: 'test' });
    letGo(name, 'n');
    expect(registry.find(place('n', '', namespaces))).toBeDefined();
    // The controller has its turn between these ends.
    await new Promise(setImmediate);
  }
  await over;
  for (const { storage } of [configMaps, coreEvents]) {
    expect(registry.store.list(storage).objects.filter(({ metadata }) => metadata.namespace === 'n')).toEqual([]);
  }
});

test('an owner that waits for its dependents goes after the last, and takes one that came late', async () => {
  using _collector = new GarbageCollector(registry, silentLogger);
  const { uid = '' } = create('owner').metadata;
  const ownerReferences = [{ apiVersion: 'v1', kind: 'ConfigMap', name: 'owner', uid }];
  for (const name of ['a', 'b']) create(name, { ownerReferences, finalizers: FINALIZERS });
  const told = Promise.all([ending('a'), ending('b')]);
  registry.delete(place('owner'), { propagationPolicy: 'Foreground' });
  await told;
  const lateEnds = ending('late');
  create('late', { ownerReferences, finalizers: FINALIZERS });
  await lateEnds;
  const over = gone('owner');
  for (const name of ['a', 'b']) letGo(name);
  await new Promise(setImmediate);
  expect(registry.find(place('owner'))).toBeDefined();
  letGo('late');
  await over;
});

test('an owner that waits goes when its last dependent is no longer its own, and that one stays', async () => {
  using _collector = new GarbageCollector(registry, silentLogger);
  const [owner, other] = [create('owner'), create('other')].map(({ metadata }) => metadata.uid ?? '');
  const ownerReferences = [owner, other].map((uid) => ({ apiVersion: 'v1', kind: 'ConfigMap', name: 'x', uid }));
  create('shared', { ownerReferences });
  const over = gone('owner');
  registry.delete(place('owner'), { propagationPolicy: 'Foreground' });
  await over;
  expect(registry.get(place('shared')).metadata.ownerReferences?.map(({ uid }) => uid)).toEqual([other]);
});

test('events go after their hour, all that are so old at once', () => {
  const about = create('a');
  for (const message of ['one', 'two']) {
    recordEvent(registry, about, { type: 'Normal', reason: 'Said', message, component: 'test' });
  }
  const { revision } = registry.store;
  removeOldEvents(registry, Date.now() + 3_500_000);
  expect(registry.store.revision).toBe(revision);
  removeOldEvents(registry, Date.now() + 3_700_000);
  expect(registry.store.list(coreEvents.storage).objects).toEqual([]);
});
