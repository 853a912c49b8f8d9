/**
 * The runtime as the agent sees it, in CRI's vocabulary and with CRI's semantics
 * (k8s.io/cri-api/pkg/apis/runtime/v1/api.proto): every call is idempotent where CRI's is, and may be made again after
 * a lost answer. This is the only file of runtime/ that agent/ imports.
 *
 * Times are RFC 3339 strings with nanoseconds (CRI: int64 nanoseconds since the epoch). Sizes are bytes.
 */

export { defaultUserIds, type UserIds } from './sandbox/confinement/user-ids.ts';
export { connectRuntime, type ConnectRuntimeOptions } from './client.ts';

export interface RuntimeVersion {
  /** Version of this interface, for example '1'. */
  readonly version: string;
  readonly runtimeName: 'wasmlet';
  readonly runtimeVersion: string;
}

export interface RuntimeCondition {
  /** 'RuntimeReady' and 'NetworkReady' are required, as in CRI. */
  readonly type: string;
  readonly status: boolean;
  /** One word in CamelCase; a condition that is true has one only where there is something to know about it. */
  readonly reason: string;
  readonly message: string;
}

export interface RuntimeHandlerInfo {
  /** Name as it stands in RuntimeClass.handler; '' is the default handler. */
  readonly name: string;
  readonly features: { readonly recursiveReadOnlyMounts: boolean; readonly userNamespaces: boolean };
}

export interface RuntimeStatus {
  readonly conditions: readonly RuntimeCondition[];
  readonly runtimeHandlers: readonly RuntimeHandlerInfo[];
}

export interface PodSandboxMetadata {
  readonly name: string;
  readonly uid: string;
  readonly namespace: string;
  /** Counts the sandboxes of one pod, from 0. */
  readonly attempt: number;
}

export interface PortMapping {
  readonly protocol: 'TCP' | 'UDP' | 'SCTP';
  readonly containerPort: number;
  readonly hostPort: number;
  readonly hostIp: string;
}

/** CRI's LinuxPodSandboxConfig, as far as a sandbox has it. */
export interface LinuxPodSandboxConfig {
  /** Control group of the pod, made and removed by the runtime; those of its containers are beneath it. */
  readonly cgroupParent: string;
  /** Limits of the pod as a whole. */
  readonly resources: LinuxContainerResources;
  /** Processes and threads of the pod; 0: no limit. */
  readonly pidsLimit: number;
}

export interface PodSandboxConfig {
  readonly metadata: PodSandboxMetadata;
  readonly hostname: string;
  /** /var/log/pods/<ns>_<name>_<uid>: the folder that container log paths are relative to. */
  readonly logDirectory: string;
  readonly dnsConfig?: {
    readonly servers: readonly string[];
    readonly searches: readonly string[];
    readonly options: readonly string[];
  };
  readonly portMappings: readonly PortMapping[];
  readonly hostNetwork: boolean;
  /** Whether its hosts have the users of the node; false: nothing is started otherwise. Default: only where they must. */
  readonly hostUsers?: boolean;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  /** Without it, or where the machine lacks the means, no control groups: docs/limits.md tells what holds then. */
  readonly linux?: LinuxPodSandboxConfig;
}

export type PodSandboxState = 'SANDBOX_READY' | 'SANDBOX_NOTREADY';

export interface PodSandbox {
  readonly id: string;
  readonly metadata: PodSandboxMetadata;
  readonly state: PodSandboxState;
  readonly createdAt: string;
  readonly runtimeHandler: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
}

export interface PodSandboxStatus extends PodSandbox {
  /** The pod's own addresses; empty when it shares the node's. */
  readonly network: { readonly ip: string; readonly additionalIps: readonly string[] };
  /** As the sandbox was asked for; absent from a supervisor of an older release. */
  readonly hostNetwork?: boolean;
}

export interface ContainerMetadata {
  readonly name: string;
  /** Counts the tries of one container, from 0: the kubelet's restart count. */
  readonly attempt: number;
}

export interface Mount {
  readonly containerPath: string;
  readonly hostPath: string;
  readonly readonly: boolean;
  /**
   * The folder of the volume that `hostPath` is a folder in, where guests may exchange what is between the two: what is
   * mounted lies within it at that moment, too, or it is not mounted. Absent: the whole of `hostPath` is the caller's.
   */
  readonly within?: string;
}

export interface KeyValue {
  readonly key: string;
  readonly value: string;
}

/** What a container is made of. The caller has pulled the image and resolved it: the runtime knows no registries. */
export interface ContainerImage {
  /** The image reference as in the pod's spec. */
  readonly userSpecifiedImage: string;
  /** Digest of the image's manifest, 'sha256:…'. */
  readonly imageRef: string;
  /** Host path of the module, where the image is a bare Wasm artifact. args[0] is then only a name. */
  readonly module?: string;
  /**
   * Host path of the image's flattened, read-only file tree, where it has one. Without `module`, args[0] names the
   * module inside the tree, found by PATH, working directory or absolute path as exec(3) does.
   */
  readonly tree?: string;
}

export interface LinuxContainerResources {
  /** Microseconds; 0: not set. */
  readonly cpuPeriod: number;
  readonly cpuQuota: number;
  readonly cpuShares: number;
  /** Bytes; 0: no limit. */
  readonly memoryLimitInBytes: number;
}

export interface LogLimits {
  /** Bytes at which a log file is rotated. */
  readonly maxSize: number;
  /** How many files are kept per container, the current one included. */
  readonly maxFiles: number;
}

/** CRI's LinuxContainerSecurityContext, as far as a guest has it. */
export interface LinuxContainerSecurityContext {
  /** Without it and `runAsUsername` the guest is root. */
  readonly runAsUser?: number;
  /** Without it the group that the image's /etc/passwd gives to the user, or 0. */
  readonly runAsGroup?: number;
  /** A name in the image's /etc/passwd; counts where `runAsUser` is not given. */
  readonly runAsUsername?: string;
  readonly supplementalGroups: readonly number[];
  /** Whether the guest's '/' takes no changes; mounts have their own setting. */
  readonly readonlyRootfs: boolean;
}

/** What the sockets of a container's guest may do (docs/sockets.md). */
export interface GuestNetwork {
  /** The pod's addresses: 'any address' means these; empty: all of the machine. */
  readonly bindAddresses: readonly string[];
  /** TCP ports that the guest has listening descriptors for from the start, in the order of the manifest. */
  readonly listeners: readonly { readonly name: string; readonly port: number }[];
  readonly policy: {
    /** Whether the node's loopback may be reached and bound to. */
    readonly allowLoopback: boolean;
    /** Addresses and subnets that may be reached whatever `deny` and `allowLoopback` say. */
    readonly allow: readonly string[];
    readonly deny: readonly string[];
    /** Ports of this machine that are never reached. */
    readonly ownPorts: readonly number[];
  };
}

export interface ContainerConfig {
  readonly metadata: ContainerMetadata;
  readonly image: ContainerImage;
  /** The whole argument vector, args[0] included: the pod's command and args already merged with the image's. */
  readonly args: readonly string[];
  readonly workingDir: string;
  readonly envs: readonly KeyValue[];
  readonly mounts: readonly Mount[];
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  /** Relative to the sandbox's logDirectory: '<container>/<attempt>.log'. */
  readonly logPath: string;
  readonly logLimits: LogLimits;
  readonly stdin: boolean;
  readonly stdinOnce: boolean;
  readonly tty: boolean;
  /** What a stop sends first: 'SIGUSR1', 'SIGRTMIN+3', …; without it SIGTERM. */
  readonly stopSignal?: string;
  readonly resources: LinuxContainerResources;
  readonly securityContext?: LinuxContainerSecurityContext;
  /** Without it: no listening descriptors, any address to bind to, and neither loopback nor link-local ones to reach. */
  readonly network?: GuestNetwork;
}

export type ContainerState = 'CONTAINER_CREATED' | 'CONTAINER_RUNNING' | 'CONTAINER_EXITED' | 'CONTAINER_UNKNOWN';

export interface Container {
  readonly id: string;
  readonly podSandboxId: string;
  readonly metadata: ContainerMetadata;
  readonly image: ContainerImage;
  readonly state: ContainerState;
  readonly createdAt: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
}

export interface ContainerStatus extends Container {
  readonly startedAt?: string;
  readonly finishedAt?: string;
  /** 0–255; only for CONTAINER_EXITED. */
  readonly exitCode?: number;
  /** 'Completed', 'Error', 'OOMKilled', 'StartError' or 'ContainerStatusUnknown'. */
  readonly reason: string;
  /** Why it ended, for people: a trap with the guest's stack, why it could not start. */
  readonly message: string;
  /** Absolute path of the current log file. */
  readonly logPath: string;
  readonly mounts: readonly Mount[];
  /** What a stop sends first; absent from a supervisor of an older release. */
  readonly stopSignal?: string;
  /** How its '/' is made; absent from a supervisor of an older release. */
  readonly rootFilesystem?: RootFilesystem;
}

/** A mount over the image's files, a copy of them, or nothing, where the image has none. */
export type RootFilesystem = 'overlay' | 'copy' | 'empty';

export interface ContainerStats {
  readonly id: string;
  readonly metadata: ContainerMetadata;
  readonly labels: Readonly<Record<string, string>>;
  readonly timestamp: string;
  /** Nanoseconds of CPU since the container's start. */
  readonly cpuUsageCoreNanoSeconds: number;
  readonly memoryWorkingSetBytes: number;
  /** CRI's writable_layer: what the guest has stored beyond its image; not older than ten seconds. */
  readonly writableLayer?: { readonly usedBytes: number; readonly inodesUsed: number };
  /** Instructions of WebAssembly since the container's start, where its engine counts them; not older than a second. */
  readonly fuelUsed?: number;
}

/** CRI's GetContainerEvents: something about a container or sandbox changed; ask for its status. */
export interface ContainerEvent {
  readonly type:
    'CONTAINER_CREATED_EVENT' | 'CONTAINER_STARTED_EVENT' | 'CONTAINER_STOPPED_EVENT' | 'CONTAINER_DELETED_EVENT';
  /** Id of the container, or of the sandbox when the sandbox itself is meant. */
  readonly containerId: string;
  readonly createdAt: string;
  readonly podSandboxMetadata: PodSandboxMetadata;
}

export interface PodSandboxFilter {
  readonly id?: string;
  readonly state?: PodSandboxState;
  /** All of them must match. */
  readonly labelSelector?: Readonly<Record<string, string>>;
}

export interface ContainerFilter {
  readonly id?: string;
  readonly podSandboxId?: string;
  readonly state?: ContainerState;
  readonly labelSelector?: Readonly<Record<string, string>>;
}

/** CRI's ExecSyncResponse. */
export interface ExecSyncResult {
  /** The first 16 MiB of it; what comes after is dropped, as containerd does it. */
  readonly stdout: Uint8Array;
  /** As stdout. */
  readonly stderr: Uint8Array;
  /** 0-255; 128 + the number of the signal that ended it. */
  readonly exitCode: number;
}

/** A call of a guest's that is under way. */
export interface GuestFrame {
  readonly function: string;
  /** Offset in the module of the instruction: the next one of the innermost frame, else the call. */
  readonly offset: number;
  /** 'main.c:12:3', where the module tells it. */
  readonly line?: string;
  /** Parameters and locals; values as text. */
  readonly locals: readonly { readonly name: string; readonly type: string; readonly value: string }[];
}

/**
 * What can be done with the guest of a container while it runs, beyond CRI, where the container's engine can stand still
 * (`wasm-interpreter`). All methods throw as those of RuntimeService; FailedPrecondition where the engine cannot.
 */
export interface GuestControlService {
  /** Resolves when the guest stands still; or waits for the host, and will stand still behind that. Idempotent. */
  pauseContainer(id: string): Promise<void>;
  resumeContainer(id: string): Promise<void>;
  /** The guest's calls, innermost first. */
  containerStack(id: string): Promise<readonly GuestFrame[]>;
  /** Samples what the guest computes for so long, by fuel. @returns pprof's profile.proto, not compressed */
  profileContainer(id: string, milliseconds: number): Promise<Uint8Array>;
  /**
   * Writes the guest's whole state into a file; it goes on then, unless it was paused before. FailedPrecondition also for
   * a guest that waits for the host.
   * @param location absolute path
   */
  checkpointContainer(id: string, location: string): Promise<void>;
}

/**
 * All methods throw WasmletError: NotFound (no such id), InvalidArgument (bad config), FailedPrecondition (wrong
 * state), Unavailable (the supervisor cannot be reached), DeadlineExceeded, Internal.
 */
export interface RuntimeService {
  version(): Promise<RuntimeVersion>;
  status(): Promise<RuntimeStatus>;

  /** Creates and starts a sandbox and returns its id. InvalidArgument for a handler that is not configured. */
  runPodSandbox(config: PodSandboxConfig, runtimeHandler: string): Promise<string>;
  /** Ends every container of the sandbox by SIGKILL and gives its network back. Idempotent; NotFound is no error. */
  stopPodSandbox(id: string): Promise<void>;
  /** Removes the sandbox and its containers, forcibly. Idempotent; NotFound is no error. */
  removePodSandbox(id: string): Promise<void>;
  podSandboxStatus(id: string): Promise<PodSandboxStatus>;
  listPodSandbox(filter?: PodSandboxFilter): Promise<readonly PodSandbox[]>;

  createContainer(podSandboxId: string, config: ContainerConfig): Promise<string>;
  /**
   * Resolves once the guest has been started. Where it cannot be (no such module, not a module, an import that we do
   * not offer), throws FailedPrecondition with a message for people, and the container is CONTAINER_EXITED with reason
   * StartError and exit code 128, as containerd does it.
   */
  startContainer(id: string): Promise<void>;
  /** SIGTERM, then SIGKILL after `timeoutSeconds`. Resolves when it has ended. Idempotent; NotFound is no error. */
  stopContainer(id: string, timeoutSeconds: number): Promise<void>;
  /** Removes a container, ending it first if it runs; its log stays. Idempotent; NotFound is no error. */
  removeContainer(id: string): Promise<void>;
  containerStatus(id: string): Promise<ContainerStatus>;
  listContainers(filter?: ContainerFilter): Promise<readonly Container[]>;
  listContainerStats(filter?: ContainerFilter): Promise<readonly ContainerStats[]>;

  /**
   * Runs a command in a running container (CRI's ExecSync): a process of its own over the container's files, with its
   * environment, working directory and engine. The command is found in the image's tree as the container's own was; a
   * container from a bare module has only that module, by the container's args[0]. It ends with its container, and when
   * this client goes.
   * @param timeoutSeconds from its start; then it is killed, and what it wrote is lost. 0: none
   * @param signal ends the command; the call then throws Cancelled
   * @throws WasmletError FailedPrecondition when the container does not run or the command cannot be started (runc's
   *   words); DeadlineExceeded after `timeoutSeconds`; NotFound
   */
  execSync(
    containerId: string,
    command: readonly string[],
    timeoutSeconds: number,
    signal?: AbortSignal,
  ): Promise<ExecSyncResult>;

  /**
   * Events from this call on (not only from the first read), until `signal` ends it: who calls this and then lists
   * misses nothing. The stream ends by throwing Unavailable when the supervisor is lost; the caller calls again, then
   * relists.
   */
  containerEvents(signal: AbortSignal): AsyncIterable<ContainerEvent>;

  /** Closes the connection. The supervisor and all that it runs go on. */
  [Symbol.asyncDispose](): Promise<void>;
}
