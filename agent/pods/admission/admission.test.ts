import { describe, expect, test } from 'vitest';
import type { Container, PodSpec } from '../../kube/types.ts';
import { container, makeNode, makePod } from '../testing/fixtures.ts';
import { refusalOf, type AdmissionInput } from './admission.ts';

const config = {
  runtimeHandlers: { wasm: { engine: 'v8', isolation: 'process' } },
} as const satisfies AdmissionInput['config'];

const ask = (spec: Partial<PodSpec>, fields: Partial<AdmissionInput> = {}) =>
  refusalOf({ pod: makePod(spec), node: makeNode(), otherPods: [], runtimeHandler: '', config, ...fields });
const having = (fields: Partial<Container>): Partial<PodSpec> => ({ containers: [container('app', fields)] });

describe('a pod is admitted', () => {
  const accepted: [string, Partial<PodSpec>][] = [
    ['that asks for nothing', {}],
    [
      'with the usual hardening',
      {
        securityContext: { runAsNonRoot: true, runAsUser: 1000, seccompProfile: { type: 'RuntimeDefault' } },
        ...having({
          securityContext: {
            allowPrivilegeEscalation: false,
            readOnlyRootFilesystem: true,
            capabilities: { drop: ['ALL'], add: ['NET_BIND_SERVICE'] },
          },
        }),
      },
    ],
    ['with an emptyDir', { volumes: [{ name: 'tmp', emptyDir: {} }] }],
    ['with an httpGet probe', having({ livenessProbe: { httpGet: { port: 80 } } })],
    ['with a sleep hook', having({ lifecycle: { preStop: { sleep: { seconds: 1 } } } })],
    [
      'with a stop signal, which wants spec.os beside it',
      { ...having({ lifecycle: { stopSignal: 'SIGUSR1' } }), os: { name: 'linux' } },
    ],
    ['that selects this node', { nodeSelector: { 'kubernetes.io/arch': 'wasm' } }],
  ];
  test.each(accepted)('%s', (_name, spec) => {
    expect(ask(spec)).toBeUndefined();
  });
});

describe('a pod is refused, and told what to change,', () => {
  const refused: [string, Partial<PodSpec>, string, RegExp][] = [
    ['for hostPID', { hostPID: true }, 'UnsupportedPodSpec', /remove hostPID$/],
    ['for hostIPC', { hostIPC: true }, 'UnsupportedPodSpec', /remove hostIPC$/],
    [
      'for a privileged container',
      having({ securityContext: { privileged: true } }),
      'UnsupportedPodSpec',
      /^container "app" is privileged/,
    ],
    [
      'for a privileged init container',
      { initContainers: [container('init', { securityContext: { privileged: true } })] },
      'UnsupportedPodSpec',
      /^container "init" is privileged/,
    ],
    [
      'for capabilities',
      having({ securityContext: { capabilities: { add: ['SYS_ADMIN'] } } }),
      'UnsupportedPodSpec',
      /SYS_ADMIN/,
    ],
    ['for spec.os', { os: { name: 'linux' } }, 'PodOSNotSupported', /^Failed to admit pod as the OS field/],
    [
      'for spec.os windows, also with a stop signal',
      { ...having({ lifecycle: { stopSignal: 'SIGTERM' } }), os: { name: 'windows' } },
      'PodOSNotSupported',
      /^Failed to admit pod as the OS field/,
    ],
    [
      'for a volume that is not offered',
      { volumes: [{ name: 'data', nfs: { path: '/', server: 'x' } }] },
      'UnsupportedPodSpec',
      /volume "data" is of type nfs/,
    ],
    [
      'for block devices',
      having({ volumeDevices: [{ name: 'a', devicePath: '/dev/a' }] }),
      'UnsupportedPodSpec',
      /volumeMounts/,
    ],
    [
      'for a device',
      having({ resources: { requests: { 'example.test/gpu': '1' } } }),
      'UnsupportedPodSpec',
      /asks for example\.test\/gpu/,
    ],
    [
      'for more memory than there is',
      having({ resources: { requests: { memory: '2Gi' } } }),
      'OutOfmemory',
      /^Node didn't have enough resource: memory, requested: 2147483648, used: 0, capacity: 1073741824$/,
    ],
    [
      'for another operating system',
      { nodeSelector: { 'kubernetes.io/os': 'linux' } },
      'NodeAffinity',
      /^Predicate NodeAffinity failed: node\(s\) didn't match Pod's node affinity\/selector$/,
    ],
    ['for another node', { nodeName: 'node-2' }, 'NodeName', /requested node name$/],
  ];
  test.each(refused)('%s', (_name, spec, reason, message) => {
    expect(ask(spec)).toEqual({ reason, message: expect.stringMatching(message) as string });
  });

  test('for a handler that is not configured', () => {
    expect(ask({ runtimeClassName: 'gvisor' }, { runtimeHandler: 'runsc' })?.message).toMatch(
      /RuntimeClass "gvisor" asks for handler "runsc".* use a RuntimeClass with one of wasm/,
    );
  });

  test('when there are too many pods', () => {
    const node = makeNode({ status: { allocatable: { pods: '1' } } });
    expect(ask({}, { node, otherPods: [makePod()] })).toEqual({
      reason: 'OutOfpods',
      message: "Node didn't have enough resource: pods, requested: 1, used: 1, capacity: 1",
    });
  });

  test('when a host port is taken', () => {
    const ports = having({ ports: [{ containerPort: 80, hostPort: 8080 }] });
    expect(ask(ports, { otherPods: [makePod(ports)] })?.reason).toBe('NodePorts');
    expect(ask(ports, { otherPods: [makePod()] })).toBeUndefined();
  });

  test('for a NoExecute taint that it does not tolerate', () => {
    const node = makeNode({ spec: { taints: [{ key: 'a', value: 'b', effect: 'NoExecute' }] } });
    expect(ask({}, { node })?.reason).toBe('TaintToleration');
    expect(ask({ tolerations: [{ key: 'a', operator: 'Equal', value: 'b' }] }, { node })).toBeUndefined();
    expect(ask({ tolerations: [{ operator: 'Exists' }] }, { node })).toBeUndefined();
  });
});

test('requests count at their peak: sidecars with what runs beside them, and the overhead', () => {
  const cpu = (amount: string) => ({ resources: { requests: { cpu: amount } } });
  const spec: Partial<PodSpec> = {
    initContainers: [
      container('early', cpu('900m')),
      container('side', { restartPolicy: 'Always', ...cpu('500m') }),
      container('late', cpu('1300m')),
    ],
    containers: [container('app', cpu('1'))],
    overhead: { cpu: '300m' },
  };
  expect(ask(spec)?.message).toBe("Node didn't have enough resource: cpu, requested: 2100, used: 0, capacity: 2000");
});
