import { rmSync } from 'node:fs';
import type { Logger } from '../../base/log.ts';
import { messageOf } from '../../base/errors.ts';
import { ChildHost, hostSocketPath, pooledErrorPath } from './hosts.ts';

export interface PoolOptions {
  /** Path of the host's bundle. */
  readonly code: string;
  readonly runDirectory: string;
  /** How many hosts wait for a container. Each costs about 10 MB. */
  readonly size: number;
  readonly logger: Logger;
}

/**
 * Hosts that are started before they are needed: starting Node is what takes longest of starting a container. A host
 * that waits ends by itself when its supervisor is gone, so a pool leaves nothing behind.
 */
export class HostPool implements Disposable {
  readonly #options: PoolOptions;
  readonly #waiting = new Set<ChildHost>();
  #closed = false;
  #failure: string | undefined;

  constructor(options: PoolOptions) {
    this.#options = options;
  }

  /** Why hosts cannot be started at present, or undefined. */
  get failure(): string | undefined {
    return this.#failure;
  }

  /**
   * Takes a host that waits, or starts one.
   * @throws WasmletError Unavailable
   */
  claim(): ChildHost {
    for (const host of this.#waiting) {
      this.#waiting.delete(host);
      return host;
    }
    return this.#spawn();
  }

  /** Starts hosts until enough are waiting. */
  refill(): void {
    try {
      while (!this.#closed && this.#waiting.size < this.#options.size) this.#add(this.#spawn());
    } catch (error) {
      this.#options.logger.warn('no host can be started ahead', { error: messageOf(error) });
    }
  }

  #spawn(): ChildHost {
    try {
      const host = ChildHost.spawn(this.#options.code, this.#options.runDirectory);
      this.#failure = undefined;
      return host;
    } catch (error) {
      this.#failure = messageOf(error);
      throw error;
    }
  }

  #add(host: ChildHost): void {
    this.#waiting.add(host);
    void host.ended.then(() => {
      // One that is still here was never given a container.
      if (this.#waiting.delete(host)) removeHostFiles(this.#options.runDirectory, host.id);
    });
  }

  [Symbol.dispose](): void {
    this.#closed = true;
    for (const host of this.#waiting) {
      host.release();
      removeHostFiles(this.#options.runDirectory, host.id);
    }
    this.#waiting.clear();
  }
}

/** Removes what a host that is gone has in the run folder. */
export function removeHostFiles(runDirectory: string, id: string): void {
  rmSync(hostSocketPath(runDirectory, id), { force: true });
  rmSync(pooledErrorPath(runDirectory, id), { force: true });
}
