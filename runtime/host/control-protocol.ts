import type { GuestFrame } from '../engine/engine.ts';

/**
 * What a supervisor asks of a host whose engine can stand still and be looked into: JSON lines, each with the protocol's
 * version, over a connection to the host's own socket. Each request is answered by one message of its id. A host that
 * cannot, or of an older release, never reads what comes there.
 */

export const CONTROL_PROTOCOL_VERSION = 1;

/** Bytes of one request at the most. */
export const MAX_CONTROL_REQUEST_BYTES = 64 * 1024;

export type ControlRequest =
  /** Answered when the guest stands still, or waits: then it stands still before it would go on. */
  | { readonly type: 'pause' }
  | { readonly type: 'resume' }
  | { readonly type: 'stack' }
  | { readonly type: 'profile'; readonly milliseconds: number }
  /** Answered when the state is in the file of CHECKPOINT_FILE, in the folder that the host has been given. */
  | { readonly type: 'checkpoint' };

export type ControlReply =
  | { readonly type: 'done' }
  | { readonly type: 'stack'; readonly frames: readonly GuestFrame[] }
  /** In pprof's form, Base64. */
  | { readonly type: 'profile'; readonly data: string }
  | { readonly type: 'failed'; readonly message: string };

/** `v` and `id` stand beside what is asked and answered. */
export type Numbered<T> = T & { readonly v: number; readonly id: number };

export const CHECKPOINT_FILE = 'checkpoint';
