import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Registry } from './registry/registry.ts';
import { namespaces } from './resources/cluster.ts';
import type { ApiObject } from './storage/object.ts';
import { Store } from './storage/store.ts';

/** A registry with a namespace 'default' in a folder of its own, without server and controllers; both go when it is disposed of. */
export function createTestRegistry(): { readonly registry: Registry } & Disposable {
  const folder = mkdtempSync(join(tmpdir(), 'wasmlet-registry-'));
  const store = new Store(join(folder, 'state.db'));
  const registry = new Registry(store, () => undefined);
  registry.create(namespaces, objectOf('Namespace', 'default'), '');
  return {
    registry,
    [Symbol.dispose]: () => {
      store[Symbol.dispose]();
      rmSync(folder, { recursive: true });
    },
  };
}

export const objectOf = (kind: string, name: string, more: object = {}, metadata: object = {}): ApiObject => ({
  apiVersion: 'v1',
  kind,
  metadata: { name, ...metadata },
  ...more,
});
