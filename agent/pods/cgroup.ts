import { posix } from 'node:path';
import type { LinuxContainerResources, LinuxPodSandboxConfig } from '../../runtime/service.ts';
import type { Config } from '../config/schema.ts';
import type { Pod } from '../kube/types.ts';
import { podLimits, podRequests } from './admission/pod-requests.ts';
import { qosClassOf } from './qos.ts';
import { containersOf, identityOf, initContainersOf } from './spec.ts';

const CPU_PERIOD_US = 100_000;
const MIN_QUOTA_US = 1000;
const MIN_SHARES = 2;
const MAX_SHARES = 262_144;

/** Thousandths of a CPU as a share of time (cm/helpers_linux.go, MilliCPUToShares). */
export const sharesOf = (milliCpu: number): number =>
  Math.min(MAX_SHARES, Math.max(MIN_SHARES, Math.floor((milliCpu * 1024) / 1000)));

/** Thousandths of a CPU as microseconds of each period; 0: no limit (cm/helpers_linux.go, MilliCPUToQuota). */
export const quotaOf = (milliCpu: number): number =>
  milliCpu === 0 ? 0 : Math.max(MIN_QUOTA_US, Math.floor((milliCpu * CPU_PERIOD_US) / 1000));

/** What a container or pod is held to. */
export const resourcesFor = (
  cpuRequest: number,
  cpuLimit: number,
  memoryLimitInBytes: number,
): LinuxContainerResources => ({
  cpuPeriod: CPU_PERIOD_US,
  cpuQuota: quotaOf(cpuLimit),
  cpuShares: sharesOf(cpuRequest),
  memoryLimitInBytes,
});

/**
 * The control group of a pod, where the kubelet with the cgroupfs driver has it below its own root, and the limits of
 * the pod as a whole (cm/helpers_linux.go, ResourceConfigForPod; cm/pod_container_manager_linux.go).
 * @returns undefined when no control groups are wanted
 */
export function podCgroup(
  pod: Pod,
  { cgroupRoot, podPidsLimit }: Pick<Config, 'cgroupRoot' | 'podPidsLimit'>,
): LinuxPodSandboxConfig | undefined {
  if (cgroupRoot === '') return undefined;
  const qosClass = qosClassOf(pod);
  const folder = { Guaranteed: '', Burstable: 'burstable', BestEffort: 'besteffort' }[qosClass];
  return {
    cgroupParent: posix.join(cgroupRoot, 'kubepods', folder, `pod${identityOf(pod).uid}`),
    resources: qosClass === 'BestEffort' ? resourcesFor(0, 0, 0) : podResources(pod),
    pidsLimit: Math.max(0, podPidsLimit),
  };
}

/** A pod is held as a whole to what all of its containers are held to. */
function podResources(pod: Pod): LinuxContainerResources {
  const limits = podLimits(pod);
  const containers = [...containersOf(pod), ...initContainersOf(pod)];
  const limitOf = (name: 'cpu' | 'memory'): number => {
    const isDeclared =
      pod.spec?.resources?.limits?.[name] !== undefined ||
      containers.every(({ resources }) => resources?.limits?.[name] !== undefined);
    return isDeclared ? (limits.get(name) ?? 0) : 0;
  };
  return resourcesFor(podRequests(pod).get('cpu') ?? 0, limitOf('cpu'), limitOf('memory'));
}
