import { readdir, rm, stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { errnoOf, messageOf, WasmletError } from '../../../base/errors.ts';
import type { PreparedModule } from './prepare.ts';

export interface PrepareRequest {
  readonly id: number;
  readonly source: string;
  readonly folder: string;
}

export type PrepareReply =
  { readonly id: number; readonly prepared: PreparedModule } | { readonly id: number; readonly error: string };

/** The thread ends after so long without work: a node whose images are there does not pay for it. */
const IDLE_MS = 5000;

/** A rewritten module that no container was started from for so long is removed. */
const UNUSED_MS = 24 * 60 * 60 * 1000;

/** A large module on a busy machine takes seconds. */
const TIMEOUT_MS = 60_000;

const SWEEP_MS = 60 * 60 * 1000;

/** From the repository the worker runs as TypeScript; published, its bundle stands beside this one. */
const workerEntry = (): URL =>
  new URL(import.meta.url.endsWith('.ts') ? './worker.ts' : './rewrite-worker.mjs', import.meta.url);

/**
 * Modules as shared hosts run them, made once per content in a thread of their own, and kept in the image store beside
 * the unpacked trees.
 */
export class SharedModules implements Disposable {
  readonly #folder: string;
  /** By the file's identity: its content is looked at once. */
  readonly #known = new Map<string, Promise<PreparedModule>>();
  readonly #pending = new Map<number, PromiseWithResolvers<PreparedModule>>();
  #worker: Worker | undefined;
  #idle: NodeJS.Timeout | undefined;
  #lastId = 0;
  #swept = 0;

  /** @param root the node's state folder */
  constructor(root: string) {
    this.#folder = join(root, 'images', 'rewritten');
  }

  /**
   * The module that shared hosts run in place of this one.
   * @param source host path; the same file gives the same answer without being read again
   * @throws WasmletError Internal when it cannot be made
   */
  async prepare(source: string): Promise<PreparedModule> {
    const { dev, ino, size, mtimeNs } = await stat(source, { bigint: true });
    const key = `${dev}:${ino}:${size}:${mtimeNs}`;
    const known = this.#known.get(key);
    if (known !== undefined && (await this.#isThere(known))) return await known;
    const preparing = this.#run(source);
    this.#known.set(key, preparing);
    preparing.catch(() => this.#known.delete(key));
    return await preparing;
  }

  /** Whether a result still stands; notes that it was used. */
  async #isThere(known: Promise<PreparedModule>): Promise<boolean> {
    try {
      const result = await known;
      const now = new Date();
      if ('path' in result) await utimes(result.path, now, now);
      if ('path' in result && result.original !== undefined) await utimes(result.original, now, now);
      return true;
    } catch {
      return false;
    }
  }

  async #run(source: string): Promise<PreparedModule> {
    clearTimeout(this.#idle);
    const worker = (this.#worker ??= this.#start());
    const id = ++this.#lastId;
    const pending = Promise.withResolvers<PreparedModule>();
    this.#pending.set(id, pending);
    worker.postMessage({ id, source, folder: this.#folder } satisfies PrepareRequest);
    // A file on a volume may be one that is never read to its end.
    const deadline = setTimeout(() => void worker.terminate(), TIMEOUT_MS).unref();
    try {
      return await pending.promise;
    } finally {
      clearTimeout(deadline);
      this.#pending.delete(id);
      if (this.#pending.size === 0) this.#rest();
    }
  }

  #start(): Worker {
    const worker = new Worker(workerEntry(), { name: 'wasmlet-rewriter', execArgv: [] });
    worker.unref();
    worker.on('message', (reply: PrepareReply) => {
      const pending = this.#pending.get(reply.id);
      if ('error' in reply)
        pending?.reject(new WasmletError('Internal', `a module cannot be rewritten: ${reply.error}`));
      else pending?.resolve(reply.prepared);
    });
    const fail = (reason: string): void => {
      if (this.#worker !== worker) return;
      this.#worker = undefined;
      for (const pending of this.#pending.values()) {
        pending.reject(new WasmletError('Internal', `a module cannot be rewritten: ${reason}`));
      }
    };
    worker.on('error', (error) => fail(messageOf(error)));
    worker.on('exit', () => fail('the thread has ended'));
    return worker;
  }

  #rest(): void {
    clearTimeout(this.#idle);
    this.#idle = setTimeout(() => {
      const worker = this.#worker;
      this.#worker = undefined;
      void worker?.terminate();
    }, IDLE_MS).unref();
  }

  /** Removes what an earlier supervisor was writing when it was killed. To be called before any is prepared. */
  async removeHalfWritten(): Promise<void> {
    for (const name of await namesIn(this.#folder)) {
      if (name.endsWith('.tmp')) await rm(join(this.#folder, name), { force: true });
    }
  }

  /** Removes what no container was started from for a day; hosts that run have read theirs. Looks once an hour. */
  async removeUnused(): Promise<void> {
    if (Date.now() - this.#swept < SWEEP_MS) return;
    this.#swept = Date.now();
    const before = Date.now() - UNUSED_MS;
    for (const name of await namesIn(this.#folder)) {
      const path = join(this.#folder, name);
      const found = await stat(path).catch(() => undefined);
      if (found !== undefined && found.mtimeMs < before) await rm(path, { force: true });
    }
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#idle);
    void this.#worker?.terminate();
  }
}

async function namesIn(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return [];
    throw error;
  }
}
