import { expect, test } from 'vitest';
import { goDuration, KeyedBackoff } from './backoff.ts';

test('the delay doubles from 10 s to its ceiling', () => {
  let now = 0;
  const backoff = new KeyedBackoff(10_000, 300_000, () => now);
  const delays = Array.from({ length: 7 }, () => {
    backoff.next('a', now);
    const delay = backoff.get('a');
    now += delay;
    return delay / 1000;
  });
  expect(delays).toEqual([10, 20, 40, 80, 160, 300, 300]);
});

test('a container that ran well for twice the ceiling begins anew', () => {
  let now = 0;
  const backoff = new KeyedBackoff(10_000, 300_000, () => now);
  backoff.next('a', 0);
  backoff.next('a', 0);
  now = 600_001;
  expect(backoff.isInBackoffSince('a', now)).toBe(false);
  backoff.next('a', now);
  expect(backoff.get('a')).toBe(10_000);
});

test('the delay counts from when it happened, and only for its key', () => {
  let now = 1000;
  const backoff = new KeyedBackoff(10_000, 300_000, () => now);
  backoff.next('a', now);
  expect(backoff.isInBackoffSince('a', 1000)).toBe(true);
  expect(backoff.isInBackoffSince('b', 1000)).toBe(false);
  expect(backoff.endsAt('a')).toBe(11_000);
  now = 11_000;
  expect(backoff.isInBackoffSince('a', 1000)).toBe(false);
  expect(backoff.endsAt('a')).toBeUndefined();
});

test('a ceiling below the first delay lowers it', () => {
  const backoff = new KeyedBackoff(10_000, 1000);
  backoff.next('a', 0);
  expect(backoff.get('a')).toBe(1000);
});

test.each([
  [0, '0s'],
  [35, '35ms'],
  [1204, '1.204s'],
  [10_000, '10s'],
  [80_000, '1m20s'],
  [300_000, '5m0s'],
  [3_661_000, '1h1m1s'],
])('%i ms are written as %s', (milliseconds, text) => {
  expect(goDuration(milliseconds)).toBe(text);
});
