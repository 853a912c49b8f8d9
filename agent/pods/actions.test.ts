import { describe, expect, test } from 'vitest';
import type { PodSpec } from '../kube/types.ts';
import { computePodActions, NO_PROBES, type PodActions, type ProbeResults } from './actions.ts';
import { EMPTY_RUNTIME_STATUS, type PodRuntimeStatus } from './runtime-cache.ts';
import { container, exited, makePod, runtimeContainer, runtimeStatus, withoutSandbox } from './testing/fixtures.ts';

const sidecar = (name: string) => container(name, { restartPolicy: 'Always' });
const keep: PodActions = {
  killPod: false,
  createSandbox: false,
  sandboxId: 'sandbox-1',
  attempt: 0,
  ephemeralContainersToStart: [],
  initContainersToStart: [],
  containersToStart: [],
  containersToKill: [],
  containersToReset: [],
};

interface Case {
  readonly name: string;
  readonly spec?: Partial<PodSpec>;
  readonly status: PodRuntimeStatus;
  readonly probes?: Partial<ProbeResults>;
  readonly expected: Partial<PodActions>;
}

const inits = { initContainers: [container('one'), container('two')] };
const withSidecar = { initContainers: [sidecar('side'), container('two')] };

const cases: Case[] = [
  {
    name: 'a new pod gets a sandbox and its containers',
    status: EMPTY_RUNTIME_STATUS,
    expected: { killPod: true, createSandbox: true, sandboxId: '', containersToStart: [0] },
  },
  {
    name: 'a new pod with init containers starts the first alone',
    spec: inits,
    status: EMPTY_RUNTIME_STATUS,
    expected: { killPod: true, createSandbox: true, sandboxId: '', initContainersToStart: [0] },
  },
  { name: 'a pod that runs is left alone', status: runtimeStatus(runtimeContainer('app')), expected: {} },
  { name: 'a sandbox without containers gets them', status: runtimeStatus(), expected: { containersToStart: [0] } },
  {
    name: 'a container that ended is started again under Always',
    status: runtimeStatus(exited('app', 0)),
    expected: { containersToStart: [0] },
  },
  {
    name: 'a container that ended well is done under OnFailure',
    spec: { restartPolicy: 'OnFailure' },
    status: runtimeStatus(exited('app', 0)),
    expected: { killPod: true },
  },
  {
    name: 'a container that failed is started again under OnFailure',
    spec: { restartPolicy: 'OnFailure' },
    status: runtimeStatus(exited('app', 3)),
    expected: { containersToStart: [0] },
  },
  {
    name: 'a container that failed is done under Never',
    spec: { restartPolicy: 'Never' },
    status: runtimeStatus(exited('app', 3)),
    expected: { killPod: true },
  },
  {
    name: 'a rule of the container outranks the policy of the pod',
    spec: {
      restartPolicy: 'Never',
      containers: [
        container('app', {
          restartPolicy: 'Never',
          restartPolicyRules: [{ action: 'Restart', exitCodes: { operator: 'In', values: [42] } }],
        }),
      ],
    },
    status: runtimeStatus(exited('app', 42)),
    expected: { containersToStart: [0] },
  },
  {
    name: 'one of two containers goes on when the other is done',
    spec: { restartPolicy: 'Never', containers: [container('app'), container('other')] },
    status: runtimeStatus(exited('app', 0), runtimeContainer('other')),
    expected: {},
  },
  {
    name: 'a container that was made but not started is made anew',
    spec: { restartPolicy: 'Never' },
    status: runtimeStatus(runtimeContainer('app', { state: 'CONTAINER_CREATED' })),
    expected: { containersToStart: [0] },
  },
  {
    name: 'a container of unknown state is killed first',
    status: runtimeStatus(runtimeContainer('app', { state: 'CONTAINER_UNKNOWN' })),
    expected: {
      containersToStart: [0],
      containersToKill: [
        {
          id: 'id-app-0',
          name: 'app',
          message: 'Container is in "unknown" state, try killing it before restart',
          reason: 'Unknown',
        },
      ],
    },
  },
  {
    name: 'a container whose definition changed is killed and started, whatever the policy',
    spec: { restartPolicy: 'Never' },
    status: runtimeStatus(runtimeContainer('app', { hash: 'other' })),
    expected: {
      containersToStart: [0],
      containersToKill: [
        { id: 'id-app-0', name: 'app', message: 'Container app definition changed, will be restarted', reason: '' },
      ],
    },
  },
  {
    name: 'a container that fails its liveness probe is killed and started',
    status: runtimeStatus(runtimeContainer('app')),
    probes: { liveness: () => false },
    expected: {
      containersToStart: [0],
      containersToKill: [
        {
          id: 'id-app-0',
          name: 'app',
          message: 'Container app failed liveness probe, will be restarted',
          reason: 'LivenessProbe',
        },
      ],
    },
  },
  {
    name: 'a sandbox that is gone is made anew with all containers',
    status: withoutSandbox(runtimeStatus(exited('app', 137))),
    expected: { killPod: true, createSandbox: true, attempt: 1, containersToStart: [0] },
  },
  {
    name: 'a sandbox that is gone stays gone when the pod runs once',
    spec: { restartPolicy: 'Never' },
    status: withoutSandbox(runtimeStatus(exited('app', 0))),
    expected: { killPod: true, attempt: 1 },
  },
  {
    name: 'a sandbox that is gone stays gone when all have succeeded under OnFailure',
    spec: { restartPolicy: 'OnFailure' },
    status: withoutSandbox(runtimeStatus(exited('app', 0))),
    expected: { killPod: true, attempt: 1 },
  },
  {
    name: 'the second init container follows the first',
    spec: inits,
    status: runtimeStatus(exited('one', 0)),
    expected: { initContainersToStart: [1] },
  },
  {
    name: 'nothing else starts while an init container runs',
    spec: inits,
    status: runtimeStatus(runtimeContainer('one')),
    expected: {},
  },
  {
    name: 'the containers follow the last init container, though the records of the first are gone',
    spec: inits,
    status: runtimeStatus(exited('two', 0)),
    expected: { containersToStart: [0] },
  },
  {
    name: 'an init container that failed is tried again',
    spec: inits,
    status: runtimeStatus(exited('one', 1)),
    expected: { initContainersToStart: [0] },
  },
  {
    name: 'an init container that failed ends a pod that runs once',
    spec: { ...inits, restartPolicy: 'Never' },
    status: runtimeStatus(exited('one', 1)),
    expected: { killPod: true },
  },
  {
    name: 'init containers whose records are gone do not run again beside what runs',
    spec: inits,
    status: runtimeStatus(runtimeContainer('app')),
    expected: {},
  },
  {
    name: 'the next init container starts as soon as the sidecar runs',
    spec: withSidecar,
    status: runtimeStatus(runtimeContainer('side')),
    expected: { initContainersToStart: [1] },
  },
  {
    name: 'a sidecar that ended is started again beside what runs',
    spec: { ...withSidecar, restartPolicy: 'Never' },
    status: runtimeStatus(runtimeContainer('app'), exited('side', 0), exited('two', 0)),
    expected: { initContainersToStart: [0] },
  },
  {
    name: 'an ephemeral container is started once, also while the pod initialises',
    spec: { ...inits, ephemeralContainers: [container('debug'), container('done')] },
    status: runtimeStatus(runtimeContainer('one'), exited('done', 1)),
    expected: { ephemeralContainersToStart: [0] },
  },
  {
    name: 'an ephemeral container alone does not keep a pod alive',
    spec: { restartPolicy: 'Never', ephemeralContainers: [container('debug')] },
    status: runtimeStatus(exited('app', 0), runtimeContainer('debug')),
    expected: { killPod: true },
  },
  {
    name: 'a sidecar alone does not keep a pod alive',
    spec: { ...withSidecar, restartPolicy: 'Never' },
    status: runtimeStatus(exited('app', 0), runtimeContainer('side'), exited('two', 0)),
    expected: { killPod: true },
  },
];

describe('computePodActions', () => {
  test.each(cases)('$name', ({ spec, status, probes, expected }) => {
    const actions = computePodActions(makePod(spec), status, { ...NO_PROBES, ...probes });
    expect(actions).toEqual({ ...keep, ...expected });
  });

  test('removes all containers of a pod that begins anew, those that asked for it last', () => {
    const restartPolicyRules = [{ action: 'RestartAllContainers', exitCodes: { operator: 'In', values: [42] } }];
    const trigger = container('trigger', { restartPolicy: 'Never', restartPolicyRules });
    const pod = makePod({ containers: [trigger, container('other')], initContainers: [container('one')] });
    const status = runtimeStatus(
      exited('trigger', 42, { restartCount: 1 }),
      exited('trigger', 7),
      runtimeContainer('other'),
      exited('one', 0),
    );
    const { containersToReset, ...others } = computePodActions(pod, status, NO_PROBES, true);
    expect(containersToReset.map(({ id, isToBeKilled }) => `${id} ${isToBeKilled}`)).toEqual([
      'id-trigger-0 false',
      'id-other-0 true',
      'id-one-0 false',
      'id-trigger-1 false',
    ]);
    expect({ ...others, containersToReset: [] }).toEqual(keep);
  });

  test('starts nothing of a pod that is being deleted', () => {
    const pod = makePod({}, { metadata: { deletionTimestamp: '2026-01-01T00:00:00Z' } });
    expect(computePodActions(pod, runtimeStatus(exited('app', 1)), NO_PROBES).containersToStart).toEqual([]);
  });
});
