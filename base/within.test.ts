import { expect, test } from 'vitest';
import { isSettledWithin } from './within.ts';

const LONG_MS = 2 ** 31 - 1;

test('what is settled in time is, and no timer is left', async () => {
  const timers = () => process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length;
  const before = timers();
  expect(await isSettledWithin(Promise.resolve('done'), LONG_MS)).toBe(true);
  expect(timers()).toBe(before);
});

test('what is not settled in time is not', async () => {
  expect(await isSettledWithin(new Promise(() => undefined), 1)).toBe(false);
});

test("a rejection is the caller's", async () => {
  await expect(isSettledWithin(Promise.reject(new Error('fault')), LONG_MS)).rejects.toThrow('fault');
});
