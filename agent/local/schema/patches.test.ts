import { describe, expect, test } from 'vitest';
import { jsonPatch } from './json-patch.ts';
import { mergePatch } from './merge-patch.ts';
import { strategicMergePatch } from './strategic-merge.ts';

describe('a JSON patch (RFC 6902)', () => {
  // The examples of its appendix A.
  test.each([
    [{ foo: 'bar' }, [{ op: 'add', path: '/baz', value: 'qux' }], { foo: 'bar', baz: 'qux' }],
    [{ foo: ['a', 'c'] }, [{ op: 'add', path: '/foo/1', value: 'b' }], { foo: ['a', 'b', 'c'] }],
    [{ foo: ['a'] }, [{ op: 'add', path: '/foo/-', value: 'b' }], { foo: ['a', 'b'] }],
    [{ a: 1, b: 2 }, [{ op: 'remove', path: '/a' }], { b: 2 }],
    [{ a: 1 }, [{ op: 'replace', path: '/a', value: 2 }], { a: 2 }],
    [{ a: { b: 1 }, c: {} }, [{ op: 'move', from: '/a/b', path: '/c/d' }], { a: {}, c: { d: 1 } }],
    [{ a: 1 }, [{ op: 'copy', from: '/a', path: '/b' }], { a: 1, b: 1 }],
    [{ '/': 9, '~1': 10 }, [{ op: 'test', path: '/~01', value: 10 }], { '/': 9, '~1': 10 }],
  ])('of %j by %j gives %j', (document, patch, result) => expect(jsonPatch(document, patch)).toEqual(result));

  test.each([
    [[{ op: 'remove', path: '/nope' }]],
    [[{ op: 'replace', path: '/nope', value: 1 }]],
    [[{ op: 'test', path: '/a', value: 2 }]],
    [[{ op: 'add', path: '/list/5', value: 1 }]],
    [[{ op: 'add', path: '/nope/deeper', value: 1 }]],
    [[{ op: 'what', path: '/a' }]],
    [[{ op: 'add', path: 'a', value: 1 }]],
  ])('that cannot be done is refused, and changes nothing: %j', (patch) => {
    const document = { a: 1, list: [1] };
    expect(() => jsonPatch(document, [{ op: 'add', path: '/b', value: 1 }, ...patch])).toThrow('the server rejected');
    expect(document).toEqual({ a: 1, list: [1] });
  });
});

test('a merge patch takes away what is null and merges objects (RFC 7386)', () => {
  const result = mergePatch({ a: 'b', c: { d: 'e', f: 'g' }, l: [1] }, { a: 'z', c: { f: null }, l: [2] });
  expect(result).toEqual({ a: 'z', c: { d: 'e' }, l: [2] });
});

describe('a strategic merge patch', () => {
  const container = (name: string, more: object = {}) => ({ name, image: `${name}:1`, ...more });
  const pod = (containers: object[], more: object = {}) => ({ metadata: { name: 'p' }, spec: { containers, ...more } });
  const apply = (target: object, patch: object) =>
    strategicMergePatch('io.k8s.api.core.v1.Pod', target as Record<string, unknown>, patch as Record<string, unknown>);

  test('merges lists by the key of their elements', () => {
    const patch = pod([{ name: 'b', image: 'b:2' }, container('c')]);
    expect(apply(pod([container('a'), container('b')]), patch)).toEqual(
      pod([container('a'), { name: 'b', image: 'b:2' }, container('c')]),
    );
  });

  test('merges lists within the elements of lists', () => {
    const target = pod([container('a', { env: [{ name: 'X', value: '1' }] })]);
    const patch = { spec: { containers: [{ name: 'a', env: [{ name: 'Y', value: '2' }] }] } };
    expect(apply(target, patch)).toEqual(
      pod([
        container('a', {
          env: [
            { name: 'X', value: '1' },
            { name: 'Y', value: '2' },
          ],
        }),
      ]),
    );
  });

  test('deletes elements by the directive $patch, and fields by null', () => {
    const patch = { spec: { containers: [{ name: 'a', $patch: 'delete' }], hostname: null } };
    expect(apply(pod([container('a'), container('b')], { hostname: 'h' }), patch)).toEqual(pod([container('b')]));
  });

  test('replaces lists that have no key, and what says so', () => {
    const target = pod([container('a', { args: ['1', '2'] })], { nodeSelector: { a: '1', b: '2' } });
    const patch = { spec: { containers: [{ name: 'a', args: ['3'] }], nodeSelector: { $patch: 'replace', c: '3' } } };
    expect(apply(target, patch)).toEqual(pod([container('a', { args: ['3'] })], { nodeSelector: { c: '3' } }));
  });

  test('merges lists of plain values, and deletes from them', () => {
    const target = { metadata: { name: 'p', finalizers: ['a/a', 'b/b'] } };
    const patch = { metadata: { finalizers: ['c/c'], '$deleteFromPrimitiveList/finalizers': ['a/a'] } };
    expect(apply(target, patch)).toEqual({ metadata: { name: 'p', finalizers: ['b/b', 'c/c'] } });
  });

  test('brings lists into the order that is asked for', () => {
    const order = ['c', 'a', 'b'].map((name) => ({ name }));
    const patch = { spec: { '$setElementOrder/containers': order, containers: [container('c')] } };
    expect(apply(pod([container('a'), container('b')]), patch)).toEqual(
      pod([container('c'), container('a'), container('b')]),
    );
  });

  test('keeps of a volume only the kind of source that is named', () => {
    const target = pod([], { volumes: [{ name: 'v', emptyDir: {} }] });
    const patch = { spec: { volumes: [{ name: 'v', $retainKeys: ['name', 'hostPath'], hostPath: { path: '/x' } }] } };
    expect(apply(target, patch)).toEqual(pod([], { volumes: [{ name: 'v', hostPath: { path: '/x' } }] }));
  });

  test('with an unknown directive is refused', () => {
    expect(() => apply(pod([]), { spec: { $patch: 'explode' } })).toThrow('unknown patch type');
  });
});
