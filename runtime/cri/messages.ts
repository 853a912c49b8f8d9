/**
 * The messages of api.proto as they stand in JavaScript (definition.ts): keys in camel case, enums by name, every
 * field of a request there (proto3's zero values), messages that were not sent `null`. What is 64 bits wide and may be
 * large goes out as decimal text.
 */

import type { ContainerEvent, ContainerMetadata, ContainerState, PodSandboxMetadata } from '../service.ts';
import type { PodSandboxState, RuntimeCondition, RuntimeHandlerInfo } from '../service.ts';

export type StringMap = Readonly<Record<string, string>>;

/** Nanoseconds since the epoch, or a size in bytes: decimal digits. */
export type Int64Text = string;

export interface UInt64Value {
  readonly value: Int64Text;
}

export type Nothing = Readonly<Record<string, never>>;

export interface ByPodSandboxId {
  readonly podSandboxId: string;
}
export interface ByContainerId {
  readonly containerId: string;
}

/** Listing and streaming requests alike: the kubelet streams with its feature gate CRIListStreaming. */
export interface Filtered<F> {
  readonly filter: F | null;
}

// The runtime itself

export interface VersionResponse {
  readonly version: string;
  readonly runtimeName: string;
  readonly runtimeVersion: string;
  readonly runtimeApiVersion: string;
}

export interface StatusRequest {
  readonly verbose: boolean;
}
export interface StatusResponse {
  readonly status: { readonly conditions: readonly RuntimeCondition[] };
  readonly info: StringMap;
  readonly runtimeHandlers: readonly RuntimeHandlerInfo[];
  readonly features: { readonly supplementalGroupsPolicy: boolean };
}

// Pod sandboxes

export interface NamespaceOption {
  readonly network: 'POD' | 'CONTAINER' | 'NODE' | 'TARGET';
}

export interface PortMapping {
  readonly protocol: 'TCP' | 'UDP' | 'SCTP';
  readonly containerPort: number;
  readonly hostPort: number;
  readonly hostIp: string;
}

export interface PodSandboxConfig {
  readonly metadata: PodSandboxMetadata | null;
  readonly hostname: string;
  readonly logDirectory: string;
  readonly dnsConfig: {
    readonly servers: readonly string[];
    readonly searches: readonly string[];
    readonly options: readonly string[];
  } | null;
  readonly portMappings: readonly PortMapping[];
  readonly labels: StringMap;
  readonly annotations: StringMap;
  readonly linux: { readonly securityContext: { readonly namespaceOptions: NamespaceOption | null } | null } | null;
}

export interface RunPodSandboxRequest {
  readonly config: PodSandboxConfig | null;
  readonly runtimeHandler: string;
}

export interface PodSandboxFilter {
  readonly id: string;
  readonly state: { readonly state: PodSandboxState } | null;
  readonly labelSelector: StringMap;
}

export interface PodSandbox {
  readonly id: string;
  readonly metadata: PodSandboxMetadata;
  readonly state: PodSandboxState;
  readonly createdAt: Int64Text;
  readonly labels: StringMap;
  readonly annotations: StringMap;
  readonly runtimeHandler: string;
}

export interface PodSandboxStatus extends PodSandbox {
  readonly network?: { readonly ip: string; readonly additionalIps: readonly { readonly ip: string }[] };
  readonly linux: { readonly namespaces: { readonly options: NamespaceOption } };
}

export interface PodSandboxStatusRequest extends ByPodSandboxId {
  readonly verbose: boolean;
}
export interface PodSandboxStatusResponse {
  readonly status: PodSandboxStatus;
  readonly info: StringMap;
}

// Containers

export interface ImageSpec {
  readonly image: string;
  readonly userSpecifiedImage: string;
}

export interface Mount {
  readonly containerPath: string;
  readonly hostPath: string;
  readonly readonly: boolean;
}
export interface RequestedMount extends Mount {
  readonly recursiveReadOnly: boolean;
  readonly image: ImageSpec | null;
}

export interface LinuxContainerResources {
  readonly cpuPeriod: number;
  readonly cpuQuota: number;
  readonly cpuShares: number;
  readonly memoryLimitInBytes: number;
}

export interface LinuxContainerSecurityContext {
  readonly runAsUser: { readonly value: number } | null;
  readonly runAsGroup: { readonly value: number } | null;
  readonly runAsUsername: string;
  readonly supplementalGroups: readonly number[];
  readonly readonlyRootfs: boolean;
}

export interface ContainerConfig {
  readonly metadata: ContainerMetadata | null;
  readonly image: ImageSpec | null;
  readonly command: readonly string[];
  readonly args: readonly string[];
  readonly workingDir: string;
  readonly envs: readonly { readonly key: string; readonly value: Buffer }[];
  readonly mounts: readonly RequestedMount[];
  readonly labels: StringMap;
  readonly annotations: StringMap;
  readonly logPath: string;
  readonly stdin: boolean;
  readonly stdinOnce: boolean;
  readonly tty: boolean;
  /** CRI's `Signal`: 'RUNTIME_DEFAULT', 'SIGUSR1', 'SIGRTMINPLUS3', … */
  readonly stopSignal: string;
  readonly linux: {
    readonly resources: LinuxContainerResources | null;
    readonly securityContext: LinuxContainerSecurityContext | null;
  } | null;
}

export interface CreateContainerRequest extends ByPodSandboxId {
  readonly config: ContainerConfig | null;
  readonly sandboxConfig: PodSandboxConfig | null;
}

export interface StopContainerRequest extends ByContainerId {
  /** Seconds. */
  readonly timeout: number;
}

export interface ContainerFilter {
  readonly id: string;
  readonly podSandboxId: string;
  readonly state: { readonly state: ContainerState } | null;
  readonly labelSelector: StringMap;
}

export interface Container extends ByPodSandboxId {
  readonly id: string;
  readonly metadata: ContainerMetadata;
  readonly image: Partial<ImageSpec>;
  readonly imageRef: string;
  readonly imageId: string;
  readonly state: ContainerState;
  readonly createdAt: Int64Text;
  readonly labels: StringMap;
  readonly annotations: StringMap;
}

export interface ContainerStatus extends Omit<Container, 'podSandboxId'> {
  readonly startedAt: Int64Text;
  readonly finishedAt: Int64Text;
  readonly exitCode: number;
  readonly reason: string;
  readonly message: string;
  readonly mounts: readonly Mount[];
  readonly logPath: string;
  readonly stopSignal: string;
}

export interface ContainerStatusRequest extends ByContainerId {
  readonly verbose: boolean;
}
export interface ContainerStatusResponse {
  readonly status: ContainerStatus;
  readonly info: StringMap;
}

// Commands in containers

export interface ExecSyncRequest extends ByContainerId {
  readonly cmd: readonly string[];
  /** Seconds; 0: none. */
  readonly timeout: number;
}
export interface ExecSyncResponse {
  readonly stdout: Uint8Array;
  readonly stderr: Uint8Array;
  readonly exitCode: number;
}

// Statistics

export interface CpuUsage {
  readonly timestamp: Int64Text;
  readonly usageCoreNanoSeconds: UInt64Value;
}
export interface MemoryUsage {
  readonly timestamp: Int64Text;
  readonly workingSetBytes: UInt64Value;
  readonly rssBytes: UInt64Value;
}

export interface ContainerStats {
  readonly attributes: {
    readonly id: string;
    readonly metadata: ContainerMetadata;
    readonly labels: StringMap;
    readonly annotations: StringMap;
  };
  /** Absent while the container does not run. */
  readonly cpu?: CpuUsage;
  readonly memory?: MemoryUsage;
}

export interface StatsFilter {
  readonly id: string;
  readonly podSandboxId?: string;
  readonly labelSelector: StringMap;
}

export interface PodSandboxStats {
  readonly attributes: {
    readonly id: string;
    readonly metadata: PodSandboxMetadata;
    readonly labels: StringMap;
    readonly annotations: StringMap;
  };
  readonly linux: {
    readonly cpu: CpuUsage;
    readonly memory: MemoryUsage;
    readonly process: { readonly timestamp: Int64Text; readonly processCount: UInt64Value };
    readonly containers: readonly ContainerStats[];
  };
}

// Events

export interface ContainerEventResponse extends ByContainerId {
  readonly containerEventType: ContainerEvent['type'];
  readonly createdAt: Int64Text;
  /** Absent once the sandbox is gone. */
  readonly podSandboxStatus?: PodSandboxStatus;
  readonly containersStatuses: readonly ContainerStatus[];
}

// Images

export interface ImageRequest {
  readonly image: ImageSpec | null;
}

export interface Image {
  readonly id: string;
  readonly repoTags: readonly string[];
  readonly repoDigests: readonly string[];
  readonly size: Int64Text;
  readonly uid?: { readonly value: number };
  readonly username: string;
  readonly spec: Partial<ImageSpec>;
  readonly pinned: boolean;
}

export interface ImageStatusRequest extends ImageRequest {
  readonly verbose: boolean;
}
export interface ImageStatusResponse {
  /** Absent: there is no such image, which is no error. */
  readonly image?: Image;
  readonly info: StringMap;
}

export interface AuthConfig {
  readonly username: string;
  readonly password: string;
  readonly auth: string;
  readonly serverAddress: string;
  readonly identityToken: string;
  readonly registryToken: string;
}
export interface PullImageRequest extends ImageRequest {
  readonly auth: AuthConfig | null;
}

export interface FilesystemUsage {
  readonly timestamp: Int64Text;
  readonly fsId: { readonly mountpoint: string };
  readonly usedBytes: UInt64Value;
  readonly inodesUsed: UInt64Value;
}
export interface ImageFsInfoResponse {
  readonly imageFilesystems: readonly FilesystemUsage[];
  readonly containerFilesystems: readonly FilesystemUsage[];
}
