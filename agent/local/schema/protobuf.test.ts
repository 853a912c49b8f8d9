import { expect, test } from 'vitest';
import { decodeProtobuf } from './protobuf.ts';

/** Fields of a message, each [number, content], written as a client writes them. */
function message(...fields: readonly (readonly [number, string | Buffer | number])[]): Buffer {
  const varint = (value: number): Buffer => {
    const bytes: number[] = [];
    let rest = value;
    for (; rest > 0x7f; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 0x80);
    return Buffer.from([...bytes, rest]);
  };
  const parts = fields.map(([number, content]) => {
    if (typeof content === 'number') return Buffer.concat([varint(number * 8), varint(content)]);
    const bytes = Buffer.from(content);
    return Buffer.concat([varint(number * 8 + 2), varint(bytes.length), bytes]);
  });
  return Buffer.concat(parts);
}

const body = (apiVersion: string, kind: string, raw: Buffer): Buffer =>
  Buffer.concat([Buffer.from('k8s\0'), message([1, message([1, apiVersion], [2, kind])], [2, raw])]);

test('a ConfigMap is read with its maps', () => {
  const metadata = message([1, 'a'], [3, 'default'], [11, message([1, 'app'], [2, 'x'])]);
  const raw = message(
    [1, metadata],
    [2, message([1, 'k'], [2, 'v'])],
    [3, message([1, 'b'], [2, Buffer.from([0, 255])])],
  );
  expect(decodeProtobuf(body('v1', 'ConfigMap', raw))).toEqual({
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: 'a', namespace: 'default', labels: { app: 'x' } },
    data: { k: 'v' },
    binaryData: { b: 'AP8=' },
  });
});

test('what Go embeds is no level of its own: sources of volumes, handlers of probes', () => {
  const volume = message([1, 'v'], [2, message([2, message([1, 'Memory'], [2, message([1, '1Mi'])])])]);
  const probe = message([1, message([2, message([1, '/x'], [2, message([1, 0], [2, 80], [3, ''])])])], [2, 3]);
  const container = message([1, 'c'], [2, 'i'], [10, probe]);
  const raw = message([1, message([1, 'p'])], [2, message([1, volume], [2, container])]);
  expect(decodeProtobuf(body('v1', 'Pod', raw))).toMatchObject({
    spec: {
      volumes: [{ name: 'v', emptyDir: { medium: 'Memory', sizeLimit: '1Mi' } }],
      containers: [
        { name: 'c', image: 'i', livenessProbe: { httpGet: { path: '/x', port: 80 }, initialDelaySeconds: 3 } },
      ],
    },
  });
});

test('times are text', () => {
  const raw = message([1, message([1, 'a'], [8, message([1, 1_700_000_000])])]);
  expect(decodeProtobuf(body('v1', 'Namespace', raw))).toMatchObject({
    metadata: { creationTimestamp: '2023-11-14T22:13:20Z' },
  });
});

test.each([
  ['no envelope', Buffer.from('{}')],
  ['an unknown kind', body('v1', 'Nothing', Buffer.alloc(0))],
  ['a field that is cut off', body('v1', 'ConfigMap', Buffer.from([0x0a, 0x7f, 1]))],
  ['a number without an end', body('v1', 'ConfigMap', Buffer.alloc(12, 0xff))],
])('%s is refused', (_what, bytes) => expect(() => decodeProtobuf(bytes)).toThrow(RangeError));
