import type { WasiIdentity, WasiNetwork } from '../../wasi/wasi.ts';
import type { Mount } from '../service.ts';

/**
 * What supervisor and host say to each other: JSON lines, each with the protocol's version, over the pair of sockets
 * that the host is born with (descriptor 3). The host's own listening socket stands for the life of the process, so that
 * a later supervisor, of any release, learns of its end from the kernel; and where the guest's engine can stand still,
 * it carries what is asked of that (control-protocol.ts).
 */

export const HOST_PROTOCOL_VERSION = 1;

/** The descriptor on which a host meets the supervisor that started it: a socket that blocks. */
export const SUPERVISOR_FD = 3;

/**
 * The host's own listening socket, which the supervisor has bound for it. Most hosts never use it: the kernel accepts
 * for it as long as the process lives, and closes all connections when it ends.
 */
export const LIFE_FD = 4;

/** A start request holds one container's arguments and environment. */
export const MAX_START_BYTES = 16 * 1024 * 1024;

/** What a host is to run, be it a container's own guest or a command in a container. */
export interface GuestStart {
  readonly engine: 'v8' | 'interpreter';
  /** What `ps` shows. */
  readonly title: string;
  /** The container's root folder, the guest's '/'. */
  readonly root: string;
  /** Host path of the module; without it args[0] names it inside the root. */
  readonly module?: string;
  readonly args: readonly string[];
  /** 'KEY=value' */
  readonly env: readonly string[];
  readonly workingDir: string;
  readonly mounts: readonly Mount[];
  readonly tty: boolean;
  /** Whether its input stays open: it has none as long as nobody is attached. Without a word of it, it ends at once. */
  readonly stdin?: boolean;
  /** Whether its input is what the host has inherited as its own descriptor 0. */
  readonly inheritsStdin?: boolean;
  /** Who the guest is; without it, root. */
  readonly identity?: WasiIdentity;
  readonly hostname?: string;
  /** Whether '/' takes no changes. */
  readonly readonlyRoot?: boolean;
  /** Whether it may import wasmlet_posix_v1; without a word of it, it may. */
  readonly posixExtension?: boolean;
  /** What a stop of the container sends first, as pods name it; without it SIGTERM. */
  readonly stopSignal?: string;
  /** Instructions that it may compute, where its engine counts them. */
  readonly fuelLimit?: number;
  /** What its sockets may do, if it has any. */
  readonly network?: Omit<WasiNetwork, 'report'>;
}

/** Run a container: its output goes to its log, its end is noted in its folder, and it outlives the supervisor. */
export interface HostStart extends GuestStart {
  readonly v: number;
  readonly type: 'start';
  /** Where the host keeps its records: exit.json is written there. */
  readonly directory: string;
  /** Absolute path. */
  readonly logPath: string;
  readonly logLimits: { readonly maxSize: number; readonly maxFiles: number };
}

/** Run a command in a container: its output goes to the supervisor, and it has nothing to live for without. */
export interface HostExec extends GuestStart {
  readonly v: number;
  readonly type: 'exec';
}

/** Become a host that many containers share: what more is asked of it comes over its own socket (shared/protocol.ts). */
export interface HostShare {
  readonly v: number;
  readonly type: 'share';
  /** What `ps` shows. */
  readonly title: string;
  /** Who all of its guests are. */
  readonly identity?: WasiIdentity;
  /** Descriptors that each of its guests may have open. */
  readonly maxDescriptors: number;
}

/** The one request that a host gets. */
export type HostRequest = HostStart | HostExec | HostShare;

/** Bytes of one `output` message before Base64. */
export const MAX_OUTPUT_BYTES = 32 * 1024;

/** The first that a host says: it waits for its request, and what it has in memory from now on is its guest's doing. */
export interface HostReady {
  readonly v: number;
  readonly type: 'ready';
}

export type HostAnswer =
  | { readonly v: number; readonly type: 'started'; readonly startedAt: string }
  | { readonly v: number; readonly type: 'startFailed'; readonly message: string };

/** What a host says that runs a command, after `started`. The exit code is the process's own. */
export type HostReport =
  | { readonly v: number; readonly type: 'output'; readonly stream: 'stdout' | 'stderr'; readonly data: string }
  | { readonly v: number; readonly type: 'finished'; readonly cpuMicroseconds: number };
