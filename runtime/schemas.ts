import { z } from 'zod';
import { UNIT } from './sandbox/confinement/user-ids.ts';
import type {
  Container,
  ContainerConfig,
  ContainerEvent,
  ContainerFilter,
  ContainerImage,
  ContainerStats,
  ContainerStatus,
  GuestFrame,
  GuestNetwork,
  LinuxContainerSecurityContext,
  LinuxPodSandboxConfig,
  PodSandbox,
  PodSandboxConfig,
  PodSandboxFilter,
  PodSandboxStatus,
  RuntimeStatus,
  RuntimeVersion,
  UserIds,
} from './service.ts';

/**
 * The shapes of service.ts as schemas: what crosses the supervisor's socket and what its records hold. Unknown keys
 * are dropped, not refused, so that an older supervisor understands a newer agent.
 */

const text = z.string();

export const guestFrame: z.ZodType<GuestFrame> = z.object({
  function: text,
  offset: z.number(),
  line: text.exactOptional(),
  locals: z.array(z.object({ name: text, type: text, value: text })).readonly(),
});

const stringMap = z.record(text, text);
const count = z.number().int().min(0);

const idCount = count.multipleOf(UNIT);
export const userIds: z.ZodType<UserIds> = z.object({
  first: idCount,
  count: idCount,
  perHost: idCount.min(UNIT),
});
const bytes = z.number().int().min(0);

const podSandboxMetadata = z.object({ name: text, uid: text, namespace: text, attempt: count });

const linuxContainerResources = z.object({
  cpuPeriod: z.number(),
  cpuQuota: z.number(),
  cpuShares: z.number(),
  memoryLimitInBytes: z.number(),
});

const linuxPodSandboxConfig: z.ZodType<LinuxPodSandboxConfig> = z.object({
  // What the kernel takes as a path, and never one that leads upwards.
  cgroupParent: text.regex(/^(\/(?!\.\.?(\/|$))[A-Za-z0-9_.:@-]+)+$/),
  resources: linuxContainerResources,
  pidsLimit: count,
});

export const podSandboxConfig: z.ZodType<PodSandboxConfig> = z.object({
  metadata: podSandboxMetadata,
  hostname: text,
  logDirectory: text,
  dnsConfig: z.object({ servers: z.array(text), searches: z.array(text), options: z.array(text) }).exactOptional(),
  portMappings: z.array(
    z.object({
      protocol: z.enum(['TCP', 'UDP', 'SCTP']),
      containerPort: z.number().int(),
      hostPort: z.number().int(),
      hostIp: text,
    }),
  ),
  hostNetwork: z.boolean(),
  hostUsers: z.boolean().exactOptional(),
  labels: stringMap,
  annotations: stringMap,
  linux: linuxPodSandboxConfig.exactOptional(),
});

const podSandboxState = z.enum(['SANDBOX_READY', 'SANDBOX_NOTREADY']);

const podSandboxFields = z.object({
  id: text,
  metadata: podSandboxMetadata,
  state: podSandboxState,
  createdAt: text,
  runtimeHandler: text,
  labels: stringMap,
  annotations: stringMap,
});
export const podSandbox: z.ZodType<PodSandbox> = podSandboxFields;

export const podSandboxStatus: z.ZodType<PodSandboxStatus> = podSandboxFields.extend({
  network: z.object({ ip: text, additionalIps: z.array(text) }),
  hostNetwork: z.boolean().exactOptional(),
});

const containerMetadata = z.object({ name: text, attempt: count });
const mount = z.object({
  containerPath: text,
  hostPath: text,
  readonly: z.boolean(),
  within: text.exactOptional(),
});

const containerImage: z.ZodType<ContainerImage> = z.object({
  userSpecifiedImage: text,
  imageRef: text,
  module: text.exactOptional(),
  tree: text.exactOptional(),
});

const id = z.number().int().min(0);
const linuxContainerSecurityContext: z.ZodType<LinuxContainerSecurityContext> = z.object({
  runAsUser: id.exactOptional(),
  runAsGroup: id.exactOptional(),
  runAsUsername: text.exactOptional(),
  supplementalGroups: z.array(id),
  readonlyRootfs: z.boolean(),
});

const guestNetwork: z.ZodType<GuestNetwork> = z.object({
  bindAddresses: z.array(text),
  listeners: z.array(z.object({ name: text, port: count })),
  policy: z.object({
    allowLoopback: z.boolean(),
    allow: z.array(text),
    deny: z.array(text),
    ownPorts: z.array(count),
  }),
});

export const containerConfig: z.ZodType<ContainerConfig> = z.object({
  metadata: containerMetadata,
  image: containerImage,
  args: z.array(text),
  workingDir: text,
  envs: z.array(z.object({ key: text, value: text })),
  mounts: z.array(mount),
  labels: stringMap,
  annotations: stringMap,
  logPath: text,
  logLimits: z.object({ maxSize: bytes, maxFiles: count }),
  stdin: z.boolean(),
  stdinOnce: z.boolean(),
  tty: z.boolean(),
  stopSignal: text.exactOptional(),
  resources: linuxContainerResources,
  securityContext: linuxContainerSecurityContext.exactOptional(),
  network: guestNetwork.exactOptional(),
});

const containerState = z.enum(['CONTAINER_CREATED', 'CONTAINER_RUNNING', 'CONTAINER_EXITED', 'CONTAINER_UNKNOWN']);

const containerFields = z.object({
  id: text,
  podSandboxId: text,
  metadata: containerMetadata,
  image: containerImage,
  state: containerState,
  createdAt: text,
  labels: stringMap,
  annotations: stringMap,
});
export const container: z.ZodType<Container> = containerFields;

export const containerStatus: z.ZodType<ContainerStatus> = containerFields.extend({
  startedAt: text.exactOptional(),
  finishedAt: text.exactOptional(),
  exitCode: z.number().int().min(0).max(255).exactOptional(),
  reason: text,
  message: text,
  logPath: text,
  mounts: z.array(mount),
  stopSignal: text.exactOptional(),
  rootFilesystem: z.enum(['overlay', 'copy', 'empty']).exactOptional(),
});

export const containerStats: z.ZodType<ContainerStats> = z.object({
  id: text,
  metadata: containerMetadata,
  labels: stringMap,
  timestamp: text,
  cpuUsageCoreNanoSeconds: z.number(),
  memoryWorkingSetBytes: z.number(),
  writableLayer: z.object({ usedBytes: bytes, inodesUsed: count }).exactOptional(),
  fuelUsed: count.exactOptional(),
});

export const containerEvent: z.ZodType<ContainerEvent> = z.object({
  type: z.enum([
    'CONTAINER_CREATED_EVENT',
    'CONTAINER_STARTED_EVENT',
    'CONTAINER_STOPPED_EVENT',
    'CONTAINER_DELETED_EVENT',
  ]),
  containerId: text,
  createdAt: text,
  podSandboxMetadata,
});

/** What is to be run in a container. */
export const execRequest = z.object({
  command: z.array(text),
  /** Seconds from its start; 0: none. */
  timeoutSeconds: z.number().min(0),
  /** Bytes of each stream that are handed on; what comes after is dropped. Not given: all. */
  maxOutputBytes: bytes.exactOptional(),
});
export type ExecRequest = Readonly<z.infer<typeof execRequest>>;

/** A piece of what a command has written, in Base64. */
export const execOutput = z.object({ stream: z.enum(['stdout', 'stderr']), data: text });
export type ExecOutput = Readonly<z.infer<typeof execOutput>>;

export const podSandboxFilter: z.ZodType<PodSandboxFilter> = z.object({
  id: text.exactOptional(),
  state: podSandboxState.exactOptional(),
  labelSelector: stringMap.exactOptional(),
});

export const containerFilter: z.ZodType<ContainerFilter> = z.object({
  id: text.exactOptional(),
  podSandboxId: text.exactOptional(),
  state: containerState.exactOptional(),
  labelSelector: stringMap.exactOptional(),
});

export const runtimeVersion: z.ZodType<RuntimeVersion> = z.object({
  version: text,
  runtimeName: z.literal('wasmlet'),
  runtimeVersion: text,
});

export const runtimeStatus: z.ZodType<RuntimeStatus> = z.object({
  conditions: z.array(z.object({ type: text, status: z.boolean(), reason: text, message: text })),
  runtimeHandlers: z.array(
    z.object({
      name: text,
      features: z.object({ recursiveReadOnlyMounts: z.boolean(), userNamespaces: z.boolean() }),
    }),
  ),
});
