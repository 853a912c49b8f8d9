import { describe, expect, test } from 'vitest';
import { decode } from './decode.ts';

const POD = 'io.k8s.api.core.v1.Pod';
const TITLE = { kind: 'Pod', version: 'v1' };
const pod = (container: object, spec: object = {}): object => ({
  metadata: { name: 'a' },
  spec: { containers: [{ name: 'c', image: 'i', ...container }], ...spec },
});

describe('an object that is read as its kind has it', () => {
  test('loses what is empty, as Go leaves it out', () => {
    const given = pod({ env: [], args: [], stdin: false, command: ['x'] }, { nodeSelector: {}, hostname: '' });
    expect(decode(POD, given, TITLE)).toEqual({ value: pod({ command: ['x'] }), unknown: [] });
  });

  test('keeps zeros and empty objects that mean something', () => {
    const given = pod({ resources: {} }, { terminationGracePeriodSeconds: 0, volumes: [{ name: 'v', emptyDir: {} }] });
    expect(decode(POD, given, TITLE).value).toEqual(given);
  });

  test('loses what the kind does not know, and says where it was', () => {
    const { value, unknown } = decode(POD, pod({ foo: 1, ports: [{ containerPort: 1, bar: 2 }] }), TITLE);
    expect(unknown).toEqual([
      'unknown field "spec.containers[0].foo"',
      'unknown field "spec.containers[0].ports[0].bar"',
    ]);
    expect(value).toEqual(pod({ ports: [{ containerPort: 1 }] }));
  });

  test('has its quantities in their canonical form', () => {
    const { value } = decode(POD, pod({ resources: { limits: { cpu: 0.5, memory: '1024Mi' } } }), TITLE);
    expect(value).toEqual(pod({ resources: { limits: { cpu: '500m', memory: '1Gi' } } }));
  });

  test('keeps names that JavaScript has a meaning for', () => {
    const data = JSON.parse('{"data":{"__proto__":"a","constructor":"b"}}') as object;
    const { value } = decode('io.k8s.api.core.v1.ConfigMap', data, { kind: 'ConfigMap', version: 'v1' });
    expect(Object.keys(value['data'] as object)).toEqual(['__proto__', 'constructor']);
  });
});

test.each([
  [
    pod({ args: 'x' }),
    'json: cannot unmarshal string into Go struct field Container.spec.containers.args of type []string',
  ],
  [
    pod({ ports: [{ containerPort: 'http' }] }),
    'json: cannot unmarshal string into Go struct field ContainerPort.spec.containers.ports.containerPort of type int32',
  ],
  [
    { metadata: { name: 'a', labels: { a: 5 } } },
    'json: cannot unmarshal number into Go struct field ObjectMeta.metadata.labels of type string',
  ],
])('a value of another type is refused in the words of encoding/json: %j', (given, message) => {
  expect(() => decode(POD, given, TITLE)).toThrow(`Pod in version "v1" cannot be handled as a Pod: ${message}`);
});
