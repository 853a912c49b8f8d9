import { stat } from 'node:fs/promises';
import { basename } from 'node:path';
import pLimit, { type LimitFunction } from 'p-limit';
import { hasCode, messageOf, WasmletError } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import { credentialsFor } from './docker-config.ts';
import { Flights } from './flights.ts';
import { importFile } from './import.ts';
import { ImageLayout } from './layout.ts';
import { pull, type PullContext } from './pull.ts';
import { isDigest, parseReference, type Reference } from './reference.ts';
import { RegistryStatusError } from './registry/errors.ts';
import { Transport, type RetryOptions } from './registry/transport.ts';
import type {
  Image,
  ImageService,
  ImageStore,
  ImportOptions,
  PullOptions,
  RegistryAuth,
  TransferProgress,
} from './service.ts';
import { WorkerThread } from './worker-thread.ts';

export { resolveCommand } from './command.ts';
export { parseDockerConfigJson } from './docker-config.ts';
export { parseReference, type Reference } from './reference.ts';
export { resolveInTree } from './tree-path.ts';

export interface ImageServiceOptions {
  /** Folder of the store, `<rootDir>/images`; this process's alone. */
  readonly root: string;
  /** Images that are pulled at the same time; the others wait in order of asking. */
  readonly maxParallelPulls: number;
  /** One pull at a time, whatever maxParallelPulls says (the kubelet's serializeImagePulls). */
  readonly serialize: boolean;
  /** Milliseconds without progress after which a pull is given up. */
  readonly progressDeadlineMs: number;
  /** Bytes of one image, packed and unpacked, at the most. */
  readonly maxImageBytes: number;
  /** 'host:port' of registries reached by plain HTTP; loopback is, without being named. */
  readonly insecureRegistries: readonly string[];
  readonly logger: Logger;
  /** Tries of one request; default 4, half a second apart and doubling. */
  readonly retry?: RetryOptions;
}

const CONNECT_TIMEOUT_MS = 30_000;
const WORKER_IDLE_MS = 30_000;

/**
 * Opens the node's image store and the way to registries.
 * @throws a system error when the folder cannot be written
 */
export async function createImageService(options: ImageServiceOptions): Promise<ImageService & ImageStore> {
  return new OciImageService(options, await ImageLayout.open(options.root, options.logger));
}

class OciImageService implements ImageService, ImageStore {
  readonly #context: PullContext;
  readonly #flights = new Flights<Image>();
  readonly #limit: LimitFunction;
  readonly #logger: Logger;
  #disposed = false;

  constructor(options: ImageServiceOptions, layout: ImageLayout) {
    const plain = { insecureRegistries: options.insecureRegistries };
    this.#logger = options.logger;
    this.#limit = pLimit(options.serialize ? 1 : options.maxParallelPulls);
    this.#context = {
      layout,
      plain,
      maxImageBytes: options.maxImageBytes,
      worker: new WorkerThread(WORKER_IDLE_MS),
      transport: new Transport({
        ...plain,
        progressDeadlineMs: options.progressDeadlineMs,
        connectTimeoutMs: Math.min(CONNECT_TIMEOUT_MS, options.progressDeadlineMs),
        retry: options.retry ?? { attempts: 4, baseDelayMs: 500 },
      }),
    };
  }

  imageStatus(reference: string): Promise<Image | undefined> {
    return Promise.resolve().then(() => {
      const id = /^[0-9a-f]{64}$/.test(reference) ? `sha256:${reference}` : reference;
      const { layout } = this.#context;
      return isDigest(id) ? layout.byId(id) : layout.byName(parseReference(reference).canonical);
    });
  }

  listImages(): Promise<readonly Image[]> {
    return Promise.resolve(this.#context.layout.images());
  }

  async pullImage({ reference: text, dockerConfigs, onProgress, signal }: PullOptions): Promise<Image> {
    const reference = parseReference(text);
    const credentials = credentialsFor(dockerConfigs, reference.name);
    const key = JSON.stringify([reference.canonical, credentials]);
    try {
      if (this.#disposed) throw new WasmletError('Cancelled', 'the image service is shutting down');
      return await this.#flights.join(key, signal, (ended) =>
        this.#limit(() =>
          this.#pullWithAny(reference, credentials, { signal: ended, ...(onProgress ? { onProgress } : {}) }),
        ),
      );
    } catch (error) {
      if (signal.aborted && !(error instanceof WasmletError)) {
        throw new WasmletError('Cancelled', `the pull of ${reference.canonical} was given up`, { cause: error });
      }
      throw error;
    }
  }

  /** The credentials one after another, then none; a failure that credentials have no part in ends it at once. */
  async #pullWithAny(
    reference: Reference,
    credentials: readonly RegistryAuth[],
    options: Pick<PullOptions, 'signal' | 'onProgress'>,
  ): Promise<Image> {
    const { signal } = options;
    const failures: unknown[] = [];
    const started = performance.now();
    for (const auth of [...credentials, undefined]) {
      try {
        const image = await pull(this.#context, reference, auth, options);
        this.#logger.debug('Pulled image', {
          image: reference.canonical,
          id: image.id,
          durationMs: Math.round(performance.now() - started),
        });
        return image;
      } catch (error) {
        if (signal.aborted) {
          throw new WasmletError('Cancelled', `the pull of ${reference.canonical} was given up`, { cause: error });
        }
        failures.push(error);
        if (!(error instanceof RegistryStatusError) || !error.mayDependOnCredentials) break;
      }
    }
    throw pullError(reference, failures);
  }

  async importImages({ path, name, onProgress, signal }: ImportOptions): Promise<readonly Image[]> {
    const total = onProgress ? ((await stat(path).catch(() => undefined))?.size ?? 0) : 0;
    const tell = (done: number, state: TransferProgress['state']) =>
      onProgress?.({ name: basename(path), mediaType: '', done, total, state });
    tell(0, 'under way');
    const images = await importFile(this.#context, { path, name }, signal);
    tell(total, 'there');
    return images;
  }

  async removeImage(id: string): Promise<void> {
    await this.#context.layout.remove(id);
  }

  async imageFsInfo(): Promise<{ path: string; usedBytes: number; inodesUsed: number }> {
    const { layout } = this.#context;
    const { bytes, inodes } = await layout.usage();
    return { path: layout.root, usedBytes: bytes, inodesUsed: inodes };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#disposed = true;
    await this.#flights[Symbol.asyncDispose]();
    await this.#context.worker[Symbol.asyncDispose]();
    await this.#context.transport[Symbol.asyncDispose]();
  }
}

/** One error for all that was tried, with containerd's words; equal failures are told once (as by the kubelet). */
function pullError(reference: Reference, failures: readonly unknown[]): WasmletError {
  const decisive = failures.at(-1);
  if (hasCode(decisive, 'ImageNotRunnable')) return decisive;
  const messages = [...new Set(failures.map(messageOf))];
  return new WasmletError(
    decisive instanceof WasmletError ? decisive.code : 'ErrImagePull',
    `failed to pull and unpack image ${JSON.stringify(reference.canonical)}: ` +
      (messages.length === 1 ? (messages[0] ?? '') : `[${messages.join(', ')}]`),
    { cause: decisive },
  );
}
