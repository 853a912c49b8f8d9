import { z } from 'zod';
import { WasmletError } from '../base/errors.ts';
import { LIMITS } from './limits.ts';
import { isDigest } from './reference.ts';
import type { ImageConfig } from './service.ts';
import { stopSignalName } from './stop-signal.ts';

export const OCI_MANIFEST = 'application/vnd.oci.image.manifest.v1+json';
export const OCI_INDEX = 'application/vnd.oci.image.index.v1+json';
const DOCKER_MANIFEST = 'application/vnd.docker.distribution.manifest.v2+json';
const DOCKER_LIST = 'application/vnd.docker.distribution.manifest.list.v2+json';
export const OCI_CONFIG = 'application/vnd.oci.image.config.v1+json';
const DOCKER_CONFIG = 'application/vnd.docker.container.image.v1+json';

/** containerd's annotation for an image's full name, which its tools read on import. */
export const NAME = 'io.containerd.image.name';
/** The specification's annotation: in our store the full name, for one layout holds many repositories. */
export const REF_NAME = 'org.opencontainers.image.ref.name';

/** What is asked for, in order of liking. */
export const MANIFEST_MEDIA_TYPES = [OCI_MANIFEST, OCI_INDEX, DOCKER_MANIFEST, DOCKER_LIST] as const;

const platform = z.object({
  os: z.string().default(''),
  architecture: z.string().default(''),
  variant: z.string().nullish(),
});
export type Platform = z.infer<typeof platform>;

const descriptor = z.object({
  mediaType: z.string().default(''),
  digest: z.string().refine(isDigest, 'not a sha256 or sha512 digest'),
  size: z.number().int().nonnegative(),
  annotations: z.record(z.string(), z.string()).nullish(),
  platform: platform.nullish(),
});
export type Descriptor = z.infer<typeof descriptor>;

const manifestSchema = z.object({
  mediaType: z.string().nullish(),
  config: descriptor,
  layers: z.array(descriptor).max(LIMITS.layers),
  annotations: z.record(z.string(), z.string()).nullish(),
});
/** An OCI image manifest (image-spec, manifest.md) or Docker's schema 2, which has the same form. */
export type Manifest = z.infer<typeof manifestSchema>;

const indexSchema = z.object({ manifests: z.array(descriptor) });
/** An OCI image index (image-spec, image-index.md) or a Docker manifest list. */
export type Index = z.infer<typeof indexSchema>;

export type ManifestOrIndex =
  | { readonly kind: 'manifest'; readonly manifest: Manifest; readonly mediaType: string }
  | { readonly kind: 'index'; readonly index: Index };

/**
 * Reads a manifest or an index. Which of the two it is, its content decides; one that has both `layers` and `manifests`
 * is refused, for tools would disagree on what it is (CVE-2021-41190).
 * @param contentType what the registry called it, used where the document does not say
 * @throws WasmletError ErrImagePull
 */
export function parseManifest(bytes: Buffer, contentType: string): ManifestOrIndex {
  const invalid = (why: string) =>
    new WasmletError('ErrImagePull', `the registry's answer is not an image manifest: ${why}`);
  let parsed: unknown;
  try {
    parsed = JSON.parse(bytes.toString('utf8'));
  } catch {
    throw invalid(`not JSON${contentType === '' ? '' : ` but ${contentType}`}`);
  }
  if (typeof parsed !== 'object' || parsed === null) throw invalid('not a JSON object');
  if ('schemaVersion' in parsed && parsed.schemaVersion === 1) {
    throw invalid('it is of Docker schema 1, which is no longer supported; push the image anew');
  }
  const hasLayers = 'layers' in parsed || 'config' in parsed;
  if (hasLayers && 'manifests' in parsed) throw invalid('it is both a manifest and an index');
  if ('manifests' in parsed) {
    const index = indexSchema.safeParse(parsed);
    if (!index.success) throw invalid(problems(index.error));
    return { kind: 'index', index: index.data };
  }
  const manifest = manifestSchema.safeParse(parsed);
  if (!manifest.success) throw invalid(problems(manifest.error));
  const mediaType = manifest.data.mediaType ?? contentType;
  return {
    kind: 'manifest',
    manifest: manifest.data,
    mediaType: mediaType === DOCKER_MANIFEST ? mediaType : OCI_MANIFEST,
  };
}

function problems(error: z.ZodError): string {
  return error.issues
    .slice(0, 3)
    .map(({ path, message }) => `${path.join('.')}: ${message}`)
    .join('; ');
}

/** Whether a platform is of the Wasm kind: 'wasip1/wasm', 'wasi/wasm', Spin's 'Wasip1/wasm', 'wasi/wasm32'. */
export function isWasm({ os, architecture }: Pick<Platform, 'os' | 'architecture'>): boolean {
  return /^wasm(32)?$/i.test(architecture) || /^wasi(p\d+)?$/i.test(os);
}

/** As containerd prints platforms: 'linux/arm/v7'. */
export function platformName({ os, architecture, variant }: Platform): string {
  return [os, architecture, variant ?? ''].filter((part) => part !== '').join('/');
}

const OS_ORDER = ['wasip1', 'wasi', 'wasip2'];

/** Rank of a platform among those that could run here, lower is better; undefined for one that cannot. */
function rank(candidate: Platform): number | undefined {
  if (!isWasm(candidate)) return undefined;
  const position = OS_ORDER.indexOf(candidate.os.toLowerCase());
  const byOs = position < 0 ? OS_ORDER.length : position;
  return byOs * 2 + (candidate.variant === undefined || candidate.variant === null || candidate.variant === '' ? 0 : 1);
}

/**
 * The manifest of an index that this node runs: wasip1/wasm before wasi/wasm before wasip2/wasm, without a variant
 * before with one; where no manifest names a platform, the first.
 * @param image the reference, for the message
 * @throws WasmletError ImageNotRunnable that lists what the index offers
 */
export function choosePlatform(index: Index, image: string): Descriptor {
  const ranked = index.manifests
    .map((entry) => ({ entry, rank: entry.platform ? rank(entry.platform) : undefined }))
    .filter((candidate): candidate is { entry: Descriptor; rank: number } => candidate.rank !== undefined)
    .sort((a, b) => a.rank - b.rank);
  const unnamed = index.manifests.every(({ platform: named }) => named === undefined || named === null);
  const chosen = ranked[0]?.entry ?? (unnamed ? index.manifests[0] : undefined);
  if (chosen) return chosen;
  const offered = index.manifests
    .filter(({ annotations }) => annotations?.['vnd.docker.reference.type'] === undefined)
    .map(({ platform: named }) => (named ? platformName(named) : 'one without a platform'));
  throw new WasmletError(
    'ImageNotRunnable',
    `image ${JSON.stringify(image)} has no platform that this node runs: it offers ` +
      `${offered.length === 0 ? 'none at all' : [...new Set(offered)].join(', ')}; build it for wasip1/wasm`,
  );
}

const NO_CONFIG: ImageConfig = { entrypoint: [], cmd: [], env: [], workingDir: '', user: '', labels: {} };

/** A field that Go tools leave out or write as null. */
function optional<T>(type: z.ZodType<T>, absent: T) {
  return type.nullish().transform((value) => value ?? absent);
}

const text = optional(z.string(), '');
const strings = optional<readonly string[]>(z.array(z.string()), []);
function stopSignal(given: string): Pick<ImageConfig, 'stopSignal'> {
  const name = stopSignalName(given);
  return name === undefined ? {} : { stopSignal: name };
}

const imageConfigSchema = z.object({
  os: text,
  architecture: text,
  config: optional(
    z
      .object({
        Entrypoint: strings,
        Cmd: strings,
        Env: strings,
        WorkingDir: text,
        User: text,
        StopSignal: text,
        Labels: optional<Readonly<Record<string, string>>>(z.record(z.string(), z.string()), {}),
      })
      .transform(({ Entrypoint, Cmd, Env, WorkingDir, User, StopSignal, Labels }): ImageConfig => ({
        entrypoint: Entrypoint,
        cmd: Cmd,
        env: Env,
        workingDir: WorkingDir,
        user: User,
        ...stopSignal(StopSignal),
        labels: Labels,
      })),
    NO_CONFIG,
  ),
});

/** What a config blob says; os and architecture are empty where it does not say. */
export interface ParsedConfig {
  readonly os: string;
  readonly architecture: string;
  readonly config: ImageConfig;
}

/**
 * Reads the config blob: an OCI image config, the CNCF Wasm artifact's config (os and architecture alone), or, for the
 * older artifact flavours, anything at all.
 * @throws WasmletError ErrImagePull when one that calls itself an image config is not
 */
export function parseConfig(bytes: Buffer, mediaType: string): ParsedConfig {
  const result = imageConfigSchema.safeParse(parseJson(bytes));
  if (!result.success && (mediaType === OCI_CONFIG || mediaType === DOCKER_CONFIG)) {
    throw new WasmletError('ErrImagePull', `the image's config is malformed: ${problems(result.error)}`);
  }
  return result.success ? result.data : { os: '', architecture: '', config: NO_CONFIG };
}

function parseJson(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString('utf8'));
  } catch {
    return undefined;
  }
}
