import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { createApi } from '../../test/support/api.ts';
import { silentLogger } from '../../base/log.ts';
import type { KubeObject } from '../kube/types.ts';
import { startLocalApi } from './index.ts';
import { Store } from './storage/store.ts';

const COUNT = 10_000;
const PATH = '/api/v1/namespaces/default/configmaps';

interface Page {
  readonly items: readonly KubeObject[];
  readonly metadata: { readonly continue?: string };
}

/** Objects as they would be after as many requests, each of which takes a connection of its own. */
function fill(file: string): void {
  using store = new Store(file);
  store.batch(() => {
    for (let index = 0; index < COUNT; index += 1) {
      const name = `m${index}`;
      const metadata = { name, namespace: 'default', uid: name, labels: { of: 'many' } };
      store.put(
        { resource: 'configmaps', namespace: 'default', name },
        { apiVersion: 'v1', kind: 'ConfigMap', metadata, data: { a: 'b'.repeat(1000) } },
      );
    }
  });
}

test('ten thousand objects are listed by pages, watched, and deleted at once', async () => {
  const root = await mkdtemp(join(tmpdir(), 'wasmlet-many-'));
  try {
    fill(join(root, 'state.db'));
    await using local = await startLocalApi({ root, port: 0, nodeName: 'node', logger: silentLogger });
    const api = await createApi(local.kubeconfig);
    const listed: string[] = [];
    for (let next: string | undefined = ''; next !== undefined;) {
      const query: string = `labelSelector=of%3Dmany&limit=1000&continue=${next}`;
      const { body }: { body: Page } = await api.request<Page>('GET', `${PATH}?${query}`);
      listed.push(...body.items.map(({ metadata }) => metadata?.name ?? ''));
      next = body.metadata.continue;
    }
    expect([listed.length, new Set(listed).size]).toEqual([COUNT, COUNT]);
    const ended = new AbortController();
    const seen = { ADDED: new Set<string>(), MODIFIED: new Set<string>(), DELETED: new Set<string>() };
    for await (const { type, object } of api.watch(PATH, { labelSelector: 'of=many' }, ended.signal)) {
      const names = seen[type];
      const name = object.metadata?.name ?? '';
      expect(names.has(name)).toBe(false);
      names.add(name);
      if (seen.ADDED.size === COUNT && seen.DELETED.size === 0 && names === seen.ADDED) {
        const removed = api.request('DELETE', `${PATH}?labelSelector=of%3Dmany`);
        // The watch says whether it was done, however long the answer takes.
        removed.catch(() => undefined);
      }
      if (seen.DELETED.size === COUNT) break;
    }
    ended.abort();
    expect([seen.ADDED.size, seen.MODIFIED.size, seen.DELETED.size]).toEqual([COUNT, 0, COUNT]);
  } finally {
    await rm(root, { recursive: true, force: true });
  }
}, 300_000);
