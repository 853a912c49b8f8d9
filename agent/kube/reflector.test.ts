import { describe, expect, test } from 'vitest';
import { silentLogger, type Logger } from '../../base/log.ts';
import { KubeApiError, type KubeClient, type KubeList, type RequestOptions, type WatchEvent } from './client.ts';
import { createReflector } from './reflector.ts';
import type { Pod } from './types.ts';

const pod = (name: string, version: number, uid = name): Pod => ({
  metadata: { namespace: 'a', name, uid, resourceVersion: String(version) },
});
const list = (items: Pod[], version: number, next = ''): KubeList<Pod> => ({
  metadata: { resourceVersion: String(version), continue: next },
  items,
});

type Watch = WatchEvent<Pod>[] | Error;

/** Answers lists and watches in turn; once they are used up a watch stays open until the signal ends it. */
function scripted(lists: (KubeList<Pod> | Error)[], watches: Watch[]) {
  const calls: unknown[] = [];
  const client = {
    list: (_path: string, { query }: RequestOptions) => {
      calls.push({ list: query?.['continue'] ?? `rv=${String(query?.['resourceVersion'])}` });
      const next = lists.shift();
      if (next === undefined) throw new Error('one list too many');
      return next instanceof Error ? Promise.reject(next) : Promise.resolve(next);
    },
    async *watch(_path: string, version: string, { signal }: { signal: AbortSignal }) {
      calls.push({ watch: version });
      const next = watches.shift();
      if (next instanceof Error) throw next;
      yield* next ?? [];
      if (next === undefined) await new Promise((resolve) => signal.addEventListener('abort', resolve));
    },
  } as unknown as KubeClient;
  return { client, calls };
}

/** Runs a reflector until so many notifications came. */
async function observe(script: ReturnType<typeof scripted>, count: number, logger: Logger = silentLogger) {
  const controller = new AbortController();
  const seen: string[] = [];
  const note = (what: string) => {
    seen.push(what);
    if (seen.length >= count) setImmediate(() => controller.abort());
  };
  const name = ({ metadata }: Pod) => `${metadata?.name ?? ''}@${metadata?.resourceVersion ?? ''}`;
  const reflector = createReflector<Pod>({
    client: script.client,
    path: '/api/v1/pods',
    handler: {
      onAdd: (object) => note(`add ${name(object)}`),
      onUpdate: (object, previous) => note(`update ${name(previous)} to ${name(object)}`),
      onDelete: (object) => note(`delete ${name(object)}`),
    },
    logger,
    backoff: { initialMs: 1, maxMs: 1 },
  });
  await reflector.run(controller.signal);
  return { reflector, seen, calls: script.calls };
}

describe('a reflector', () => {
  test('lists in pages, then watches from where the list ended', async () => {
    const script = scripted(
      [list([pod('x', 3)], 10, 'more'), list([pod('y', 4)], 10)],
      [[{ type: 'MODIFIED', object: pod('x', 11) }], [{ type: 'DELETED', object: pod('y', 12) }]],
    );
    const { reflector, seen, calls } = await observe(script, 4);
    await reflector.synced;
    expect(seen).toEqual(['add x@3', 'add y@4', 'update x@3 to x@11', 'delete y@12']);
    expect(calls).toEqual([{ list: 'rv=0' }, { list: 'more' }, { watch: '10' }, { watch: '11' }, { watch: '12' }]);
    expect(reflector.get('a/x')?.metadata?.resourceVersion).toBe('11');
    expect(reflector.list()).toHaveLength(1);
  });

  test('goes on from a bookmark', async () => {
    const script = scripted(
      [list([], 10)],
      [[{ type: 'BOOKMARK', object: pod('', 50) }], [{ type: 'ADDED', object: pod('x', 51) }]],
    );
    const { calls } = await observe(script, 1);
    expect(calls.slice(0, 3)).toEqual([{ list: 'rv=0' }, { watch: '10' }, { watch: '50' }]);
  });

  test('lists the newest state anew after 410, and tells what went meanwhile', async () => {
    const script = scripted(
      [list([pod('x', 1), pod('y', 1)], 10), list([pod('y', 2)], 20)],
      [new KubeApiError(410, 'Expired', 'too old resource version')],
    );
    const { seen, calls } = await observe(script, 4);
    expect(calls).toEqual([{ list: 'rv=0' }, { watch: '10' }, { list: 'rv=' }, { watch: '20' }]);
    expect(seen.slice(2)).toEqual(['delete x@1', 'update y@1 to y@2']);
  });

  test('watches on without a list after the connection broke', async () => {
    const script = scripted([list([], 10)], [new Error('ECONNRESET'), [{ type: 'ADDED', object: pod('x', 11) }]]);
    const { calls } = await observe(script, 1);
    expect(calls.slice(0, 3)).toEqual([{ list: 'rv=0' }, { watch: '10' }, { watch: '10' }]);
  });

  test('starts a list over whose continue token has expired', async () => {
    const script = scripted(
      [list([pod('x', 1)], 10, 'more'), new KubeApiError(410, 'Expired', 'gone'), list([pod('x', 2)], 20)],
      [],
    );
    const { calls } = await observe(script, 1);
    expect(calls).toEqual([{ list: 'rv=0' }, { list: 'more' }, { list: 'rv=' }, { watch: '20' }]);
  });

  test('tells an object that was made anew under its old name as another one', async () => {
    const script = scripted([list([pod('x', 1)], 10)], [[{ type: 'MODIFIED', object: pod('x', 11, 'other') }]]);
    const { seen } = await observe(script, 3);
    expect(seen).toEqual(['add x@1', 'delete x@1', 'add x@11']);
  });

  test('survives a handler that throws, and logs it', async () => {
    const errors: unknown[] = [];
    const controller = new AbortController();
    const logger: Logger = { ...silentLogger, error: (_message, fields) => errors.push(fields?.['error']) };
    const script = scripted([list([pod('x', 1), pod('y', 1)], 10)], []);
    const reflector = createReflector<Pod>({
      client: script.client,
      path: '/api/v1/pods',
      handler: {
        onAdd: ({ metadata }) => {
          if (metadata?.name === 'y') setImmediate(() => controller.abort());
          throw new Error(`no ${metadata?.name ?? ''}`);
        },
        onUpdate: () => undefined,
        onDelete: () => undefined,
      },
      logger,
    });
    await reflector.run(controller.signal);
    expect(errors.map(String)).toEqual(['Error: no x', 'Error: no y']);
    expect(reflector.list()).toHaveLength(2);
  });

  test('that never got a list says so to those who wait for it', async () => {
    const controller = new AbortController();
    controller.abort();
    const reflector = createReflector<Pod>({
      client: scripted([], []).client,
      path: '/api/v1/pods',
      logger: silentLogger,
    });
    await reflector.run(controller.signal);
    await expect(reflector.synced).rejects.toMatchObject({ code: 'Cancelled' });
  });
});
