import type { Image } from '../../../images/service.ts';
import type { Container, Node, Pod, PodSpec } from '../../kube/types.ts';
import { hashContainer } from '../labels.ts';
import type { PodRuntimeStatus, RuntimeContainer } from '../runtime-cache.ts';

export const container = (name: string, fields: Partial<Container> = {}): Container => ({
  name,
  image: 'example.test/app:1',
  imagePullPolicy: 'IfNotPresent',
  ...fields,
});

export function makePod(spec: Partial<PodSpec> = {}, fields: Partial<Pod> = {}): Pod {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    spec: {
      containers: [container('app')],
      restartPolicy: 'Always',
      terminationGracePeriodSeconds: 30,
      nodeName: 'node-1',
      ...spec,
    },
    status: { phase: 'Pending', qosClass: 'BestEffort' },
    ...fields,
    metadata: {
      namespace: 'default',
      name: 'web',
      uid: 'uid-1',
      generation: 1,
      creationTimestamp: '2026-01-01T00:00:00Z',
      ...fields.metadata,
    },
  };
}

export const makeNode = (fields: Partial<Node> = {}): Node => ({
  metadata: { name: 'node-1', labels: { 'kubernetes.io/os': 'wasip1', 'kubernetes.io/arch': 'wasm' } },
  status: { allocatable: { cpu: '2', memory: '1Gi', pods: '10' } },
  ...fields,
});

export const image: Image = {
  id: `sha256:${'a'.repeat(64)}`,
  repoTags: ['example.test/app:1'],
  repoDigests: [`example.test/app@sha256:${'b'.repeat(64)}`],
  size: 1234,
  os: 'wasip1',
  architecture: 'wasm',
  config: { entrypoint: [], cmd: [], env: ['FROM_IMAGE=1'], workingDir: '', user: '', labels: {} },
  module: '/images/app.wasm',
};

/** A container as the runtime shows it, of a pod made by makePod. */
export function runtimeContainer(name: string, fields: Partial<RuntimeContainer> = {}): RuntimeContainer {
  return {
    id: `id-${name}-${fields.restartCount ?? 0}`,
    name,
    sandboxId: 'sandbox-1',
    state: 'CONTAINER_RUNNING',
    createdAt: '2026-01-01T00:00:01.000000000Z',
    startedAt: '2026-01-01T00:00:02.000000000Z',
    finishedAt: '',
    exitCode: 0,
    reason: '',
    message: '',
    restartCount: 0,
    hash: hashContainer(container(name)),
    image: 'example.test/app:1',
    imageId: image.repoDigests[0] ?? '',
    logPath: '',
    ...fields,
  };
}

export const exited = (name: string, exitCode: number, fields: Partial<RuntimeContainer> = {}): RuntimeContainer =>
  runtimeContainer(name, {
    state: 'CONTAINER_EXITED',
    exitCode,
    reason: exitCode === 0 ? 'Completed' : 'Error',
    finishedAt: '2026-01-01T00:00:03.000000000Z',
    ...fields,
  });

/** A pod with a ready sandbox and these containers. */
export const runtimeStatus = (...containers: RuntimeContainer[]): PodRuntimeStatus => ({
  sandboxes: [
    {
      id: 'sandbox-1',
      metadata: { namespace: 'default', name: 'web', uid: 'uid-1', attempt: 0 },
      state: 'SANDBOX_READY',
      createdAt: '2026-01-01T00:00:00.000000000Z',
      runtimeHandler: '',
      labels: {},
      annotations: {},
      network: { ip: '', additionalIps: [] },
    },
  ],
  containers,
});

/** The same with its sandbox gone. */
export function withoutSandbox(status: PodRuntimeStatus): PodRuntimeStatus {
  return { ...status, sandboxes: status.sandboxes.map((one) => ({ ...one, state: 'SANDBOX_NOTREADY' })) };
}
