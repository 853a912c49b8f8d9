import type { HostStart } from '../protocol.ts';

/**
 * What supervisor and shared host say to each other: JSON lines, each with the protocol's version, over a connection to
 * the host's own socket, which a later supervisor opens as the first did. Each request is answered by one message of
 * its id; `exited` comes unasked. A host of an older release ignores what it does not know in a request; a request that
 * it does not know at all it answers with `failed`.
 */

export const SHARED_PROTOCOL_VERSION = 1;

/** Bytes of one message at the most. */
export const MAX_SHARED_MESSAGE_BYTES = 16 * 1024 * 1024;

/** One more container for a shared host. */
export interface SharedStart extends Omit<HostStart, 'v' | 'type'> {
  readonly container: string;
  /** Host path of the module as it was rewritten: it checks for its slice's end. */
  readonly module: string;
  /** Host path of the module as it was built, where it has line numbers. */
  readonly original?: string;
  readonly resources: {
    readonly cpuShares: number;
    /** Microseconds; 0: no limit. */
    readonly cpuQuota: number;
    readonly cpuPeriod: number;
    /** 0: no limit. */
    readonly memoryLimitInBytes: number;
  };
}

/** What one container uses. */
export interface SharedUsage {
  readonly container: string;
  readonly cpuNanoseconds: number;
  readonly memoryBytes: number;
}

export type SharedRequest =
  | { readonly type: 'start'; readonly start: SharedStart }
  /** As kill(2): what the guest has not subscribed to ends it, with 128 + the signal's number. */
  | { readonly type: 'signal'; readonly container: string; readonly signal: 'SIGTERM' | 'SIGKILL' }
  /** Which containers run, and what they use. */
  | { readonly type: 'usage' };

export type SharedReply =
  | { readonly type: 'started'; readonly startedAt: string }
  | { readonly type: 'startFailed'; readonly message: string }
  /** `runs`: whether the host has this container. */
  | { readonly type: 'done'; readonly runs: boolean }
  | { readonly type: 'usage'; readonly containers: readonly SharedUsage[] }
  | { readonly type: 'failed'; readonly message: string };

/** `v` and `id` stand beside what is asked. */
export type Numbered<T> = T & { readonly v: number; readonly id: number };

/** A container has ended, and its exit record stands. */
export interface SharedExited {
  readonly v: number;
  readonly type: 'exited';
  readonly container: string;
}

export type SharedMessage = Numbered<SharedReply> | SharedExited;
