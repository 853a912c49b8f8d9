import { expect, test } from 'vitest';
import { ExpiringCache } from './expiring-cache.ts';
import { ReviewCache } from './review-cache.ts';

test('a value is good until its time is over', () => {
  let now = 0;
  const cache = new ExpiringCache<string>(10, () => now);
  cache.set('a', 'value', 100);
  now = 99;
  expect(cache.get('a')).toBe('value');
  now = 100;
  expect(cache.get('a')).toBeUndefined();
  expect(cache.size).toBe(0);
});

test('the least recently used value goes first', () => {
  const cache = new ExpiringCache<number>(2);
  cache.set('a', 1, 1000);
  cache.set('b', 2, 1000);
  cache.get('a');
  cache.set('c', 3, 1000);
  expect([cache.get('a'), cache.get('b'), cache.get('c')]).toEqual([1, undefined, 3]);
});

test('many who ask the same at once make one request, and a failure is not remembered', async () => {
  const cache = new ReviewCache<boolean>(() => 1000);
  const { promise, reject } = Promise.withResolvers<boolean>();
  let asked = 0;
  const ask = () => {
    asked++;
    return promise;
  };
  const answers = [cache.get('key', ask), cache.get('key', ask)];
  reject(new Error('no API server'));
  for (const answer of answers) await expect(answer).rejects.toThrow('no API server');
  expect(asked).toBe(1);
  expect(await cache.get('key', () => Promise.resolve(true))).toBe(true);
});

test('strangers cannot queue up reviews without end', async () => {
  const cache = new ReviewCache<boolean>(() => 1000);
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const answers = Array.from({ length: 500 }, (_, index) => cache.get(`key ${index}`, () => promise));
  const settled = Promise.allSettled(answers);
  await expect(answers.at(-1)).rejects.toMatchObject({ code: 'Unavailable' });
  resolve(true);
  const refused = (await settled).filter(({ status }) => status === 'rejected').length;
  expect(refused).toBeGreaterThan(300);
  expect(refused).toBeLessThan(500);
});
