import { hash } from 'node:crypto';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import pLimit from 'p-limit';
import { messageOf, WasmletError } from '../base/errors.ts';
import type { BlobContent } from './content.ts';
import { checkTree, chooseForm, refuseOtherPlatform, type Form, type Layer } from './form.ts';
import { TREE_FORM, UNPACKED_FORM, type ImageLayout, type Lease, type StoredForm } from './layout.ts';
import { LIMITS } from './limits.ts';
import { choosePlatform, parseConfig, parseManifest, type Descriptor, type Manifest } from './manifest.ts';
import { isDigest, type Reference } from './reference.ts';
import { RegistryClient, type RawManifest } from './registry/client.ts';
import { downloadBlob } from './registry/download.ts';
import { RegistryStatusError } from './registry/errors.ts';
import type { PlainHttp } from './registry/hosts.ts';
import type { Transport } from './registry/transport.ts';
import type { Image, RegistryAuth } from './service.ts';
import type { WorkerThread } from './worker-thread.ts';

/** What a pull works with. */
export interface PullContext {
  readonly layout: ImageLayout;
  readonly transport: Transport;
  readonly worker: WorkerThread;
  readonly plain: PlainHttp;
  readonly maxImageBytes: number;
}

/** The manifest that was chosen, and what the reference itself stands for (the index, where there is one). */
interface Resolved {
  readonly referenceDigest: string;
  readonly digest: string;
  readonly bytes: Buffer;
  readonly mediaType: string;
  readonly manifest: Manifest;
}

/**
 * Pulls an image with one set of credentials, or none, and stores it. What was downloaded for an image that then cannot
 * be used is removed again.
 * @throws WasmletError ErrImagePull, RegistryUnavailable, ImageNotRunnable; RegistryStatusError where a status decides
 */
export async function pull(
  context: PullContext,
  reference: Reference,
  auth: RegistryAuth | undefined,
  signal: AbortSignal,
): Promise<Image> {
  const client = new RegistryClient({ transport: context.transport, reference, auth, plain: context.plain });
  const known = await unchanged(context, client, reference, signal);
  if (known) return known;
  await using lease = context.layout.lease();
  const resolved = await resolving(reference, () => resolve(client, reference, signal));
  const fetcher = new BlobFetcher(context, client, lease, signal);
  const config = await readConfig(fetcher, context, resolved.manifest);
  refuseOtherPlatform(resolved.manifest, config, reference.canonical);
  checkSize(resolved.manifest, context.maxImageBytes);
  const layers = await fetcher.layers(resolved.manifest.layers);
  const form = chooseForm(layers, config, reference.canonical);
  const tree = await unpack(context, lease, resolved.digest, form, signal);
  const entrypoint = form.kind === 'tree' ? await checkTree(tree ?? '', config, reference.canonical) : undefined;
  await storeManifest(context, lease, resolved);
  signal.throwIfAborted();
  return await context.layout.commit({
    manifest: { mediaType: resolved.mediaType, digest: resolved.digest, size: resolved.bytes.length },
    form: storedForm(form),
    entrypoint,
    names: [
      ...(reference.digest === undefined ? [reference.canonical] : []),
      `${reference.name}@${resolved.referenceDigest}`,
    ],
  });
}

/**
 * The stored image, where the registry says that the reference still stands for it. HEAD first: it is one small request,
 * it checks that the caller may have the image, and Docker Hub does not count it as a pull.
 */
async function unchanged(
  { layout }: PullContext,
  client: RegistryClient,
  reference: Reference,
  signal: AbortSignal,
): Promise<Image | undefined> {
  const known = layout.byName(reference.canonical);
  if (!known) return undefined;
  const digest = await resolving(reference, () => client.headManifest(reference.digest ?? reference.tag ?? '', signal));
  return digest !== undefined && known.repoDigests.includes(`${reference.name}@${digest}`) ? known : undefined;
}

/** Says, as containerd does, that a failure was one of finding the image, and what to do about it. */
async function resolving<T>(reference: Reference, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof WasmletError) || error.code === 'ImageNotRunnable') throw error;
    error.message = `failed to resolve reference ${JSON.stringify(reference.canonical)}: ${explained(reference, error)}`;
    throw error;
  }
}

function explained({ canonical, domain }: Reference, error: WasmletError): string {
  if (!(error instanceof RegistryStatusError)) return error.message;
  if (error.status === 404) return `${canonical}: not found: ${error.message}; check the name and the tag`;
  if (error.status !== 401 && error.status !== 403) return error.message;
  return (
    `pull access denied, repository does not exist or may require authorization: ${error.message}; ` +
    `if it is private, name a pull secret for ${domain} in the pod's imagePullSecrets`
  );
}

async function resolve(client: RegistryClient, reference: Reference, signal: AbortSignal): Promise<Resolved> {
  const first = await client.getManifest(reference.digest ?? reference.tag ?? '', signal);
  const referenceDigest = checkDigest(first, reference.digest);
  let raw = first;
  let digest = referenceDigest;
  for (let depth = 0; depth <= LIMITS.indexDepth; depth++) {
    const document = parseManifest(raw.bytes, raw.contentType);
    if (document.kind === 'manifest') return { ...document, referenceDigest, digest, bytes: raw.bytes };
    const chosen = choosePlatform(document.index, reference.canonical);
    raw = await client.getManifest(chosen.digest, signal);
    digest = checkDigest(raw, chosen.digest);
  }
  throw new WasmletError('ErrImagePull', `indexes within indexes, more than ${LIMITS.indexDepth} deep`);
}

/** The digest of a manifest, which must be the one asked for, else the one that the registry's header claims. */
function checkDigest(raw: RawManifest, asked: string | undefined): string {
  const claimed = asked ?? (raw.digest !== undefined && isDigest(raw.digest) ? raw.digest : undefined);
  const algorithm = claimed?.split(':', 1)[0] ?? 'sha256';
  const actual = `${algorithm}:${hash(algorithm, raw.bytes)}`;
  if (claimed === undefined || claimed === actual) return actual;
  throw new WasmletError(
    'ErrImagePull',
    `unexpected digest of the manifest: ${claimed} was asked for, but ${actual} came`,
  );
}

async function readConfig(fetcher: BlobFetcher, { layout }: PullContext, manifest: Manifest) {
  const { config } = manifest;
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
  readonly #context: PullContext;
  readonly #client: RegistryClient;
  readonly #lease: Lease;
  readonly #signal: AbortSignal;

  constructor(context: PullContext, client: RegistryClient, lease: Lease, signal: AbortSignal) {
    this.#context = context;
    this.#client = client;
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
    const { layout, transport, worker } = this.#context;
    signal.throwIfAborted();
    if (await this.#lease.holds(blob.digest, blob.size)) {
      return worker.run('inspect', { path: layout.blobPath(blob.digest) }, signal);
    }
    const path = layout.ingestPath();
    try {
      await downloadBlob({ client: this.#client, transport }, blob, path, signal);
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
  { layout, worker, maxImageBytes }: PullContext,
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

async function storeManifest({ layout }: PullContext, lease: Lease, { bytes, digest }: Resolved): Promise<void> {
  if (await lease.holds(digest, bytes.length)) return;
  const path = layout.ingestPath();
  try {
    await writeFile(path, bytes, { mode: 0o644, flush: true });
    await lease.adopt(path, digest);
  } finally {
    await rm(path, { force: true });
  }
}
