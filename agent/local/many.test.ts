import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { silentLogger } from '../../base/log.ts';
import type { KubeClient } from '../kube/client.ts';
import { createKubeClient } from '../kube/http-client.ts';
import type { Pod } from '../kube/types.ts';
import { startLocalApi } from './index.ts';
import type { ApiObject } from './storage/object.ts';
import { Store } from './storage/store.ts';

const COUNT = 10_000;
/** As many as the agent and kubectl ask for at a time. */
const PAGE = 500;
/** Changed while the pages are fetched. */
const CHANGED = 50;
const PATH = '/api/v1/namespaces/default/pods';
const SELECTOR = { labelSelector: 'of=many' };

/** As a user writes it; nobody schedules it. */
const WRITTEN = {
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'model', labels: { of: 'many' } },
  spec: {
    schedulerName: 'nobody',
    containers: [{ name: 'c', image: 'example/hello:1', env: [{ name: 'TEXT', value: 'x'.repeat(500) }] }],
  },
};

async function onServer<T>(root: string, run: (client: KubeClient) => Promise<T>): Promise<T> {
  await using local = await startLocalApi({ root, port: 0, nodeName: 'node', logger: silentLogger });
  const limits = { qps: Infinity, burst: 1, timeoutMs: 240_000 };
  await using client = createKubeClient({ kubeconfigFile: local.kubeconfig, ...limits, logger: silentLogger });
  return await run(client);
}

/** Pods as they would be after as many requests, each of which takes its time. */
async function fill(root: string): Promise<void> {
  const model = await onServer(root, async (client) => {
    const pod = await client.create<Pod>(PATH, WRITTEN);
    await client.delete(`${PATH}/model`);
    return pod;
  });
  using store = new Store(join(root, 'state.db'));
  store.batch(() => {
    for (let index = 0; index < COUNT; index += 1) {
      const name = `m${index}`;
      store.put({ resource: 'pods', namespace: 'default', name }, {
        ...model,
        metadata: { ...model.metadata, name, uid: name },
      } as ApiObject);
    }
  });
}

/** All pages; others change pods after the first. */
async function listed(client: KubeClient, change: () => Promise<void>): Promise<{ items: Pod[]; revision: string }> {
  const query = { ...SELECTOR, limit: PAGE };
  let page = await client.list<Pod>(PATH, { query });
  const items = [...page.items];
  const revision = page.metadata.resourceVersion ?? '';
  await change();
  while (page.metadata.continue !== undefined) {
    page = await client.list<Pod>(PATH, { query: { ...query, continue: page.metadata.continue } });
    expect(page.metadata.resourceVersion).toBe(revision);
    items.push(...page.items);
  }
  return { items, revision };
}

test('ten thousand pods are listed by pages as they were at the first, watched from there, and deleted at once', async () => {
  const root = await mkdtemp(join(tmpdir(), 'wasmlet-many-'));
  try {
    await fill(root);
    await onServer(root, async (client) => {
      // The last in the order of pages, which is that of names.
      const changed = Array.from({ length: CHANGED }, (_, index) => `m${9900 + index}`);
      const { items, revision } = await listed(client, async () => {
        for (const name of changed) {
          await client.patch(`${PATH}/${name}`, 'merge', { metadata: { labels: { changed: 'true' } } });
        }
      });
      expect(new Set(items.map(({ metadata }) => metadata?.name)).size).toBe(COUNT);
      expect(items.length).toBe(COUNT);
      expect(items.filter(({ metadata }) => metadata?.labels?.['changed'] !== undefined)).toEqual([]);

      const modified: string[] = [];
      const deleted = new Set<string>();
      for await (const { type, object } of client.watch<Pod>(PATH, revision, { query: SELECTOR })) {
        const name = object.metadata?.name ?? '';
        if (type === 'MODIFIED') modified.push(name);
        if (type === 'DELETED') deleted.add(name);
        if (type !== 'DELETED' && modified.length === CHANGED) {
          // The watch says whether it was done, however long the answer takes.
          void client.delete(PATH, undefined, { query: SELECTOR }).catch(() => undefined);
        }
        if (deleted.size === COUNT) break;
      }
      expect(modified).toEqual(changed);
    });
  } finally {
    await rm(root, { recursive: true, force: true });
  }
}, 300_000);
