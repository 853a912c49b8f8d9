import { describe, expect, test } from 'vitest';
import type { Pod } from '../kube/types.ts';
import { podCgroup } from './cgroup.ts';

const CONFIG = { cgroupRoot: '/wasmlet', podPidsLimit: 1024 };

type Resources = NonNullable<NonNullable<Pod['spec']>['containers'][number]['resources']>;

const pod = (...containers: Resources[]): Pod => ({
  metadata: { name: 'p', namespace: 'default', uid: 'u-1' },
  spec: { containers: containers.map((resources, index) => ({ name: `c${index}`, resources })) },
});

describe("a pod's control group", () => {
  test('is beneath that of its class, as the kubelet with the cgroupfs driver has it', () => {
    const both = { cpu: '100m', memory: '64Mi' };
    expect(podCgroup(pod({}), CONFIG)?.cgroupParent).toBe('/wasmlet/kubepods/besteffort/podu-1');
    expect(podCgroup(pod({ requests: both }), CONFIG)?.cgroupParent).toBe('/wasmlet/kubepods/burstable/podu-1');
    const guaranteed = pod({ requests: both, limits: both });
    expect(podCgroup(guaranteed, { ...CONFIG, cgroupRoot: '/' })?.cgroupParent).toBe('/kubepods/podu-1');
  });

  test('holds the pod to the sum of its containers, where each has a limit', () => {
    const limited = { requests: { cpu: '250m' }, limits: { cpu: '500m', memory: '64Mi' } };
    expect(podCgroup(pod(limited, limited), CONFIG)).toMatchObject({
      resources: { cpuPeriod: 100_000, cpuQuota: 100_000, cpuShares: 512, memoryLimitInBytes: 128 * 1024 ** 2 },
      pidsLimit: 1024,
    });
    expect(podCgroup(pod(limited, { limits: { cpu: '1' } }), CONFIG)?.resources).toMatchObject({
      cpuQuota: 150_000,
      memoryLimitInBytes: 0,
    });
  });

  test('counts the overhead of the runtime class to a limit that there is', () => {
    const limited = pod({ limits: { cpu: '500m', memory: '64Mi' } });
    const spec = { containers: limited.spec?.containers ?? [], overhead: { memory: '16Mi' } };
    expect(podCgroup({ ...limited, spec }, CONFIG)?.resources.memoryLimitInBytes).toBe(80 * 1024 ** 2);
  });

  test('holds a pod that asks for nothing to nothing, behind all others', () => {
    expect(podCgroup(pod({}), CONFIG)?.resources).toMatchObject({ cpuQuota: 0, cpuShares: 2, memoryLimitInBytes: 0 });
  });

  test('is not wanted with an empty root', () => {
    expect(podCgroup(pod({}), { ...CONFIG, cgroupRoot: '' })).toBeUndefined();
  });
});
