import { expect, test } from 'vitest';
import { KubeApiError, type KubeClient } from './client.ts';
import { createObjectCache } from './object-cache.ts';
import type { Secret } from './types.ts';

/** Answers gets by whatever `answer` says, and counts them. */
function setUp(answer: () => Promise<Secret>) {
  let gets = 0;
  let nowMs = 0;
  const client = {
    get: () => {
      gets += 1;
      return answer();
    },
  } as unknown as KubeClient;
  const cache = createObjectCache(client, { ttlMs: 60_000, now: () => nowMs });
  return { cache, gets: () => gets, pass: (ms: number) => (nowMs += ms) };
}

const secret = (version: string): Secret => ({ metadata: { name: 's', resourceVersion: version } });

test('one request serves all who ask at once, and those who ask within the minute', async () => {
  const { cache, gets, pass } = setUp(() => Promise.resolve(secret('1')));
  await Promise.all([cache.secret('a', 's'), cache.secret('a', 's')]);
  pass(59_999);
  expect(await cache.secret('a', 's')).toEqual(secret('1'));
  expect(gets()).toBe(1);
  pass(1);
  await cache.secret('a', 's');
  expect(gets()).toBe(2);
});

test('an invalidated namespace is read again, others are not', async () => {
  const { cache, gets } = setUp(() => Promise.resolve(secret('1')));
  await cache.secret('a', 's');
  await cache.secret('b', 's');
  cache.invalidate('a');
  await cache.secret('a', 's');
  await cache.secret('b', 's');
  expect(gets()).toBe(3);
});

test('what does not exist is undefined and asked for again, for it may come', async () => {
  const { cache, gets } = setUp(() => Promise.reject(new KubeApiError(404, 'NotFound', 'not found')));
  expect(await cache.secret('a', 's')).toBeUndefined();
  expect(await cache.secret('a', 's')).toBeUndefined();
  expect(gets()).toBe(2);
});

test('what was read before serves on while the API server is away', async () => {
  let away = false;
  const { cache, pass } = setUp(() => (away ? Promise.reject(new Error('away')) : Promise.resolve(secret('1'))));
  await cache.secret('a', 's');
  away = true;
  pass(60_000);
  expect(await cache.secret('a', 's')).toEqual(secret('1'));
  await expect(cache.configMap('a', 's')).rejects.toThrow('away');
});

test('a refusal is told, whatever was read before', async () => {
  let refused = false;
  const { cache, pass } = setUp(() =>
    refused ? Promise.reject(new KubeApiError(403, 'Forbidden', 'no')) : Promise.resolve(secret('1')),
  );
  await cache.secret('a', 's');
  refused = true;
  pass(60_000);
  await expect(cache.secret('a', 's')).rejects.toMatchObject({ status: 403 });
});

test('one who gives up does not end the request for the others', async () => {
  const gate = Promise.withResolvers<Secret>();
  const { cache } = setUp(() => gate.promise);
  const controller = new AbortController();
  const impatient = cache.secret('a', 's', controller.signal);
  const patient = cache.secret('a', 's');
  controller.abort(new Error('gone'));
  await expect(impatient).rejects.toThrow('gone');
  gate.resolve(secret('1'));
  expect(await patient).toEqual(secret('1'));
});
