import type { Pod } from '../../agent/kube/types.ts';
import { messageOf, WasmletError } from '../../base/errors.ts';
import type { Api } from '../support/api.ts';

const WAIT_MS = 60_000;

interface Wait {
  readonly name: string;
  readonly isOver: (pod: Pod | undefined) => boolean;
  readonly resolve: (at: number) => void;
  readonly reject: (error: Error) => void;
}

/** One watch over all pods of a namespace, which tells when each became what is waited for. */
export class PodWatch implements AsyncDisposable {
  readonly #ended = new AbortController();
  readonly #pods = new Map<string, Pod>();
  readonly #waits = new Set<Wait>();
  readonly #following: Promise<void>;

  constructor(api: Api, path: string) {
    this.#following = this.#follow(api, path);
  }

  async #follow(api: Api, path: string): Promise<void> {
    try {
      for await (const { type, object } of api.watch<Pod>(path, {}, this.#ended.signal)) {
        const name = object.metadata?.name ?? '';
        if (type === 'DELETED') this.#pods.delete(name);
        else this.#pods.set(name, object);
        this.#check(name);
      }
    } catch (error) {
      if (this.#ended.signal.aborted) return;
      for (const wait of this.#waits) wait.reject(new WasmletError('Internal', messageOf(error), { cause: error }));
    }
  }

  #check(name: string): void {
    const at = performance.now();
    for (const wait of this.#waits) {
      if (wait.name === name && wait.isOver(this.#pods.get(name))) wait.resolve(at);
    }
  }

  /**
   * Waits until a pod is as wished.
   * @returns when the watch showed it, by performance.now()
   */
  async until(name: string, wished: (pod: Pod) => boolean): Promise<number> {
    return await this.#wait(name, (pod) => pod !== undefined && wished(pod));
  }

  /** Waits until there is no pod of the name. */
  async untilGone(name: string): Promise<number> {
    return await this.#wait(name, (pod) => pod === undefined);
  }

  async #wait(name: string, isOver: (pod: Pod | undefined) => boolean): Promise<number> {
    if (isOver(this.#pods.get(name))) return performance.now();
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    const wait: Wait = { name, isOver, resolve, reject };
    const timer = setTimeout(() => {
      const seen = JSON.stringify(this.#pods.get(name)?.status ?? 'nothing');
      reject(new WasmletError('DeadlineExceeded', `pod ${name} after ${WAIT_MS / 1000} s: ${seen}`));
    }, WAIT_MS);
    this.#waits.add(wait);
    try {
      return await promise;
    } finally {
      clearTimeout(timer);
      this.#waits.delete(wait);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ended.abort();
    await this.#following;
  }
}
