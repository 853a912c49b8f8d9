import { describe, expect, test } from 'vitest';
import { expand, mappingFor } from './expansion.ts';

const mapping = mappingFor(
  new Map([
    ['A', 'a'],
    ['EMPTY', ''],
    ['REF', '$(A)'],
  ]),
  new Map([
    ['A', 'later'],
    ['B', 'b'],
  ]),
);

describe('expand', () => {
  test.each([
    ['plain', 'plain'],
    ['$(A)', 'a'],
    ['x$(A)-$(B)y', 'xa-by'],
    ['$(EMPTY)|', '|'],
    ['$(UNKNOWN)', '$(UNKNOWN)'],
    ['$$(A)', '$(A)'],
    ['$$$(A)', '$a'],
    ['$$$$(A)', '$$(A)'],
    ['$(A', '$(A'],
    ['$(A$(B)', '$(A$(B)'],
    ['$A', '$A'],
    ['trailing$', 'trailing$'],
    ['$()', '$()'],
    ['$(REF)', '$(A)'],
  ])('turns %j into %j', (input, output) => {
    expect(expand(input, mapping)).toBe(output);
  });

  test('keeps replacement patterns of JavaScript in values as text', () => {
    expect(expand('$(A)', () => '$& $1')).toBe('$& $1');
  });
});
