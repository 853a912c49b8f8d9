import { expect, test } from 'vitest';
import { canonicalQuantity, nanoOf } from './quantity.ts';

// As `kubectl get -o yaml` of a real API server shows them.
test.each([
  ['1000m', '1'],
  ['0.5', '500m'],
  ['1.5', '1500m'],
  ['100m', '100m'],
  ['2048Ki', '2Mi'],
  ['1024Mi', '1Gi'],
  ['1536Mi', '1536Mi'],
  ['0.5Gi', '512Mi'],
  ['1e3', '1e3'],
  ['1000', '1k'],
  ['1Ki', '1Ki'],
  ['512', '512'],
  ['0', '0'],
  ['0Mi', '0'],
  ['-1', '-1'],
])('%s is written as %s', (text, canonical) => expect(canonicalQuantity(text)).toBe(canonical));

test.each(['', 'x', '1x', '1.2.3', '1 Gi', 'Mi', '1e9999'])('%j is no quantity', (text) => {
  expect(canonicalQuantity(text)).toBeUndefined();
});

test('values are compared in billionths', () => {
  expect(nanoOf('1')).toBe(1_000_000_000n);
  expect(nanoOf('1n')).toBe(1n);
  expect(nanoOf('1Ki')).toBe(1_024_000_000_000n);
});
