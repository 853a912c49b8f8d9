import { expect, test } from 'vitest';
import { parseDuration } from './duration.ts';
import { formatQuantity, milliValueOf, parseBytes, parseQuantity, quantityOf, subtract, valueOf } from './quantity.ts';

// The pairs are those of apimachinery's own table (pkg/api/resource/quantity_test.go, TestQuantityString and others).
test.each([
  ['0', '0'],
  ['100m', '100m'],
  ['1000m', '1'],
  ['1024', '1024'],
  ['1.5', '1500m'],
  ['1Gi', '1Gi'],
  ['1024Mi', '1Gi'],
  ['1536Mi', '1536Mi'],
  ['0.5Gi', '512Mi'],
  ['512', '512'],
  ['0.5Ki', '512'],
  ['1.1Ki', '1126400m'],
  ['12345678k', '12345678k'],
  ['1000000', '1M'],
  ['2048Ki', '2Mi'],
  ['1Ki', '1Ki'],
  ['1000', '1k'],
  ['0Mi', '0'],
  ['1e3', '1e3'],
  ['1E', '1E'],
  ['1E3', '1e3'],
  ['1500e-1', '150'],
  ['.5', '500m'],
  ['5.', '5'],
  ['+1', '1'],
  ['-250m', '-250m'],
  ['1n', '1n'],
  ['0.1n', '1n'],
  ['100u', '100u'],
])('%s is printed as %s', (text, printed) => {
  expect(formatQuantity(parseQuantity(text))).toBe(printed);
});

test.each(['', '.', 'm', '1 Gi', '1gi', '1K', '0x10', '1e', 'NaN', '1Zi', '--1', '1.2.3', '1e9999'])(
  '%s is not a quantity',
  (text) => {
    expect(() => parseQuantity(text)).toThrow(/is not a quantity/);
  },
);

test('values are rounded up to whole units and thousandths', () => {
  expect(valueOf(parseQuantity('1001m'))).toBe(2n);
  expect(milliValueOf(parseQuantity('0.1u'))).toBe(1n);
  expect(parseBytes('10Mi')).toBe(10 * 1024 ** 2);
});

test('numbers that no double holds stay exact', () => {
  expect(formatQuantity(parseQuantity('9007199254740993'))).toBe('9007199254740993');
  expect(valueOf(parseQuantity('8Ei'))).toBe(2n ** 63n);
});

test('a difference is not below zero and keeps the form of what it was taken from', () => {
  expect(formatQuantity(subtract(parseQuantity('1Gi'), parseQuantity('24Mi')))).toBe('1000Mi');
  expect(formatQuantity(subtract(parseQuantity('1'), parseQuantity('2')))).toBe('0');
  expect(formatQuantity(quantityOf(16_393_244 * 1024, 'BinarySI'))).toBe('16393244Ki');
});

test('durations are read as Go writes them', () => {
  expect(['0', '300ms', '10s', '1h30m', '1m0s'].map(parseDuration)).toEqual([0, 300, 10_000, 5_400_000, 60_000]);
  expect(() => parseDuration('10')).toThrow(/is not a duration/);
});
