/**
 * What /stats/summary answers with, field by field as consumers read it (k8s.io/kubelet/pkg/apis/stats/v1alpha1); what
 * is not known here is left out, as the types there allow.
 */

export interface Summary {
  readonly node: NodeStats;
  readonly pods: readonly PodStats[];
}

export interface NodeStats {
  readonly nodeName: string;
  readonly systemContainers?: readonly ContainerStats[];
  readonly startTime: Date;
  readonly cpu: CpuStats;
  readonly memory: MemoryStats;
  readonly network?: NetworkStats;
  readonly fs?: FsStats;
  readonly runtime?: { readonly imageFs?: FsStats; readonly containerFs?: FsStats };
  readonly rlimit?: { readonly time: Date; readonly maxpid: number; readonly curproc: number };
  readonly swap?: SwapStats;
}

export interface PodStats {
  readonly podRef: PodReference;
  readonly startTime: Date;
  readonly containers: readonly ContainerStats[];
  readonly cpu: CpuStats;
  readonly memory: MemoryStats;
  readonly volume?: readonly VolumeStats[];
  readonly 'ephemeral-storage'?: FsStats;
  readonly process_stats?: { readonly process_count: number };
}

export interface PodReference {
  readonly name: string;
  readonly namespace: string;
  readonly uid: string;
}

export interface ContainerStats {
  readonly name: string;
  /** When the container was made. */
  readonly startTime: Date;
  readonly cpu: CpuStats;
  readonly memory: MemoryStats;
  readonly rootfs?: FsStats;
  readonly logs?: FsStats;
}

export interface CpuStats {
  readonly time: Date;
  /** Nanoseconds of CPU a second, of late. */
  readonly usageNanoCores?: number;
  /** Nanoseconds since the beginning. */
  readonly usageCoreNanoSeconds: number;
}

/** Bytes. */
export interface MemoryStats {
  readonly time: Date;
  /** The limit less the working set; absent without a limit. */
  readonly availableBytes?: number;
  readonly usageBytes?: number;
  readonly workingSetBytes: number;
  readonly rssBytes?: number;
}

export interface SwapStats {
  readonly time: Date;
  readonly swapAvailableBytes: number;
  readonly swapUsageBytes: number;
}

export interface FsStats {
  readonly time: Date;
  readonly availableBytes: number;
  readonly capacityBytes: number;
  readonly usedBytes: number;
  readonly inodesFree: number;
  readonly inodes: number;
  readonly inodesUsed: number;
}

export interface VolumeStats extends FsStats {
  readonly name: string;
}

export interface InterfaceStats {
  readonly name: string;
  readonly rxBytes: number;
  readonly rxErrors: number;
  readonly txBytes: number;
  readonly txErrors: number;
}

/** Of the default interface, where it is found, and of each. */
export type NetworkStats = Partial<InterfaceStats> & {
  readonly time: Date;
  readonly interfaces: readonly InterfaceStats[];
};

const TIMES = ['time', 'startTime'];

/** As JSON; times to the second, as metav1.Time is written. */
export const summaryJson = (summary: Summary): string =>
  JSON.stringify(
    summary,
    (key, value: unknown) => (TIMES.includes(key) && typeof value === 'string' ? value.replace(/\.\d+Z$/, 'Z') : value),
    1,
  );
