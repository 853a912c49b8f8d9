import { buffer } from 'node:stream/consumers';
import { gzipSync } from 'node:zlib';
import { pack } from 'tar-stream';
import { WasmletError } from '../base/errors.ts';
import type { ArtifactFormat } from './artifact-formats.ts';
import { contentOf } from './content.ts';
import { digestOf } from './digest.ts';
import { OCI_CONFIG, OCI_MANIFEST } from './manifest.ts';

export interface ArtifactOptions {
  readonly format: ArtifactFormat;
  /** Name of the module's file in forms that have files: 'hello.wasm'. */
  readonly fileName: string;
  /** Annotations of the manifest. */
  readonly annotations: Readonly<Record<string, string>>;
  /** RFC 3339; part of the digest. */
  readonly created: string;
}

export interface ArtifactBlob {
  readonly mediaType: string;
  readonly data: Uint8Array;
  readonly annotations?: Readonly<Record<string, string>>;
}

/** An image in memory. */
export interface Artifact {
  readonly config: ArtifactBlob;
  readonly layers: readonly ArtifactBlob[];
  /** The manifest's bytes, as they are to be stored: their digest is the image's. */
  readonly manifest: Uint8Array;
  readonly mediaType: string;
  readonly digest: string;
}

/** What an image's manifest is made of. */
export interface ImageParts {
  readonly config: ArtifactBlob;
  readonly layers: readonly ArtifactBlob[];
  /** Of the manifest. */
  readonly annotations?: Readonly<Record<string, string>>;
}

const WASIP1 = { architecture: 'wasm', os: 'wasip1' } as const;
/** What a Dockerfile's `FROM scratch` says, although nothing in the image is of it: Istio's compat images. */
const FROM_SCRATCH = { architecture: 'amd64', os: 'linux' } as const;
const TITLE = 'org.opencontainers.image.title';
const RUNWASI_LAYER = 'application/vnd.bytecodealliance.wasm.component.layer.v0+wasm';

/** What a module is in each form. */
export const FORMS: Readonly<
  Record<
    ArtifactFormat,
    (module: Uint8Array, options: Pick<ArtifactOptions, 'created' | 'fileName'>) => ImageParts | Promise<ImageParts>
  >
> = {
  cncf: (module, { created }) => ({
    config: jsonBlob('application/vnd.wasm.config.v0+json', { created, ...WASIP1, layerDigests: [digestOf(module)] }),
    layers: [{ mediaType: 'application/wasm', data: module }],
  }),
  'wasm-to-oci': (module) => ({
    config: jsonBlob('application/vnd.wasm.config.v1+json', {}),
    layers: [{ mediaType: 'application/vnd.wasm.content.layer.v1+wasm', data: module }],
  }),
  runwasi: (module, { created, fileName }) => ({
    config: imageConfig({ created, ...WASIP1 }, entrypointOf(fileName), []),
    layers: [{ mediaType: RUNWASI_LAYER, data: module, annotations: { [TITLE]: fileName } }],
    annotations: { 'containerd.runwasi.layers': RUNWASI_LAYER },
  }),
  solo: (module) => ({
    config: jsonBlob('application/vnd.module.wasm.config.v1+json', {}),
    layers: [{ mediaType: 'application/vnd.module.wasm.content.layer.v1+wasm', data: module }],
  }),
  compat: async (module, { created }) => {
    const tar = await tarOfFile('plugin.wasm', module);
    return {
      config: imageConfig({ created, ...FROM_SCRATCH }, {}, [tar]),
      layers: [tarLayer(tar)],
      annotations: { 'module.wasm.image/variant': 'compat' },
    };
  },
  image: async (module, { created, fileName }) => {
    const tar = await tarOfFile(fileName, module);
    return { config: imageConfig({ created, ...WASIP1 }, entrypointOf(fileName), [tar]), layers: [tarLayer(tar)] };
  },
};

const entrypointOf = (fileName: string) => ({ Entrypoint: [`/${fileName}`] });

/**
 * Makes an image of a module; the same bytes from the same module and options.
 * @throws WasmletError ImageNotRunnable for what is no core module
 */
export async function artifactOf(module: Uint8Array, options: ArtifactOptions): Promise<Artifact> {
  const content = contentOf(Buffer.from(module.buffer, module.byteOffset, Math.min(module.length, 512)));
  if (content === 'component') {
    throw new WasmletError(
      'ImageNotRunnable',
      `${options.fileName} is a WebAssembly component (WASI 0.2), which this node does not run yet; ` +
        `build it for wasip1/wasm, as a core module`,
    );
  }
  if (content !== 'core-module') {
    throw new WasmletError('ImageNotRunnable', `${options.fileName} is not a WebAssembly module`);
  }
  const { annotations, ...parts } = await FORMS[options.format](module, options);
  return imageOf({ ...parts, annotations: { ...annotations, ...options.annotations } });
}

/** An image of these parts; the same bytes from the same parts. */
export function imageOf({ config, layers, annotations = {} }: ImageParts): Artifact {
  const document = {
    schemaVersion: 2,
    mediaType: OCI_MANIFEST,
    config: descriptorOf(config),
    layers: layers.map(descriptorOf),
    ...(Object.keys(annotations).length === 0 ? {} : { annotations }),
  };
  const manifest = Buffer.from(JSON.stringify(document));
  return { config, layers, manifest, mediaType: OCI_MANIFEST, digest: digestOf(manifest) };
}

/** What a manifest says of a blob. */
export function descriptorOf({ mediaType, data, annotations }: ArtifactBlob) {
  return {
    mediaType,
    digest: digestOf(data),
    size: data.length,
    ...(annotations === undefined ? {} : { annotations }),
  };
}

/**
 * An image's configuration (image-spec, config.md).
 * @param config how it is run: Entrypoint, Env, …
 * @param tars its layers, not compressed
 */
export function imageConfig(
  platform: { readonly created: string; readonly architecture: string; readonly os: string },
  config: object,
  tars: readonly Uint8Array[],
): ArtifactBlob {
  return jsonBlob(OCI_CONFIG, { ...platform, config, rootfs: { type: 'layers', diff_ids: tars.map(digestOf) } });
}

export const jsonBlob = (mediaType: string, content: object): ArtifactBlob => ({
  mediaType,
  data: Buffer.from(JSON.stringify(content)),
});

export const tarLayer = (tar: Uint8Array): ArtifactBlob => ({
  mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip',
  data: gzipSync(tar),
});

async function tarOfFile(name: string, data: Uint8Array): Promise<Uint8Array> {
  const archive = pack();
  const bytes = buffer(archive);
  archive.entry({ name, mode: 0o755, mtime: new Date(0) }, Buffer.from(data.buffer, data.byteOffset, data.length));
  archive.finalize();
  return await bytes;
}
