import { expect, test } from 'vitest';
import type { ApiObject } from '../storage/object.ts';
import { fieldSelector, labelSelector } from './selectors.ts';

const object = (labels: Record<string, string>): ApiObject => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'p', namespace: 'n', labels },
});

test.each([
  ['', {}, true],
  ['a=1', { a: '1' }, true],
  ['a==1', { a: '2' }, false],
  ['a!=1', {}, true],
  ['a', { a: '' }, true],
  ['!a', { a: '' }, false],
  ['a in (1, 2)', { a: '2' }, true],
  ['a in (1,2)', {}, false],
  ['a notin (1,2)', {}, true],
  ['a notin (1,2)', { a: '1' }, false],
  ['a=1,b in (x,y),!c', { a: '1', b: 'y' }, true],
  ['a>5', { a: '6' }, true],
  ['a<5', { a: '6' }, false],
  ['example.com/a=', { 'example.com/a': '' }, true],
])('the label selector %j of %j: %s', (text, labels, expected) => {
  expect(labelSelector(text)(object(labels))).toBe(expected);
});

test.each(['a in (b', '=x', 'a b', 'a/b/c=1'])('the label selector %j is refused', (text) => {
  expect(() => labelSelector(text)).toThrow('unable to parse requirement');
});

test('fields are selected by what the kind offers, and by nothing else', () => {
  const fields = { 'status.phase': ({ kind }: ApiObject) => kind };
  expect(fieldSelector('metadata.name=p,status.phase!=Job', fields)(object({}))).toBe(true);
  expect(fieldSelector('metadata.namespace=other', fields)(object({}))).toBe(false);
  expect(() => fieldSelector('spec.foo=1', fields)).toThrow('field label not supported: spec.foo');
});
