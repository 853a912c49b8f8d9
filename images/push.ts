import pLimit from 'p-limit';
import { messageOf, WasmletError } from '../base/errors.ts';
import { artifactOf, descriptorOf, type Artifact, type ArtifactBlob, type ArtifactOptions } from './artifact.ts';
import { digestOf } from './digest.ts';
import { credentialsFor } from './docker-config.ts';
import { LIMITS } from './limits.ts';
import { OCI_INDEX, parseConfig, parseManifest, platformName, type Descriptor, type Index } from './manifest.ts';
import { parseReference, type Reference } from './reference.ts';
import { RegistryClient } from './registry/client.ts';
import { RegistryStatusError } from './registry/errors.ts';
import { Transport, type RetryOptions } from './registry/transport.ts';
import { RegistryUploader } from './registry/upload.ts';
import type { DockerConfig, RegistryAuth } from './service.ts';

export interface PushOptions {
  /** Where it goes; by tag, not by digest. */
  readonly reference: string;
  readonly module: Uint8Array;
  readonly artifact: ArtifactOptions;
  /** Adds the image to the index that the tag stands for, beside images for other platforms. */
  readonly index: boolean;
  /** Another repository of the same registry ('org/other') that may have the blobs already. */
  readonly mountFrom?: string;
  readonly dockerConfigs: readonly DockerConfig[];
  /** 'host:port' of registries reached by plain HTTP; loopback is, without being named. */
  readonly insecureRegistries: readonly string[];
  /** Milliseconds without an answer after which a request is given up. */
  readonly progressDeadlineMs: number;
  readonly retry?: RetryOptions;
  readonly onProgress?: (progress: PushProgress) => void;
  readonly signal: AbortSignal;
}

export interface PushProgress {
  readonly digest: string;
  readonly mediaType: string;
  readonly done: number;
  readonly total: number;
  /** How the blob came there, once it is. */
  readonly state: 'sending' | 'sent' | 'present' | 'mounted';
}

export interface PushedImage {
  /** 'registry/repository:tag' */
  readonly reference: string;
  /** Of what the tag stands for now: the manifest, or the index. */
  readonly digest: string;
  /** Of the image's manifest. */
  readonly manifestDigest: string;
}

/** What one push works with. */
interface Target {
  readonly reference: Reference;
  readonly tag: string;
  readonly uploader: RegistryUploader;
  readonly client: RegistryClient;
  readonly options: PushOptions;
}

/**
 * Pushes a module as an image, with the first credentials that the registry takes.
 * @throws WasmletError InvalidImageName; ImageNotRunnable for what is no module; ErrImagePull, RegistryUnavailable
 */
export async function pushModule(options: PushOptions): Promise<PushedImage> {
  const reference = parseReference(options.reference);
  const { tag } = reference;
  if (tag === undefined || reference.digest !== undefined) {
    throw new WasmletError('InvalidImageName', `push to a tag, not to a digest: ${reference.name}:1.0`);
  }
  const artifact = await artifactOf(options.module, options.artifact);
  const plain = { insecureRegistries: options.insecureRegistries };
  await using transport = new Transport({
    ...plain,
    progressDeadlineMs: options.progressDeadlineMs,
    connectTimeoutMs: options.progressDeadlineMs,
    retry: options.retry ?? { attempts: 4, baseDelayMs: 500 },
  });
  return await withCredentials(options, reference, (auth) => {
    const repository = { transport, reference, auth, plain };
    const uploader = new RegistryUploader(repository);
    return pushWith({ reference, tag, uploader, client: new RegistryClient(repository), options }, artifact);
  });
}

async function withCredentials<T>(
  { dockerConfigs, signal }: PushOptions,
  { name, domain, canonical }: Reference,
  attempt: (auth: RegistryAuth | undefined) => Promise<T>,
): Promise<T> {
  const failures: unknown[] = [];
  for (const auth of [...credentialsFor(dockerConfigs, name), undefined]) {
    try {
      return await attempt(auth);
    } catch (error) {
      signal.throwIfAborted();
      failures.push(error);
      if (!(error instanceof RegistryStatusError) || !error.mayDependOnCredentials) break;
    }
  }
  // What the first credentials met says more than that there are none.
  const [decisive] = failures;
  const isDenied = decisive instanceof RegistryStatusError && decisive.mayDependOnCredentials;
  const advice = isDenied ? `; log in with rights to push, for example: crane auth login ${domain}` : '';
  throw new WasmletError(
    decisive instanceof WasmletError ? decisive.code : 'ErrImagePull',
    `failed to push ${JSON.stringify(canonical)}: ${messageOf(decisive)}${advice}`,
    { cause: decisive },
  );
}

async function pushWith(target: Target, artifact: Artifact): Promise<PushedImage> {
  const { reference, tag, uploader, options } = target;
  const limit = pLimit(LIMITS.layersAtOnce);
  await Promise.all([artifact.config, ...artifact.layers].map((blob) => limit(() => pushBlob(target, blob))));
  const manifestDigest = artifact.digest;
  if (!options.index) {
    await uploader.manifest(tag, artifact.manifest, artifact.mediaType, options.signal);
    return { reference: reference.canonical, digest: manifestDigest, manifestDigest };
  }
  await uploader.manifest(manifestDigest, artifact.manifest, artifact.mediaType, options.signal);
  const index = Buffer.from(JSON.stringify(await indexWith(target, artifact)));
  await uploader.manifest(tag, index, OCI_INDEX, options.signal);
  return { reference: reference.canonical, digest: digestOf(index), manifestDigest };
}

async function pushBlob({ uploader, options }: Target, blob: ArtifactBlob): Promise<void> {
  const digest = digestOf(blob.data);
  const total = blob.data.length;
  const tell = (done: number, state: PushProgress['state']) =>
    options.onProgress?.({ digest, mediaType: blob.mediaType, done, total, state });
  tell(0, 'sending');
  const state = await uploader.blob(
    { digest, data: blob.data },
    { signal: options.signal, onProgress: (done) => tell(done, 'sending'), mountFrom: options.mountFrom },
  );
  tell(total, state);
}

const WASIP1 = { architecture: 'wasm', os: 'wasip1' };

/** The index that the tag is to stand for: what it has for other platforms, and the image. */
async function indexWith(target: Target, artifact: Artifact) {
  const { mediaType, manifest } = artifact;
  const own = { ...descriptorOf({ mediaType, data: manifest }), platform: WASIP1 };
  const others = (await entriesOf(target)).filter(
    ({ platform }) => !platform || platformName(platform) !== platformName(WASIP1),
  );
  return { schemaVersion: 2, mediaType: OCI_INDEX, manifests: [...others, own] };
}

/** What the tag stands for now, as entries of an index: none where there is no such tag. */
async function entriesOf({ client, tag, options: { signal } }: Target): Promise<Index['manifests']> {
  const digest = await client.headManifest(tag, signal).catch((error: unknown) => {
    if (error instanceof RegistryStatusError && error.status === 404) return undefined;
    throw error;
  });
  if (digest === undefined) return [];
  const raw = await client.getManifest(digest, signal);
  const document = parseManifest(raw.bytes, raw.contentType);
  if (document.kind === 'index') return document.index.manifests;
  const { os, architecture } = await platformOf(client, document.manifest.config, signal);
  const entry = { mediaType: document.mediaType, digest, size: raw.bytes.length };
  return [os === '' && architecture === '' ? entry : { ...entry, platform: { os, architecture } }];
}

async function platformOf(client: RegistryClient, config: Descriptor, signal: AbortSignal) {
  return parseConfig(await client.smallBlob(config.digest, signal), config.mediaType);
}
