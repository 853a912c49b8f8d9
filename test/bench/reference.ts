import type { FigureName } from './figures.ts';

/**
 * What users would pick instead, where it cannot be run beside us: kubelet and control plane 1.36.3, containerd 2.3.7,
 * runwasi (wasmtime 36 shim, release build, precompiled OCI Wasm layer), two cores, cgroup v1, kernel 6.18, bridge and
 * host-local CNI, etcd without fsync, images present, grace 1 s. Recorded on one machine; on another they only hint.
 */
export const REFERENCE_ORIGIN = 'kubelet+containerd 2.3+runwasi, recorded, 2 cores';

export const REFERENCE: Partial<Record<FigureName, number>> = {
  // With the service account's token mounted, as users have it.
  'applyToRunning.p50Ms': 470,
  'applyToRunning.p95Ms': 515,
  'containerStart.own.p50Ms': 101,
  'memory.own.mbPerPod': 8.7,
  startsPerSecond: 8.3,
  // kubelet 1.1, containerd 2.7, shims and pods 7.0
  'idle.cpuSecondsPerMinute': 10.8,
  'delete.p50Ms': 2780,
  'logs.writeMBs': 46,
  'logs.followMBs': 6.5,
  'logs.tailMs': 90,
};
