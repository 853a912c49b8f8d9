import { EventEmitter, once } from 'node:events';
import { createServer } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { bundle } from '../../build/bundle.ts';
import { testFolder } from '../../runtime/test-folder.ts';
import { SeededRandom } from '../../test/support/random.ts';
import { Up } from '../../test/support/up.ts';
import { errnoOf } from '../../base/errors.ts';
import { silentLogger } from '../../base/log.ts';
import type { KubeClient } from '../kube/client.ts';
import { createKubeClient } from '../kube/http-client.ts';
import type { KubeObject } from '../kube/types.ts';
import { Watcher, Writer } from './test-clients.ts';

const KILLS = Number(process.env['WASMLET_TEST_KILLS'] ?? 6);
const { WASMLET_TEST_SEED: givenSeed } = process.env;
const random = new SeededRandom(givenSeed === undefined ? undefined : Number(givenSeed));

/** After the first write that a start has acknowledged, in milliseconds. */
const MAX_AFTER_WRITE_MS = 300;
/** Each so many-th time it is killed while it starts. */
const STARTING = 4;
const MAX_AFTER_START_MS = 1500;
const KILL_TIMEOUT_MS = 30_000;

const LABELS = { of: 'kills' };
const SELECTOR = 'of=kills';
const PAGE = 2;

/** What is written; nobody schedules the pods, so that nobody else writes them. */
const WRITTEN = [
  { path: 'configmaps', template: { apiVersion: 'v1', kind: 'ConfigMap', data: { text: 'x'.repeat(500) } } },
  { path: 'secrets', template: { apiVersion: 'v1', kind: 'Secret', stringData: { text: 'y' } } },
  {
    path: 'pods',
    template: {
      apiVersion: 'v1',
      kind: 'Pod',
      spec: { schedulerName: 'nobody', containers: [{ name: 'c', image: 'example/hello:1' }] },
    },
  },
].map(({ path, template }) => ({ path: `/api/v1/namespaces/default/${path}`, template }));

/** One that no connection is given, so that nobody has it while the server is down. */
async function portForGood(): Promise<number> {
  for (;;) {
    const port = random.between(20_000, 29_999);
    const server = createServer().listen(port, '127.0.0.1');
    try {
      await once(server, 'listening');
      return port;
    } catch (error) {
      if (errnoOf(error) !== 'EADDRINUSE') throw error;
    } finally {
      server.close();
    }
  }
}

const clientOf = ({ kubeconfig }: Up): KubeClient =>
  createKubeClient({ kubeconfigFile: kubeconfig, qps: Infinity, burst: 1, timeoutMs: 120_000, logger: silentLogger });

async function listed(client: KubeClient, path: string): Promise<KubeObject[]> {
  const items: KubeObject[] = [];
  for (let next: string | undefined = ''; next !== undefined;) {
    const query = { labelSelector: SELECTOR, limit: PAGE, continue: next || undefined };
    const page: Awaited<ReturnType<typeof client.list>> = await client.list(path, { query });
    items.push(...page.items);
    next = page.metadata.continue;
  }
  return items;
}

const byName = (objects: readonly KubeObject[]) =>
  objects.toSorted((a, b) => ((a.metadata?.name ?? '') < (b.metadata?.name ?? '') ? -1 : 1));

test(
  `wasmlet up is killed ${KILLS} times while clients write and watch: nothing acknowledged is lost, no event comes twice ` +
    `or never (WASMLET_TEST_SEED=${random.seed})`,
  async ({ signal }) => {
    // As it is published, which starts sooner.
    using program = testFolder();
    await bundle(program.path);
    const command = [process.execPath, join(program.path, 'cli.mjs')];
    await using up = await Up.create(await portForGood(), command);
    await up.start();
    expect(existsSync(up.kubeconfig)).toBe(true);
    await using client = clientOf(up);
    const told = new EventEmitter();
    const ended = new AbortController();
    const failed = new AbortController();
    const revision = (await client.list(WRITTEN[0]?.path ?? '')).metadata.resourceVersion ?? '';
    const pairs = WRITTEN.map(({ path, template }) => {
      const watching = { client, path, labelSelector: SELECTOR, revision, random };
      return {
        path,
        writer: new Writer({ client, path, template, labels: LABELS, told }),
        watchers: [50, Infinity].map((restlessness) => new Watcher({ ...watching, restlessness })),
      };
    });
    const running = Promise.all(
      pairs.flatMap(({ writer, watchers }) => [writer.run(ended.signal), ...watchers.map((watcher) => watcher.run())]),
    );
    running.catch((error: unknown) => failed.abort(error));
    const written = () => once(told, 'acknowledged', { signal: AbortSignal.any([signal, failed.signal]) });
    for (let kills = 1; kills <= KILLS; kills += 1) {
      await written();
      await delay(random.between(0, MAX_AFTER_WRITE_MS));
      expect(await up.end('SIGKILL')).toBe('SIGKILL');
      up.launch().stdout.resume();
      if (kills % STARTING !== 0) continue;
      await delay(random.between(0, MAX_AFTER_START_MS));
      expect(await up.end('SIGKILL')).toBe('SIGKILL');
      up.launch().stdout.resume();
    }
    await written();
    ended.abort();
    await running;
    for (const { path, writer, watchers } of pairs) {
      for (const watcher of watchers) {
        expect(watcher.story).toEqual(writer.story);
        expect(watcher.resumed).toBeGreaterThanOrEqual(KILLS);
      }
      expect(byName(await listed(client, path))).toEqual(byName(writer.objects));
    }
  },
  120_000 + KILLS * KILL_TIMEOUT_MS,
);
