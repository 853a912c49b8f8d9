import type { KubeObject } from './types.ts';

/** The API server's answer when it is not 2xx: metav1.Status' reason and code. Cause and decision are the caller's. */
export class KubeApiError extends Error {
  /** HTTP status, for example 409. */
  readonly status: number;
  /** metav1.StatusReason, for example 'Conflict', 'NotFound', 'AlreadyExists', 'Forbidden'; '' when none was given. */
  readonly reason: string;
  /** Seconds that the server asked to wait, from Retry-After or status.details.retryAfterSeconds. */
  readonly retryAfterSeconds: number | undefined;

  constructor(status: number, reason: string, message: string, retryAfterSeconds?: number) {
    super(message);
    this.name = 'KubeApiError';
    this.status = status;
    this.reason = reason;
    this.retryAfterSeconds = retryAfterSeconds;
  }
}

export type PatchType = 'strategic' | 'merge' | 'json';

export interface RequestOptions {
  readonly signal?: AbortSignal;
  /** Query parameters. */
  readonly query?: Readonly<Record<string, string | number | boolean | undefined>>;
}

export interface KubeList<T> {
  readonly metadata: { readonly resourceVersion?: string; readonly continue?: string };
  readonly items: T[];
}

export interface WatchEvent<T> {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK';
  readonly object: T;
}

/**
 * A small client over the API server's REST paths, JSON in and out as it stands on the wire. Every request has a
 * time-out and passes one client-side rate limit (kubeAPIQPS, kubeAPIBurst as the kubelet's).
 * Paths are absolute: '/api/v1/namespaces/default/pods/a', '/apis/coordination.k8s.io/v1/…'.
 * All methods throw KubeApiError for an answer that is not 2xx, and WasmletError Unavailable or DeadlineExceeded where
 * there was no answer.
 */
export interface KubeClient {
  readonly server: string;
  get<T extends KubeObject>(path: string, options?: RequestOptions): Promise<T>;
  list<T extends KubeObject>(path: string, options?: RequestOptions): Promise<KubeList<T>>;
  create<T extends KubeObject, R extends KubeObject = T>(path: string, body: T, options?: RequestOptions): Promise<R>;
  update<T extends KubeObject>(path: string, body: T, options?: RequestOptions): Promise<T>;
  patch<T extends KubeObject>(path: string, type: PatchType, body: unknown, options?: RequestOptions): Promise<T>;
  delete(path: string, body?: Record<string, unknown>, options?: RequestOptions): Promise<void>;
  /**
   * Watches from a resource version; ends when the server ends it. ERROR events are thrown as KubeApiError (410: relist).
   */
  watch<T extends KubeObject>(
    path: string,
    resourceVersion: string,
    options?: RequestOptions,
  ): AsyncIterable<WatchEvent<T>>;
  /** Requests made so far by 'VERB resource[/subresource]', for the API-call budget test and metrics. */
  readonly requestCounts: ReadonlyMap<string, number>;
  /** Uses a new client certificate from the next connection on. */
  [Symbol.asyncDispose](): Promise<void>;
}
