import { expect, test } from 'vitest';
import { fillRandom } from './random.ts';

test('no bytes are given twice, nor left zero, also over the end of what is drawn ahead', () => {
  const draws = Array.from({ length: 1000 }, (_, index) => {
    const view = new Uint8Array(index % 2 === 0 ? 16 : 250);
    fillRandom(view);
    return Buffer.from(view.subarray(-16)).toString('hex');
  });
  expect(new Set(draws).size).toBe(draws.length);
  expect(draws).not.toContain('00'.repeat(16));
});

test.each([0, 256, 257, 65_536, 100_000])('a view of %i bytes is filled whole, and nothing beside it', (length) => {
  const bytes = new Uint8Array(length + 32);
  fillRandom(bytes.subarray(16, 16 + length));
  expect([...bytes.subarray(0, 16), ...bytes.subarray(16 + length)].every((byte) => byte === 0)).toBe(true);
  if (length > 0) expect(bytes.subarray(16, 16 + length).some((byte) => byte !== 0)).toBe(true);
  // Of bytes at random, 16 in a row are zero once in 2^128.
  if (length > 16) expect(bytes.subarray(length, 16 + length).some((byte) => byte !== 0)).toBe(true);
});
