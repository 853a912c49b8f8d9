import { readFile } from 'node:fs/promises';
import { zstdCompressSync } from 'node:zlib';
import { WasmletError } from '../../base/errors.ts';
import { descriptorOf, FORMS, imageConfig, imageOf, jsonBlob, tarLayer } from '../../images/artifact.ts';
import type { ArtifactBlob, ImageParts } from '../../images/artifact.ts';
import { digestOf } from '../../images/digest.ts';
import { OCI_INDEX, OCI_MANIFEST } from '../../images/manifest.ts';
import { tar } from '../../images/testing/tar.ts';

/** The shapes that Wasm images have in the wild, and one that is none. */
export const FLAVOURS = [
  'cncf',
  'wasm-to-oci',
  'runwasi',
  'spin',
  'solo',
  'compat',
  'plain',
  'plain-zstd',
  'index',
  'linux',
] as const;
export type Flavour = (typeof FLAVOURS)[number];

export interface PushOptions {
  /** '127.0.0.1:5000': plain HTTP. */
  readonly registry: string;
  readonly repository: string;
  /** Default: 'latest'. */
  readonly tag?: string;
  /** Default: 'cncf'. */
  readonly flavour?: Flavour;
  /** The module, or the path of its file. */
  readonly wasm: Uint8Array | string;
  readonly auth?: { readonly username: string; readonly password: string };
  /** More files of flavours with tar layers: content by path. */
  readonly files?: Readonly<Record<string, string | Uint8Array>>;
}

type ImageOptions = PushOptions & { readonly wasm: Uint8Array };

export interface PushedImage {
  /** '127.0.0.1:5000/hello:latest' */
  readonly reference: string;
  /** '127.0.0.1:5000/hello@sha256:…' */
  readonly byDigest: string;
  /** Of the manifest, or of the index for flavour 'index'. */
  readonly digest: string;
  /** Of each layer, by order; of flavour 'index', those of the Wasm image. */
  readonly layers: readonly string[];
}

const WASIP1 = { os: 'wasip1', architecture: 'wasm' };
const LINUX = { os: 'linux', architecture: 'amd64' };
const CREATED = '2026-01-01T00:00:00Z';
const REQUEST_TIMEOUT_MS = 60_000;

/** Builds an image of the flavour asked for and pushes it. @throws WasmletError Internal when the registry refuses */
export async function pushImage(given: PushOptions): Promise<PushedImage> {
  const wasm = typeof given.wasm === 'string' ? await readFile(given.wasm) : given.wasm;
  const options: ImageOptions = { ...given, wasm };
  const { registry, repository, tag = 'latest', flavour = 'cncf' } = options;
  const pusher = new Pusher(registry, repository, options.auth);
  const { digest, layers } =
    flavour === 'index'
      ? await pushIndex(pusher, tag, options)
      : await pusher.image(await IMAGE_PARTS[flavour](options), tag);
  const name = `${registry}/${repository}`;
  return { reference: `${name}:${tag}`, byDigest: `${name}@${digest}`, digest, layers };
}

/** As `docker buildx build --platform linux/amd64,wasip1/wasm` pushes: the Linux image first. */
async function pushIndex(pusher: Pusher, tag: string, options: ImageOptions) {
  const linux = await pusher.image(await linuxParts());
  const wasm = await pusher.image(await plainParts(options));
  const entry = ({ digest, size }: PushedManifest, platform: object) => ({
    mediaType: OCI_MANIFEST,
    digest,
    size,
    platform,
  });
  const index = {
    schemaVersion: 2,
    mediaType: OCI_INDEX,
    manifests: [entry(linux, LINUX), entry(wasm, WASIP1)],
  };
  const { digest } = await pusher.manifest(Buffer.from(JSON.stringify(index)), OCI_INDEX, tag);
  return { digest, layers: wasm.layers };
}

type Parts = (options: ImageOptions) => ImageParts | Promise<ImageParts>;

const form =
  (name: keyof typeof FORMS): Parts =>
  ({ wasm }) =>
    FORMS[name](wasm, { fileName: 'app.wasm', created: CREATED });

/** What wasmlet pushes too is pushed by the same code (images/artifact.test.ts holds it to others'); the rest is made here. */
const IMAGE_PARTS: Readonly<Record<Exclude<Flavour, 'index'>, Parts>> = {
  cncf: form('cncf'),
  'wasm-to-oci': form('wasm-to-oci'),
  runwasi: form('runwasi'),
  spin: ({ wasm }) => ({
    config: imageConfig({ created: CREATED, os: 'Wasip1', architecture: 'wasm' }, { Entrypoint: ['/'] }, []),
    layers: [
      { mediaType: 'application/vnd.wasm.content.layer.v1+wasm', data: wasm },
      jsonBlob('application/vnd.fermyon.spin.application.v1+config', {
        spin_lock_version: 1,
        metadata: { name: 'app' },
      }),
    ],
  }),
  solo: form('solo'),
  compat: form('compat'),
  plain: plainParts,
  'plain-zstd': async (options) => {
    const data = zstdCompressSync(await plainTar(options));
    return {
      ...(await plainParts(options)),
      layers: [{ mediaType: 'application/vnd.oci.image.layer.v1.tar+zstd', data }],
    };
  },
  linux: linuxParts,
};

const plainTar = ({ wasm, files }: ImageOptions) => tarOf({ 'app.wasm': wasm, ...files });

async function plainParts(options: ImageOptions): Promise<ImageParts> {
  return partsOf(await plainTar(options), WASIP1, '/app.wasm');
}

/** An image for linux/amd64 such as a person pulls by mistake: an ELF file and no Wasm anywhere. */
async function linuxParts(): Promise<ImageParts> {
  const elf = Buffer.concat([Buffer.from([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]), Buffer.alloc(57)]);
  return partsOf(await tarOf({ 'bin/sh': elf }), LINUX, '/bin/sh');
}

const partsOf = (layer: Uint8Array, platform: typeof WASIP1, entrypoint: string): ImageParts => ({
  config: imageConfig({ created: CREATED, ...platform }, { Entrypoint: [entrypoint] }, [layer]),
  layers: [tarLayer(layer)],
});

const tarOf = (files: Readonly<Record<string, string | Uint8Array>>) =>
  tar(Object.entries(files).map(([name, content]) => ({ name, mode: 0o755, content: Buffer.from(content) })));

interface PushedManifest {
  readonly digest: string;
  readonly size: number;
  readonly layers: readonly string[];
}

/** One repository of a registry, as the distribution specification's "Pushing" section says. */
export class Pusher {
  readonly #base: string;
  readonly #basic: string | undefined;
  #authorization: string | undefined;

  constructor(registry: string, repository: string, auth?: { username: string; password: string }) {
    this.#base = `http://${registry}/v2/${repository}`;
    this.#basic = auth && `Basic ${Buffer.from(`${auth.username}:${auth.password}`).toString('base64')}`;
    this.#authorization = this.#basic;
  }

  /** Pushes blobs and manifest; without a tag the manifest is known by its digest alone. */
  async image(parts: ImageParts, tag?: string): Promise<PushedManifest> {
    const { config, layers, manifest, mediaType } = imageOf(parts);
    await Promise.all([config, ...layers].map((blob) => this.blob(blob)));
    const { digest } = await this.manifest(manifest, mediaType, tag);
    return { digest, size: manifest.length, layers: layers.map(({ data }) => digestOf(data)) };
  }

  /** Uploads a blob in one piece. @returns its descriptor */
  async blob(blob: ArtifactBlob) {
    const descriptor = descriptorOf(blob);
    const started = await this.#send('POST', `${this.#base}/blobs/uploads/`, 202);
    const location = new URL(started.headers.get('location') ?? '', this.#base);
    location.searchParams.set('digest', descriptor.digest);
    await this.#send('PUT', location.href, 201, { 'content-type': 'application/octet-stream' }, blob.data);
    return descriptor;
  }

  /** Puts a manifest or an index under a tag, or under its digest. */
  async manifest(bytes: Uint8Array, mediaType: string, tag?: string): Promise<{ readonly digest: string }> {
    const digest = digestOf(bytes);
    await this.#send('PUT', `${this.#base}/manifests/${tag ?? digest}`, 201, { 'content-type': mediaType }, bytes);
    return { digest };
  }

  async #send(
    method: string,
    url: string,
    status: number,
    headers: Record<string, string> = {},
    body?: Uint8Array,
  ): Promise<Response> {
    const send = () =>
      fetch(url, {
        method,
        headers: { ...headers, ...(this.#authorization === undefined ? {} : { authorization: this.#authorization }) },
        signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS),
        ...(body === undefined ? {} : { body }),
      });
    let response = await send();
    const challenge = response.headers.get('www-authenticate');
    if (response.status === 401 && challenge?.startsWith('Bearer ') === true) {
      await response.body?.cancel();
      this.#authorization = `Bearer ${await this.#token(challenge)}`;
      response = await send();
    }
    const text = await response.text();
    if (response.status !== status) {
      throw new WasmletError('Internal', `${method} ${url}: HTTP ${response.status} ${text.slice(0, 500)}`);
    }
    return response;
  }

  async #token(challenge: string): Promise<string> {
    const parameters = new Map(
      [...challenge.matchAll(/(\w+)="([^"]*)"/g)].map(([, key = '', value = '']) => [key, value]),
    );
    const url = new URL(parameters.get('realm') ?? '');
    for (const name of ['service', 'scope']) url.searchParams.set(name, parameters.get(name) ?? '');
    const response = await fetch(url, {
      headers: this.#basic === undefined ? {} : { authorization: this.#basic },
      signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS),
    });
    if (!response.ok) throw new WasmletError('Internal', `${url.href}: HTTP ${response.status}`);
    return ((await response.json()) as { token: string }).token;
  }
}
