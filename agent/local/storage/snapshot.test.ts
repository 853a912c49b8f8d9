import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { SeededRandom } from '../../../test/support/random.ts';
import type { ApiObject, ObjectKey } from './object.ts';
import { rangeAfter, rangeOf, rangeOfOne, type Range } from './range.ts';
import { Store } from './store.ts';

const NAMESPACES = ['a', 'a-b', 'b'];
const NAMES = ['n', 'n-1', 'n.1', 'n0', 'n1', 'n10', 'o'];
const WRITES = 400;
const READS = 400;

let folder: string;
let file: string;
let store: Store;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'wasmlet-snapshot-'));
  file = join(folder, 'state.db');
  store = new Store(file);
});
afterEach(() => {
  store[Symbol.dispose]();
  rmSync(folder, { recursive: true });
});

const keyOf = (namespace: string, name: string): ObjectKey => ({ resource: 'configmaps', namespace, name });
const write = ({ namespace, name }: ObjectKey, value: number): ApiObject => {
  const object = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { namespace, name }, data: { value } };
  return store.put(keyOf(namespace, name), object);
};
const idOf = ({ metadata: { namespace = '', name = '', resourceVersion = '' } }: ApiObject): string =>
  `${namespace}/${name} ${resourceVersion}`;

/** The state in the order of lists. */
const inOrder = (state: ReadonlyMap<string, ApiObject>): ApiObject[] =>
  [...state.values()].sort((a, b) => {
    const [one, other] = [a, b].map(({ metadata }) => [metadata.namespace ?? '', metadata.name ?? '']);
    return one?.[0] === other?.[0]
      ? (one?.[1] ?? '') < (other?.[1] ?? '')
        ? -1
        : 1
      : (one?.[0] ?? '') < (other?.[0] ?? '')
        ? -1
        : 1;
  });

/** Writes at random. @returns the state of each revision, first that of 0 */
function history(random: SeededRandom): ApiObject[][] {
  const state = new Map<string, ApiObject>();
  const states: ApiObject[][] = [[]];
  for (let index = 0; states.length <= WRITES; index += 1) {
    const key = keyOf(random.pick(NAMESPACES), random.pick(NAMES));
    const id = `${key.namespace}/${key.name}`;
    if (random.next() < 0.4) {
      if (!store.remove(key)) continue;
      state.delete(id);
    } else state.set(id, write(key, index));
    states.push(inOrder(state));
    // Of other resources there are changes and objects too.
    if (index % 7 === 0) {
      store.put({ ...key, resource: 'configmapx' }, { apiVersion: 'v1', kind: 'X', metadata: key });
      states.push(inOrder(state));
    }
  }
  return states;
}

/** All pages of a part of a state, of sizes at random. */
function pages(random: SeededRandom, whole: Range, revision: number): { found: ApiObject[]; counts: number[][] } {
  const found: ApiObject[] = [];
  const counts: number[][] = [];
  for (let range = whole; ;) {
    const left = store.count('configmaps', range, revision);
    const { objects, hasMore } = store.list('configmaps', { range, revision, limit: random.between(1, 5) });
    found.push(...objects);
    counts.push([found.length + left - objects.length, Number(hasMore)]);
    const last = objects.at(-1)?.metadata;
    if (!hasMore || !last) return { found, counts };
    range = rangeAfter(range, { namespace: last.namespace ?? '', name: last.name ?? '' });
  }
}

test('pages of whatever size, at whatever revision, are the state that there was', () => {
  const random = new SeededRandom();
  const states = history(random);
  for (let index = 0; index < READS; index += 1) {
    const revision = random.between(0, states.length - 1);
    const namespace = random.pick([undefined, ...NAMESPACES, 'none'].map((name) => ({ name }))).name;
    const wanted = (states[revision] ?? []).filter(
      ({ metadata }) => namespace === undefined || metadata.namespace === namespace,
    );
    const { found, counts } = pages(random, rangeOf(namespace), revision);
    const about = `seed ${random.seed}, revision ${revision}, namespace ${namespace ?? 'any'}`;
    expect(found.map(idOf), about).toEqual(wanted.map(idOf));
    expect(found, about).toEqual(wanted);
    expect(counts, about).toEqual(counts.map((_, page) => [wanted.length, Number(page < counts.length - 1)]));
  }
});

test('of one object there is its state, and none of those whose names begin alike', () => {
  write(keyOf('a', 'n'), 1);
  write(keyOf('a', 'n-1'), 2);
  const range = rangeOfOne({ namespace: 'a', name: 'n' });
  write(keyOf('a', 'n'), 3);
  expect(store.list('configmaps', { range }).objects.map(idOf)).toEqual(['a/n 3']);
  expect(store.list('configmaps', { range, revision: 2 }).objects.map(idOf)).toEqual(['a/n 1']);
  expect(store.list('configmaps', { range, revision: 0 }).objects).toEqual([]);
});

test('objects are selected until the page is full, and it is known whether others come after', () => {
  for (let index = 0; index < 9; index += 1) write(keyOf('a', `n${index}`), index);
  const selected = ({ metadata }: ApiObject): boolean => Number(metadata.name?.slice(1)) % 3 === 0;
  const first = store.list('configmaps', { limit: 2, selected });
  expect([first.objects.map(idOf), first.hasMore]).toEqual([['a/n0 1', 'a/n3 4'], true]);
  const range = rangeAfter(rangeOf('a'), { namespace: 'a', name: 'n3' });
  const second = store.list('configmaps', { range, limit: 2, selected });
  expect([second.objects.map(idOf), second.hasMore]).toEqual([['a/n6 7'], false]);
});

test('a page is read and counted without the objects that are not on it, in a state of before too', () => {
  for (let index = 0; index < 9; index += 1) write(keyOf('a', `n${index}`), index);
  const { revision } = store;
  for (const name of ['n2', 'n4', 'n6']) write(keyOf('a', name), 0);
  const range = rangeAfter(rangeOf('a'), { namespace: 'a', name: 'n2' });
  const read = (at?: number) => store.list('configmaps', { range, revision: at, limit: 3 }).objects.map(idOf);
  using damaged = new DatabaseSync(file);
  damaged.exec("UPDATE objects SET body = 'none' WHERE name NOT IN ('n3', 'n4', 'n5')");
  damaged.exec("UPDATE log SET previous = 'none', body = 'none' WHERE name NOT IN ('n3', 'n4', 'n5')");
  expect(read()).toEqual(['a/n3 4', 'a/n4 11', 'a/n5 6']);
  expect(read(revision)).toEqual(['a/n3 4', 'a/n4 5', 'a/n5 6']);
  expect(store.count('configmaps', range, revision)).toBe(6);
  expect(() => store.list('configmaps')).toThrow(SyntaxError);
});

test('a page that is left in the middle keeps nobody from writing', () => {
  for (let index = 0; index < 9; index += 1) write(keyOf('a', `n${index}`), index);
  store.list('configmaps', { limit: 1 });
  store.list('configmaps', { limit: 1, revision: 3 });
  expect(() =>
    store.list('configmaps', {
      selected: () => {
        throw new Error('given up');
      },
    }),
  ).toThrow('given up');
  store.remove(keyOf('a', 'n0'));
  store.compact(-1);
  using other = new DatabaseSync(file);
  expect(other.prepare('PRAGMA wal_checkpoint(TRUNCATE)').get()).toMatchObject({ busy: 0 });
});
