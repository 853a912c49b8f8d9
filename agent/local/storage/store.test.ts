import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { ApiObject, Change } from './object.ts';
import { rangeOf } from './range.ts';
import { CompactedError, Store } from './store.ts';

let folder: string;
let store: Store;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'wasmlet-store-'));
  store = new Store(join(folder, 'state.db'));
});
afterEach(() => {
  store[Symbol.dispose]();
  rmSync(folder, { recursive: true });
});

const key = (name: string, namespace = 'default') => ({ resource: 'configmaps', namespace, name });
const object = (name: string, value = '', namespace = 'default'): ApiObject => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name, namespace },
  data: { value },
});
const names = (objects: readonly ApiObject[]) =>
  objects.map(({ metadata }) => `${metadata.namespace ?? ''}/${metadata.name ?? ''}`);

describe('the store', () => {
  test('gives each write the next revision, over all kinds', () => {
    const versions = [
      store.put(key('a'), object('a')),
      store.put({ resource: 'pods', namespace: 'default', name: 'p' }, object('p')),
      store.put(key('a'), object('a', 'changed')),
    ].map(({ metadata }) => metadata.resourceVersion);
    expect(versions).toEqual(['1', '2', '3']);
    expect(store.get(key('a'))).toMatchObject({ data: { value: 'changed' }, metadata: { resourceVersion: '3' } });
  });

  test('has its objects, its log and its revision again when it is opened again', () => {
    store.put(key('a'), object('a', '1'));
    store.put(key('b'), object('b'));
    store.remove(key('b'));
    store[Symbol.dispose]();
    store = new Store(join(folder, 'state.db'));
    expect(store.revision).toBe(3);
    expect(names(store.list('configmaps').objects)).toEqual(['default/a']);
    expect(store.since('configmaps', 1).map(({ type, revision }) => [type, revision])).toEqual([
      ['ADDED', 2],
      ['DELETED', 3],
    ]);
  });

  test('lists by namespace and name, all or of one namespace', () => {
    for (const name of ['b', 'a', 'a-b']) store.put(key(name, 'n2'), object(name, '', 'n2'));
    store.put(key('z', 'n1'), object('z', '', 'n1'));
    expect(names(store.list('configmaps').objects)).toEqual(['n1/z', 'n2/a', 'n2/a-b', 'n2/b']);
    expect(names(store.list('configmaps', { range: rangeOf('n1') }).objects)).toEqual(['n1/z']);
  });

  test('lists the state of an earlier revision', () => {
    store.put(key('a'), object('a', '1'));
    store.put(key('b'), object('b', '1'));
    const { revision } = store;
    store.put(key('a'), object('a', '2'));
    store.remove(key('b'));
    store.put(key('c'), object('c'));
    const { objects } = store.list('configmaps', { revision });
    expect(objects.map((each) => [each.metadata.name, each['data']])).toEqual([
      ['a', { value: '1' }],
      ['b', { value: '1' }],
    ]);
  });

  test('tells subscribers of each write in order, with what was before', () => {
    const seen: Change[] = [];
    const unsubscribe = store.subscribe((change) => seen.push(change));
    store.put(key('a'), object('a', '1'));
    store.put(key('a'), object('a', '2'));
    store.remove(key('a'));
    unsubscribe();
    store.put(key('a'), object('a'));
    expect(seen.map(({ type, revision, previous }) => [type, revision, previous?.metadata.resourceVersion])).toEqual([
      ['ADDED', 1, undefined],
      ['MODIFIED', 2, '1'],
      ['DELETED', 3, '2'],
    ]);
    expect(seen).toEqual(store.since('configmaps', 0).slice(0, 3));
  });

  test('makes all writes of a batch or none, and tells of them when they are made', () => {
    const seen: number[] = [];
    store.subscribe(({ revision }) => seen.push(revision));
    expect(() =>
      store.batch(() => {
        store.put(key('a'), object('a'));
        throw new Error('given up');
      }),
    ).toThrow('given up');
    expect([store.revision, store.get(key('a')), seen]).toEqual([0, undefined, []]);
    store.batch(() => {
      store.put(key('a'), object('a'));
      store.put(key('b'), object('b'));
      expect(seen).toEqual([]);
    });
    expect(seen).toEqual([1, 2]);
  });

  test('forgets how old states came about, and says so', () => {
    store.put(key('a'), object('a', '1'));
    store.put(key('a'), object('a', '2'));
    store.compact(-1);
    expect(() => store.since('configmaps', 1)).toThrow(CompactedError);
    expect(() => store.list('configmaps', { revision: 1 })).toThrow('too old resource version: 1 (2)');
    expect(store.since('configmaps', 2)).toEqual([]);
    expect(store.get(key('a'))).toBeDefined();
  });

  test('that is damaged says which file to move away', () => {
    const file = join(folder, 'broken.db');
    writeFileSync(file, 'this is no database, but long enough to be taken for one'.repeat(20));
    expect(() => new Store(file)).toThrow(`${file}: file is not a database; move it away to start without it`);
  });
});
