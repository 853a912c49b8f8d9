import { describe, expect, test } from 'vitest';
import { KubeApiError } from '../kube/client.ts';
import type { Container, EnvVar, Service } from '../kube/types.ts';
import { base64, examplePod, fakeObjects } from '../volumes/fixtures.ts';
import { createEnvironmentMaker } from './environment-maker.ts';

const addresses = { podIPs: ['10.1.0.5', 'fd00::5'], hostIPs: ['192.0.2.1', '2001:db8::1'] };
const kubernetes: Service = {
  metadata: { namespace: 'default', name: 'kubernetes' },
  spec: { clusterIP: '10.0.0.1', ports: [{ name: 'https', port: 443, protocol: 'TCP' }] },
};

function setUp(options: { services?: Service[]; synced?: Promise<void> } = {}) {
  const objects = fakeObjects();
  const maker = createEnvironmentMaker({
    objects,
    services: { list: () => options.services ?? [], synced: options.synced ?? Promise.resolve() },
    masterServiceNamespace: 'default',
    node: { allocatable: () => ({ cpu: '2', memory: '1Gi' }) },
    servicesTimeoutMs: 20,
  });
  const pod = examplePod({}, { labels: { app: 'web' } });
  const make = async (container: Partial<Container>, at = addresses, signal = new AbortController().signal) => {
    const { envs } = await maker.make(pod, { name: 'app', ...container }, at, signal);
    expect(new Set(envs.map(({ name }) => name)).size).toBe(envs.length);
    return Object.fromEntries(envs.map(({ name, value }) => [name, value]));
  };
  return { objects, make };
}

const fieldRef = (name: string, fieldPath: string): EnvVar => ({ name, valueFrom: { fieldRef: { fieldPath } } });

describe('the environment of a container', () => {
  test('expands references to variables before and to services, and keeps the others', async () => {
    const { make } = setUp({ services: [kubernetes] });
    const env = await make({
      env: [
        { name: 'A', value: 'a' },
        { name: 'B', value: '$(A)-$(LATER)-$$(A)-$(KUBERNETES_SERVICE_HOST)' },
        { name: 'LATER', value: 'x' },
        { name: 'EMPTY' },
        { name: 'A', value: '$(A)$(A)' },
      ],
    });
    expect(env).toMatchObject({ A: 'aa', B: 'a-$(LATER)-$(A)-10.0.0.1', LATER: 'x', EMPTY: '' });
  });

  test('prefers what the container says to what services are', async () => {
    const { make } = setUp({ services: [kubernetes] });
    const env = await make({ env: [{ name: 'KUBERNETES_SERVICE_HOST', value: 'mine' }] });
    expect(env['KUBERNETES_SERVICE_HOST']).toBe('mine');
    expect(env['KUBERNETES_SERVICE_PORT_HTTPS']).toBe('443');
  });

  test('takes whole ConfigMaps and Secrets with a prefix; later sources and env win', async () => {
    const { make, objects } = setUp();
    objects.configMaps.set('ns/c', { data: { a: '1', 'dotted.key-x': '2', both: 'configmap' } });
    objects.secrets.set('ns/s', { data: { both: base64('secret'), over: base64('3') } });
    const env = await make({
      envFrom: [
        { configMapRef: { name: 'c' } },
        { prefix: 'P_', configMapRef: { name: 'c' } },
        { secretRef: { name: 's' } },
        { secretRef: { name: 'gone', optional: true } },
        { configMapRef: { name: 'gone', optional: true } },
      ],
      env: [
        { name: 'over', value: 'env' },
        { name: 'ref', value: '$(both)' },
      ],
    });
    expect(env).toEqual({
      a: '1',
      'dotted.key-x': '2',
      both: 'secret',
      P_a: '1',
      'P_dotted.key-x': '2',
      P_both: 'configmap',
      over: 'env',
      ref: 'secret',
    });
  });

  test('takes single keys, and leaves optional ones out that are not there', async () => {
    const { make, objects } = setUp();
    objects.configMaps.set('ns/c', { data: { a: '1', empty: '' } });
    objects.secrets.set('ns/s', { data: { b: base64('é') } });
    const env = await make({
      env: [
        { name: 'A', valueFrom: { configMapKeyRef: { name: 'c', key: 'a' } } },
        { name: 'NONE', valueFrom: { configMapKeyRef: { name: 'c', key: 'empty' } } },
        { name: 'B', valueFrom: { secretKeyRef: { name: 's', key: 'b' } } },
        { name: 'C', valueFrom: { configMapKeyRef: { name: 'c', key: 'z', optional: true } } },
        { name: 'D', valueFrom: { secretKeyRef: { name: 'gone', key: 'z', optional: true } } },
      ],
    });
    expect(env).toEqual({ A: '1', NONE: '', B: 'é' });
  });

  test('tells fields of the pod and where it runs', async () => {
    const { make } = setUp();
    const fields = {
      NAME: ['metadata.name', 'pod'],
      NAMESPACE: ['metadata.namespace', 'ns'],
      UID: ['metadata.uid', 'uid-1'],
      LABEL: ["metadata.labels['app']", 'web'],
      LABELS: ['metadata.labels', 'app="web"'],
      NODE: ['spec.nodeName', 'node-1'],
      HOST: ['spec.host', 'node-1'],
      ACCOUNT: ['spec.serviceAccountName', 'default'],
      HOST_IP: ['status.hostIP', '192.0.2.1'],
      HOST_IPS: ['status.hostIPs', '192.0.2.1,2001:db8::1'],
      POD_IP: ['status.podIP', '10.1.0.5'],
      POD_IPS: ['status.podIPs', '10.1.0.5,fd00::5'],
    } as const;
    const env = await make({ env: Object.entries(fields).map(([name, [path]]) => fieldRef(name, path)) });
    expect(env).toEqual(Object.fromEntries(Object.entries(fields).map(([name, [, value]]) => [name, value])));
  });

  test("orders the pod's addresses as the node's", async () => {
    const { make } = setUp();
    const env = [fieldRef('IP', 'status.podIP'), fieldRef('IPS', 'status.podIPs')];
    const podIPs = ['10.1.0.5', 'fd00::5', 'fd00::6'];
    expect(await make({ env }, { podIPs, hostIPs: ['2001:db8::1'] })).toEqual({
      IP: 'fd00::5',
      IPS: 'fd00::5,10.1.0.5',
    });
    expect(await make({ env }, { podIPs: [], hostIPs: ['192.0.2.1'] })).toEqual({ IP: '', IPS: '' });
  });

  test('tells resources, by default those of the node', async () => {
    const { make } = setUp();
    const resourceFieldRef = { resource: 'limits.memory', divisor: '1Mi' };
    const env: EnvVar[] = [{ name: 'MEM', valueFrom: { resourceFieldRef } }];
    expect(await make({ env })).toEqual({ MEM: '1024' });
    expect(await make({ env, resources: { limits: { memory: '100M' } } })).toEqual({ MEM: '96' });
  });

  const key = { name: 'o', key: 'k' };
  const failures: [Partial<Container>, string][] = [
    [{ envFrom: [{ configMapRef: { name: 'gone' } }] }, 'configmap "gone" not found'],
    [{ envFrom: [{ secretRef: { name: 'gone' } }] }, 'secret "gone" not found'],
    [{ env: [{ name: 'A', valueFrom: { configMapKeyRef: { ...key, name: 'gone' } } }] }, 'configmap "gone" not found'],
    [{ env: [{ name: 'A', valueFrom: { secretKeyRef: { ...key, name: 'gone' } } }] }, 'secret "gone" not found'],
    [{ env: [{ name: 'A', valueFrom: { configMapKeyRef: key } }] }, "couldn't find key k in ConfigMap ns/o"],
    [{ env: [{ name: 'A', valueFrom: { secretKeyRef: key } }] }, "couldn't find key k in Secret ns/o"],
    [{ env: [fieldRef('A', 'spec.containers')] }, 'field label not supported: spec.containers'],
    [{ env: [fieldRef('A', 'status.phase')] }, 'unsupported fieldPath: status.phase'],
    [
      { env: [{ name: 'A', valueFrom: { fieldRef: { apiVersion: 'v2', fieldPath: 'metadata.name' } } }] },
      'unsupported pod version: v2',
    ],
    [
      { env: [{ name: 'A', valueFrom: { fileKeyRef: { volumeName: 'v', path: 'p', key: 'k' } } }] },
      'variable "A" comes from a file (fileKeyRef)',
    ],
    [{ envFrom: [{ secretRef: { name: 'binary' } }] }, 'is not UTF-8 text and cannot be a variable'],
    [{ env: [{ name: 'A', valueFrom: { secretKeyRef: { name: 'nul', key: 'k' } } }] }, 'holds a NUL byte'],
  ];
  test.each(failures)('cannot be made of %j', async (container, message) => {
    const { make, objects } = setUp();
    objects.configMaps.set('ns/o', { data: { other: '1' } });
    objects.secrets.set('ns/o', { data: { other: '' } });
    objects.secrets.set('ns/binary', { data: { k: base64(Uint8Array.of(0xff, 0xfe)) } });
    objects.secrets.set('ns/nul', { data: { k: base64('a\0b') } });
    await expect(make(container)).rejects.toMatchObject({ code: 'InvalidArgument' });
    await expect(make(container)).rejects.toThrow(message);
  });

  test('does not look at the value of a binary key that nobody asked for', async () => {
    const { make, objects } = setUp();
    objects.secrets.set('ns/s', { data: { raw: base64(Uint8Array.of(0xff)), text: base64('x') } });
    expect(await make({ env: [{ name: 'A', valueFrom: { secretKeyRef: { name: 's', key: 'text' } } }] })).toEqual({
      A: 'x',
    });
  });

  test('waits for the first list of services, but not for ever', async () => {
    const { promise, resolve } = Promise.withResolvers<undefined>();
    const { make } = setUp({ synced: promise, services: [kubernetes] });
    await expect(make({})).rejects.toMatchObject({
      code: 'Unavailable',
      message: 'services have not yet been read at least once, cannot construct envvars',
    });
    const waiting = make({});
    resolve(undefined);
    expect(await waiting).toHaveProperty('KUBERNETES_SERVICE_HOST', '10.0.0.1');
  });

  test('is given up when its signal says so', async () => {
    const { make } = setUp({ synced: new Promise(() => undefined) });
    await expect(make({}, addresses, AbortSignal.abort())).rejects.toMatchObject({ code: 'Cancelled' });
  });

  test('tells of a refusal of the API server, which the user may have to mend', async () => {
    const { make, objects } = setUp();
    objects.failure = new KubeApiError(403, 'Forbidden', 'secrets "s" is forbidden');
    await expect(make({ envFrom: [{ secretRef: { name: 's' } }] })).rejects.toMatchObject({
      code: 'FailedPrecondition',
      message: 'secrets "s" is forbidden',
    });
  });

  test('passes on that the API server could not be reached', async () => {
    const { make, objects } = setUp();
    objects.failure = new Error('connection refused');
    await expect(make({ envFrom: [{ secretRef: { name: 's', optional: true } }] })).rejects.toMatchObject({
      code: 'Unavailable',
      message: 'connection refused',
    });
  });
});
