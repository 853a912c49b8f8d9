import { describe, expect, test } from 'vitest';
import type { Pod } from '../kube/types.ts';
import { fieldPathValue, formatMap, splitSubscript } from './field-path.ts';

const pod: Pod = {
  metadata: {
    name: 'web-0',
    namespace: 'shop',
    uid: 'u-1',
    labels: { app: 'web', 'example.com/tier': 'front' },
    annotations: { Note: 'says "hi"\nand more' },
  },
};

describe('fieldPathValue', () => {
  test.each([
    ['metadata.name', 'web-0'],
    ['metadata.namespace', 'shop'],
    ['metadata.uid', 'u-1'],
    ["metadata.labels['app']", 'web'],
    ["metadata.labels['example.com/tier']", 'front'],
    ["metadata.labels['none']", ''],
    ["metadata.labels['constructor']", ''],
    ["metadata.annotations['Note']", 'says "hi"\nand more'],
    ['metadata.labels', 'app="web"\nexample.com/tier="front"'],
    ['metadata.annotations', 'Note="says \\"hi\\"\\nand more"'],
  ])('of %s', (path, value) => {
    expect(fieldPathValue(pod, path)).toBe(value);
  });

  test.each([
    ['status.phase', 'unsupported fieldPath: status.phase'],
    ["spec.containers['a']", 'fieldPath "spec.containers[\'a\']" does not support subscript'],
    ["metadata.labels['']", "invalid key subscript in metadata.labels['']: "],
    ["metadata.labels['a/b/c']", "invalid key subscript in metadata.labels['a/b/c']: "],
    ["metadata.labels['Up/b']", "invalid key subscript in metadata.labels['Up/b']: "],
  ])('refuses %s', (path, message) => {
    expect(() => fieldPathValue(pod, path)).toThrow(message);
  });
});

describe('splitSubscript', () => {
  test.each([
    ["metadata.annotations['myKey']", { path: 'metadata.annotations', key: 'myKey' }],
    ["metadata.annotations['a[b]c']", { path: 'metadata.annotations', key: 'a[b]c' }],
    ["metadata.labels['']", { path: 'metadata.labels', key: '' }],
    ["metadata.labels['a']['b']", { path: 'metadata.labels', key: "a']['b" }],
    ['metadata.labels', undefined],
    ["['a']", undefined],
    ["labels']", undefined],
  ])('of %s', (path, result) => {
    expect(splitSubscript(path)).toEqual(result);
  });
});

describe('formatMap', () => {
  test('sorts keys and quotes values as Go does', () => {
    const values = {
      b: 'tab\tbell\x07nul\0del\x7f',
      a: 'back\\slash',
      c: 'é ☃ 😀',
      d: 'nbsp\u00a0zero\u200b',
      e: '\u{e0001}',
    };
    expect(formatMap(values).split('\n')).toEqual([
      'a="back\\\\slash"',
      'b="tab\\tbell\\anul\\x00del\\x7f"',
      'c="é ☃ 😀"',
      'd="nbsp\\u00a0zero\\u200b"',
      'e="\\U000e0001"',
    ]);
  });

  test('of no values is nothing', () => {
    expect(formatMap({})).toBe('');
  });
});
