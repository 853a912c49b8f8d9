import { afterEach, beforeEach, expect, test } from 'vitest';
import { configMaps } from '../resources/data.ts';
import { namespaces } from '../resources/cluster.ts';
import type { Registry } from '../registry/registry.ts';
import { createTestRegistry, objectOf } from '../test-registry.ts';
import { StatusError } from './errors.ts';
import { pageOf } from './read.ts';

// That pages are those of the real API server is held by test/e2e/local-pages.test.ts; here is what it cannot be made to do.

const NAMES = ['a', 'b', 'c', 'd', 'e'];
let scene: ReturnType<typeof createTestRegistry>;
let registry: Registry;
beforeEach(() => {
  scene = createTestRegistry();
  ({ registry } = scene);
  registry.create(namespaces, objectOf('Namespace', 'other'), '');
  for (const name of NAMES) create(name);
});
afterEach(() => scene[Symbol.dispose]());

const create = (name: string, namespace = 'default', labels: object = {}) =>
  registry.create(configMaps, objectOf('ConfigMap', name, {}, { labels }), namespace);
const remove = (name: string) => registry.delete({ resource: configMaps, namespace: 'default', name }, {});

interface Shown {
  readonly names: string[];
  readonly next: string;
  readonly left: unknown;
  readonly revision: unknown;
}

function page(query: Record<string, string | number>, namespace = 'default'): Shown {
  const info = { group: '', version: 'v1', resource: 'configmaps', namespace, name: '', subresource: '', rest: [] };
  const text = Object.entries(query).map(([key, value]): [string, string] => [key, String(value)]);
  const { objects, metadata } = pageOf(registry, configMaps, info, new URLSearchParams(text));
  const next = metadata['continue'];
  return {
    names: objects.map(
      (object) => `${namespace === '' ? `${object.metadata.namespace ?? ''}/` : ''}${object.metadata.name ?? ''}`,
    ),
    next: typeof next === 'string' ? next : '',
    left: metadata['remainingItemCount'],
    revision: metadata['resourceVersion'],
  };
}

function refusal(run: () => unknown): Record<string, unknown> {
  try {
    run();
  } catch (error) {
    if (error instanceof StatusError) return error.toStatus();
    throw error;
  }
  throw new Error('it was not refused');
}

test('how many are left is counted once, in the state of the first page, and not where somebody selects', () => {
  const first = page({ limit: 2 });
  remove('e');
  create('f');
  const second = page({ limit: 2, continue: first.next });
  create('g');
  const third = page({ limit: 2, continue: second.next });
  expect([first.left, second.left, third.left]).toEqual([3, 1, undefined]);
  expect([first.names, second.names, third.names]).toEqual([['a', 'b'], ['c', 'd'], ['e']]);
  expect([second.revision, third.revision, third.next]).toEqual([first.revision, first.revision, '']);
  const selecting = page({ limit: 1, continue: first.next, labelSelector: '!none' });
  expect([selecting.names, selecting.left]).toEqual([['c'], undefined]);
  expect(page({ limit: 1, continue: selecting.next }).left).toBe(1);
});

test('pages of all namespaces go on in the next one', () => {
  create('a', 'other');
  create('b', 'other');
  const found: string[] = [];
  for (let next: string | undefined; next !== '';) {
    const shown: Shown = page({ limit: 2, ...(next === undefined ? {} : { continue: next }) }, '');
    found.push(...shown.names);
    next = shown.next;
  }
  expect(found).toEqual([...NAMES.map((name) => `default/${name}`), 'other/a', 'other/b']);
});

test('a token of all namespaces leads out of no namespace', () => {
  create('a', 'other');
  const { next } = page({ limit: 5 }, '');
  expect(page({ limit: 5, continue: next }, 'other').names).not.toContain('default/a');
  const forged = Buffer.from(JSON.stringify({ v: 'meta.k8s.io/v1', rv: -1, start: 'default/a\0' })).toString(
    'base64url',
  );
  expect(page({ continue: forged }, 'other').names).toEqual([]);
});

test('when its state is forgotten a list is refused, with a token by which it goes on in the state of now', () => {
  const first = page({ limit: 2 });
  create('bb');
  remove('d');
  registry.store.compact(-1);
  const status = refusal(() => page({ limit: 2, continue: first.next }));
  expect(status).toEqual({
    kind: 'Status',
    apiVersion: 'v1',
    metadata: { continue: expect.any(String) as string },
    status: 'Failure',
    message:
      'The provided continue parameter is too old to display a consistent list result. You can start a new list without ' +
      'the continue parameter, or use the continue token in this response to retrieve the remainder of the results. ' +
      'Continuing with the provided token results in an inconsistent list - objects that were created, modified, or ' +
      'deleted between the time the first chunk was returned and now may show up in the list.',
    reason: 'Expired',
    code: 410,
  });
  const { continue: token = '' } = status['metadata'] as { continue?: string };
  const second = page({ limit: 2, continue: token });
  expect([second.names, second.left, second.revision]).toEqual([['bb', 'c'], 1, String(registry.store.revision)]);
  expect(page({ limit: 2, continue: second.next }).names).toEqual(['e']);
});

test('a version that is forgotten is refused, and the newest of those is not', () => {
  const { revision } = registry.store;
  create('f');
  registry.store.compact(-1);
  create('g');
  const query = { resourceVersionMatch: 'Exact', resourceVersion: revision };
  expect(refusal(() => page(query))).toMatchObject({
    code: 410,
    reason: 'Expired',
    metadata: {},
    message: 'The resourceVersion for the provided list is too old.',
  });
  expect(page({ ...query, resourceVersion: revision + 1 }).names).toEqual([...NAMES, 'f']);
  // With a limit and without a word, the version is meant exactly; without a limit, as the least.
  expect(page({ resourceVersion: revision + 1, limit: 9 }).names).toEqual([...NAMES, 'f']);
  expect(page({ resourceVersion: revision + 1 }).names).toEqual([...NAMES, 'f', 'g']);
});
