import type { Logger } from '../../base/log.ts';
import type { KubeClient } from './client.ts';
import type { KubeObject } from './types.ts';

export interface ReflectorHandler<T> {
  onAdd(object: T): void;
  onUpdate(object: T, previous: T): void;
  /** `object` is the last state known. */
  onDelete(object: T): void;
}

export interface ReflectorOptions<T> {
  readonly client: KubeClient;
  /** List path, for example '/api/v1/pods'. */
  readonly path: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly handler?: ReflectorHandler<T>;
  readonly logger: Logger;
}

/** A local copy of a list that a watch keeps current: list in pages, watch with bookmarks, relist on 410, jittered back-off. */
export interface Reflector<T extends KubeObject> {
  /** By '<namespace>/<name>', or '<name>' for cluster-scoped objects. */
  get(key: string): T | undefined;
  list(): T[];
  /** Resolves once the first list is in. */
  readonly synced: Promise<void>;
  /** Runs until the signal ends it. */
  run(signal: AbortSignal): Promise<void>;
}

export function createReflector<T extends KubeObject>(_options: ReflectorOptions<T>): Reflector<T> {
  throw new Error('written by the kube room');
}
