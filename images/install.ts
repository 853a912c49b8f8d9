import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import pLimit from 'p-limit';
import { messageOf, WasmletError } from '../base/errors.ts';
import type { BlobContent } from './content.ts';
import { checkTree, chooseForm, refuseOtherPlatform, type Form, type Layer } from './form.ts';
import { TREE_FORM, UNPACKED_FORM, type ImageLayout, type Lease, type StoredForm } from './layout.ts';
import { LIMITS } from './limits.ts';
import { parseConfig, type Descriptor, type Manifest } from './manifest.ts';
import type { Resolved } from './resolve.ts';
import type { Image } from './service.ts';
import type { WorkerThread } from './worker-thread.ts';

/** What an image is stored with. */
export interface InstallContext {
  readonly layout: ImageLayout;
  readonly worker: WorkerThread;
  readonly maxImageBytes: number;
}

/**
 * Brings a blob into a new file, synced; its digest is checked afterwards.
 * @param path must not exist; the caller removes it, also after an error
 */
export type FetchBlob = (blob: Descriptor, path: string, signal: AbortSignal) => Promise<void>;

export interface Installation {
  readonly resolved: Resolved;
  /** For messages: the image as its user names it. */
  readonly name: string;
  /** What stands for it from now on: 'repository:tag', 'repository@digest'. */
  readonly names: readonly string[];
  readonly fetchBlob: FetchBlob;
}

/**
 * Stores an image whose manifest is known, wherever its blobs come from. What was fetched for an image that then cannot
 * be used is removed again.
 * @throws WasmletError ErrImagePull, ImageNotRunnable; what `fetchBlob` throws
 */
export async function install(
  context: InstallContext,
  { resolved, name, names, fetchBlob }: Installation,
  signal: AbortSignal,
): Promise<Image> {
  await using lease = context.layout.lease();
  const fetcher = new BlobFetcher(context, fetchBlob, lease, signal);
  const config = await readConfig(fetcher, context, resolved.manifest);
  refuseOtherPlatform(resolved.manifest, config, name);
  checkSize(resolved.manifest, context.maxImageBytes);
  const layers = await fetcher.layers(resolved.manifest.layers);
  const form = chooseForm(layers, config, name);
  const tree = await unpack(context, lease, resolved.digest, form, signal);
  const entrypoint = form.kind === 'tree' ? await checkTree(tree ?? '', config, name) : undefined;
  await storeManifest(context, lease, resolved);
  signal.throwIfAborted();
  return await context.layout.commit({
    manifest: { mediaType: resolved.mediaType, digest: resolved.digest, size: resolved.bytes.length },
    form: storedForm(form),
    entrypoint,
    names,
  });
}

async function readConfig(fetcher: BlobFetcher, { layout }: InstallContext, { config }: Manifest) {
  if (config.size > LIMITS.configBytes) {
    throw new WasmletError(
      'ErrImagePull',
      `the image's config has ${config.size} bytes, more than ${LIMITS.configBytes}`,
    );
  }
  await fetcher.fetch(config, 'config');
  return parseConfig(await readFile(layout.blobPath(config.digest)), config.mediaType);
}

function checkSize({ layers }: Manifest, maxImageBytes: number): void {
  const total = layers.reduce((sum, { size }) => sum + size, 0);
  if (total <= maxImageBytes) return;
  throw new WasmletError(
    'ErrImagePull',
    `the image has ${total} bytes, more than the ${maxImageBytes} that this node allows (maxImageBytes)`,
  );
}

/** Brings blobs into the store, each at most once a pull. */
class BlobFetcher {
  readonly #context: InstallContext;
  readonly #fetchBlob: FetchBlob;
  readonly #lease: Lease;
  readonly #signal: AbortSignal;

  constructor(context: InstallContext, fetchBlob: FetchBlob, lease: Lease, signal: AbortSignal) {
    this.#context = context;
    this.#fetchBlob = fetchBlob;
    this.#lease = lease;
    this.#signal = signal;
  }

  /** Fetches all layers, a few side by side; the first failure ends the others, and all have ended on return. */
  async layers(descriptors: readonly Descriptor[]): Promise<readonly Layer[]> {
    const limit = pLimit(LIMITS.layersAtOnce);
    const unique = new Map(descriptors.map((descriptor) => [descriptor.digest, descriptor]));
    const failed = new AbortController();
    const signal = AbortSignal.any([this.#signal, failed.signal]);
    const results = await Promise.allSettled(
      [...unique.values()].map((descriptor) =>
        limit(async () => {
          try {
            return [descriptor.digest, await this.fetch(descriptor, 'layer', signal)] as const;
          } catch (error) {
            failed.abort(error);
            throw error;
          }
        }),
      ),
    );
    signal.throwIfAborted();
    const contents = new Map(results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : [])));
    return descriptors.map((descriptor) => ({
      descriptor,
      content: contents.get(descriptor.digest) ?? { compression: 'none', content: 'data' },
    }));
  }

  /** Has a blob in the store, verified. */
  async fetch(blob: Descriptor, role: 'config' | 'layer', signal = this.#signal): Promise<BlobContent> {
    const { layout, worker } = this.#context;
    signal.throwIfAborted();
    if (await this.#lease.holds(blob.digest, blob.size)) {
      return worker.run('inspect', { path: layout.blobPath(blob.digest) }, signal);
    }
    const path = layout.ingestPath();
    try {
      await this.#fetchBlob(blob, path, signal);
      const content = await worker.run('verify', { path, digest: blob.digest, size: blob.size }, signal);
      await this.#lease.adopt(path, blob.digest);
      return content;
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof WasmletError) {
        error.message = `failed to download ${role} ${blob.digest}: ${error.message}`;
        throw error;
      }
      throw new WasmletError('ErrImagePull', `failed to download ${role} ${blob.digest}: ${messageOf(error)}`, {
        cause: error,
      });
    } finally {
      await rm(path, { force: true });
    }
  }
}

/** Flattens tar layers, or a compressed module, unless that was done before; resolves to the tree's path. */
async function unpack(
  { layout, worker, maxImageBytes }: InstallContext,
  lease: Lease,
  manifestDigest: string,
  form: Form,
  signal: AbortSignal,
): Promise<string | undefined> {
  if (isPlainModule(form)) return undefined;
  if (await lease.holdsTree(manifestDigest)) return lease.treePath(manifestDigest);
  const destination = layout.ingestPath();
  await mkdir(destination, { mode: 0o700 });
  try {
    const layers = (form.kind === 'tree' ? form.layers : [form.layer]).map(({ descriptor: { digest }, content }) => ({
      digest,
      path: layout.blobPath(digest),
      content,
    }));
    await worker.run(
      'unpack',
      { layers, destination, maxBytes: maxImageBytes, maxEntries: LIMITS.treeEntries },
      signal,
    );
    return await lease.adoptTree(destination, manifestDigest);
  } finally {
    await rm(destination, { recursive: true, force: true });
  }
}

function isPlainModule(form: Form): boolean {
  return form.kind === 'module' && form.layer.content.compression === 'none';
}

function storedForm(form: Form): StoredForm {
  if (form.kind === 'tree') return TREE_FORM;
  return isPlainModule(form) ? form.layer.descriptor.digest : UNPACKED_FORM;
}

async function storeManifest({ layout }: InstallContext, lease: Lease, { bytes, digest }: Resolved): Promise<void> {
  if (await lease.holds(digest, bytes.length)) return;
  const path = layout.ingestPath();
  try {
    await writeFile(path, bytes, { mode: 0o644, flush: true });
    await lease.adopt(path, digest);
  } finally {
    await rm(path, { force: true });
  }
}
