import type { ErrorCode } from '../../base/errors.ts';
import type { Member } from '../archive/members.ts';
import type { BlobContent, Compression } from '../content.ts';

/** What the worker thread does; each task is answered once, by its id. */
export interface Tasks {
  /** Checks a file's size and digest and looks at what it is. */
  readonly verify: {
    readonly input: { readonly path: string; readonly digest: string; readonly size: number };
    readonly output: BlobContent;
  };
  /** Looks at what a file is. */
  readonly inspect: { readonly input: { readonly path: string }; readonly output: BlobContent };
  /** Flattens layers, lowest first, into an existing empty folder. */
  readonly unpack: {
    readonly input: {
      readonly layers: readonly { readonly digest: string; readonly path: string; readonly content: BlobContent }[];
      readonly destination: string;
      readonly maxBytes: number;
      readonly maxEntries: number;
    };
    readonly output: { readonly entries: number };
  };
  /** Lays the files of an image archive into an existing empty folder, hashed. */
  readonly members: {
    readonly input: {
      readonly path: string;
      readonly compression: Compression;
      readonly destination: string;
      readonly maxBytes: number;
      readonly maxEntries: number;
    };
    readonly output: { readonly members: readonly Member[] };
  };
}

export type TaskKind = keyof Tasks;

export type WorkerRequest =
  | { [K in TaskKind]: { readonly id: number; readonly kind: K; readonly input: Tasks[K]['input'] } }[TaskKind]
  | { readonly id: number; readonly kind: 'cancel' };

export type WorkerReply =
  | { readonly id: number; readonly output: Tasks[TaskKind]['output'] }
  | { readonly id: number; readonly error: { readonly code: ErrorCode; readonly message: string } };
