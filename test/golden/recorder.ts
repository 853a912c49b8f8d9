import type { CoreEvent, KubeObject, Pod } from '../../agent/kube/types.ts';
import { WasmletError } from '../../base/errors.ts';
import type { Api, WatchedEvent } from '../support/api.ts';
import type { SeenPod } from './trace/milestones.ts';

/** What was seen of one pod. */
export interface SeenLife {
  readonly versions: SeenPod[];
  gone: boolean;
}

/** After so long without news, what has happened has been told. A kubelet looks at its runtime each second. */
const QUIET_MS = 2500;
/** A pod that backs off makes news for ever. */
const SETTLE_LIMIT_MS = 8000;

/** Watches the pods and the events of one namespace, from before there are any. Dispose it to end the watches. */
export class Recorder implements AsyncDisposable {
  readonly pods = new Map<string, SeenLife>();
  readonly events: CoreEvent[] = [];
  readonly #ended = new AbortController();
  readonly #watches: Promise<void>[];
  readonly #waiting = new Set<() => void>();
  #newsAt = performance.now();
  #cutAt: number | undefined;
  #failure: WasmletError | undefined;

  /** @param path '/api/v1/namespaces/NAME' */
  constructor(api: Api, path: string) {
    this.#watches = [
      this.#watch<Pod>(api, `${path}/pods`, (event) => this.#onPod(event)),
      this.#watch<CoreEvent>(api, `${path}/events`, ({ type, object }) => {
        if (type !== 'DELETED') this.events.push(object);
      }),
    ];
  }

  async #watch<T extends KubeObject>(api: Api, path: string, onEvent: (event: WatchedEvent<T>) => void): Promise<void> {
    try {
      for await (const event of api.watch<T>(path, {}, this.#ended.signal)) {
        onEvent(event);
        this.#wake();
      }
    } catch (error) {
      if (this.#ended.signal.aborted) return;
      this.#failure = new WasmletError('Unavailable', `the watch of ${path} ended`, { cause: error });
      this.#wake();
    }
  }

  #onPod({ type, object }: WatchedEvent<Pod>): void {
    if (this.#cutAt !== undefined) return;
    const name = object.metadata?.name ?? '';
    const life = this.pods.get(name) ?? { versions: [], gone: false };
    this.pods.set(name, life);
    const { resourceVersion } = object.metadata ?? {};
    // A watch that is begun again tells what is there once more.
    if (type !== 'DELETED' && life.versions.at(-1)?.pod.metadata?.resourceVersion === resourceVersion) return;
    life.versions.push({ pod: object, at: performance.now() });
    life.gone = type === 'DELETED';
  }

  #wake(): void {
    this.#newsAt = performance.now();
    for (const wake of this.#waiting) wake();
  }

  /**
   * Waits until something is true of what has been seen.
   * @throws WasmletError DeadlineExceeded naming `what`; what ended a watch
   */
  async until(what: string, isTrue: () => boolean, timeoutMs: number): Promise<void> {
    const deadline = performance.now() + timeoutMs;
    while (!isTrue()) {
      if (this.#failure) throw this.#failure;
      const left = deadline - performance.now();
      if (left <= 0) {
        throw new WasmletError('DeadlineExceeded', `not seen within ${timeoutMs / 1000} s: ${what}; ${this.#last()}`);
      }
      await this.#news(left);
    }
  }

  /** What comes after the first version that is as told is not looked at: it goes on for ever. */
  cut(isLast: (version: SeenPod) => boolean): void {
    for (const life of this.pods.values()) {
      const index = life.versions.findIndex(isLast);
      if (index >= 0) life.versions.length = index + 1;
    }
    this.#cutAt = Date.now();
  }

  /** The events in each of their versions, without what happened after the cut. */
  eventsUntilCut(): readonly CoreEvent[] {
    const cutAt = this.#cutAt;
    if (cutAt === undefined) return this.events;
    return this.events.filter(({ lastTimestamp }) => Date.parse(lastTimestamp ?? '') <= cutAt);
  }

  /** Waits until nothing has happened for a while, so that nothing more is on its way. */
  async settle(): Promise<void> {
    if (this.#cutAt !== undefined) return;
    const limit = performance.now() + SETTLE_LIMIT_MS;
    for (;;) {
      const left = Math.min(this.#newsAt + QUIET_MS, limit) - performance.now();
      if (left <= 0) return;
      await this.#news(left);
    }
  }

  /** Resolves with the next news, or after so many milliseconds. */
  async #news(limitMs: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<undefined>();
    const wake = (): void => resolve(undefined);
    const timer = setTimeout(wake, limitMs);
    this.#waiting.add(wake);
    await promise;
    this.#waiting.delete(wake);
    clearTimeout(timer);
  }

  #last(): string {
    const seen = [...this.pods].map(
      ([name, { versions }]) => `${name}: ${JSON.stringify(versions.at(-1)?.pod.status)}`,
    );
    return `last seen: ${seen.join('; ') || 'nothing'}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ended.abort();
    await Promise.all(this.#watches);
  }
}
