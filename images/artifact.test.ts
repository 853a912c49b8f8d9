import { expect, test } from 'vitest';
import { ARTIFACT_FORMATS, type ArtifactFormat } from './artifact-formats.ts';
import { artifactOf } from './artifact.ts';
import { MODULE } from './testing/fake-registry.ts';

const OCI_CONFIG = 'application/vnd.oci.image.config.v1+json';
const COMPONENT_LAYER = 'application/vnd.bytecodealliance.wasm.component.layer.v0+wasm';
const TAR_GZIP = 'application/vnd.oci.image.layer.v1.tar+gzip';

interface Written {
  /** Media types. */
  readonly config: string;
  readonly layer: string;
  readonly platform?: string;
  readonly entrypoint?: readonly string[];
  readonly title?: string;
  readonly annotations?: Readonly<Record<string, string>>;
}

/** What the tools write whose forms these are: the tests push by the same code, and so would not see it go wrong. */
const WRITTEN: Readonly<Record<ArtifactFormat, Written>> = {
  // The CNCF's guidance on Wasm in OCI artifacts.
  cncf: { config: 'application/vnd.wasm.config.v0+json', layer: 'application/wasm', platform: 'wasip1/wasm' },
  'wasm-to-oci': {
    config: 'application/vnd.wasm.config.v1+json',
    layer: 'application/vnd.wasm.content.layer.v1+wasm',
  },
  // runwasi's oci-tar-builder.
  runwasi: {
    config: OCI_CONFIG,
    layer: COMPONENT_LAYER,
    platform: 'wasip1/wasm',
    entrypoint: ['/hello.wasm'],
    title: 'hello.wasm',
    annotations: { 'containerd.runwasi.layers': COMPONENT_LAYER },
  },
  // Solo's wasme, old Istio.
  solo: {
    config: 'application/vnd.module.wasm.config.v1+json',
    layer: 'application/vnd.module.wasm.content.layer.v1+wasm',
  },
  // The same for runtimes that know only images.
  compat: {
    config: OCI_CONFIG,
    layer: TAR_GZIP,
    platform: 'linux/amd64',
    annotations: { 'module.wasm.image/variant': 'compat' },
  },
  // `docker buildx build --platform wasip1/wasm`.
  image: { config: OCI_CONFIG, layer: TAR_GZIP, platform: 'wasip1/wasm', entrypoint: ['/hello.wasm'] },
};

test.each(ARTIFACT_FORMATS)('the form %s is what others write', async (format) => {
  const options = { format, fileName: 'hello.wasm', annotations: {}, created: '1970-01-01T00:00:00Z' };
  const { config, layers, manifest } = await artifactOf(MODULE, options);
  const { annotations } = JSON.parse(Buffer.from(manifest).toString()) as Pick<Written, 'annotations'>;
  const content = JSON.parse(Buffer.from(config.data).toString()) as {
    os?: string;
    architecture?: string;
    config?: { Entrypoint?: string[] };
  };
  expect(layers).toHaveLength(1);
  expect({
    config: config.mediaType,
    layer: layers[0]?.mediaType,
    platform: content.os === undefined ? undefined : `${content.os}/${content.architecture}`,
    entrypoint: content.config?.Entrypoint,
    title: layers[0]?.annotations?.['org.opencontainers.image.title'],
    annotations,
  }).toEqual(WRITTEN[format]);
});
