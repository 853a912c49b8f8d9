import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { WasmletError } from '../../base/errors.ts';
import { tarOf } from './tar.ts';

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
  /** Of flavours with an image configuration; default: ['/app.wasm'], where the module lies. */
  readonly entrypoint?: readonly string[];
  readonly cmd?: readonly string[];
  /** 'NAME=value' */
  readonly env?: readonly string[];
  readonly workingDir?: string;
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

interface Blob {
  readonly mediaType: string;
  readonly data: Uint8Array;
  readonly annotations?: Readonly<Record<string, string>>;
}

interface ImageParts {
  readonly config: Blob;
  readonly layers: readonly Blob[];
  readonly annotations?: Readonly<Record<string, string>>;
}

interface Platform {
  readonly os: string;
  readonly architecture: string;
}

const MANIFEST_TYPE = 'application/vnd.oci.image.manifest.v1+json';
const INDEX_TYPE = 'application/vnd.oci.image.index.v1+json';
const IMAGE_CONFIG_TYPE = 'application/vnd.oci.image.config.v1+json';
const TAR_GZIP_TYPE = 'application/vnd.oci.image.layer.v1.tar+gzip';
const WASIP1: Platform = { os: 'wasip1', architecture: 'wasm' };
const LINUX: Platform = { os: 'linux', architecture: 'amd64' };
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
  const wasm = await pusher.image(await plainParts(options, WASIP1));
  const entry = (image: PushedManifest, platform: Platform) => ({
    mediaType: MANIFEST_TYPE,
    digest: image.digest,
    size: image.size,
    platform,
  });
  const index = {
    schemaVersion: 2,
    mediaType: INDEX_TYPE,
    manifests: [entry(linux, LINUX), entry(wasm, WASIP1)],
  };
  const { digest } = await pusher.manifest(index, INDEX_TYPE, tag);
  return { digest, layers: wasm.layers };
}

const IMAGE_PARTS: Record<Exclude<Flavour, 'index'>, (options: ImageOptions) => ImageParts | Promise<ImageParts>> = {
  cncf: ({ wasm }) => ({
    config: json('application/vnd.wasm.config.v0+json', {
      created: '2026-01-01T00:00:00Z',
      ...WASIP1,
      layerDigests: [digestOf(wasm)],
    }),
    layers: [{ mediaType: 'application/wasm', data: wasm }],
  }),
  'wasm-to-oci': ({ wasm }) => ({
    config: json('application/vnd.wasm.config.v1+json', {}),
    layers: [{ mediaType: 'application/vnd.wasm.content.layer.v1+wasm', data: wasm }],
  }),
  runwasi: (options) => ({
    config: imageConfig({ entrypoint: ['/app.wasm'], ...options }, WASIP1, []),
    layers: [
      {
        mediaType: 'application/vnd.bytecodealliance.wasm.component.layer.v0+wasm',
        data: options.wasm,
        annotations: { 'org.opencontainers.image.title': 'app.wasm' },
      },
    ],
    annotations: { 'containerd.runwasi.layers': 'application/vnd.bytecodealliance.wasm.component.layer.v0+wasm' },
  }),
  spin: (options) => ({
    config: imageConfig({ ...options, entrypoint: ['/'] }, { os: 'Wasip1', architecture: 'wasm' }, []),
    layers: [
      { mediaType: 'application/vnd.wasm.content.layer.v1+wasm', data: options.wasm },
      json('application/vnd.fermyon.spin.application.v1+config', { spin_lock_version: 1, metadata: { name: 'app' } }),
    ],
  }),
  solo: ({ wasm }) => ({
    config: json('application/vnd.module.wasm.config.v1+json', {}),
    layers: [{ mediaType: 'application/vnd.module.wasm.content.layer.v1+wasm', data: wasm }],
  }),
  compat: async (options) => {
    const tar = await tarOf({ 'plugin.wasm': options.wasm });
    return {
      // An image built FROM scratch says linux/amd64 although nothing in it is.
      config: imageConfig({ ...options, entrypoint: [] }, LINUX, [tar]),
      layers: [{ mediaType: TAR_GZIP_TYPE, data: gzipSync(tar) }],
      annotations: { 'module.wasm.image/variant': 'compat' },
    };
  },
  plain: (options) => plainParts(options, WASIP1),
  'plain-zstd': async (options) => {
    const tar = await plainTar(options);
    return {
      config: imageConfig(options, WASIP1, [tar]),
      layers: [{ mediaType: 'application/vnd.oci.image.layer.v1.tar+zstd', data: zstdCompressSync(tar) }],
    };
  },
  linux: () => linuxParts(),
};

function plainTar({ wasm, files }: ImageOptions): Promise<Uint8Array> {
  return tarOf({ 'app.wasm': wasm, ...files });
}

async function plainParts(options: ImageOptions, platform: Platform): Promise<ImageParts> {
  const tar = await plainTar(options);
  return {
    config: imageConfig(options, platform, [tar]),
    layers: [{ mediaType: TAR_GZIP_TYPE, data: gzipSync(tar) }],
  };
}

/** An image for linux/amd64 such as a person pulls by mistake: an ELF file and no Wasm anywhere. */
async function linuxParts(): Promise<ImageParts> {
  const elf = Buffer.concat([Buffer.from([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]), Buffer.alloc(57)]);
  const tar = await tarOf({ 'bin/sh': elf });
  const config = { entrypoint: ['/bin/sh'] };
  return { config: imageConfig(config, LINUX, [tar]), layers: [{ mediaType: TAR_GZIP_TYPE, data: gzipSync(tar) }] };
}

type ImageConfigOptions = Pick<PushOptions, 'entrypoint' | 'cmd' | 'env' | 'workingDir'>;

function imageConfig(options: ImageConfigOptions, platform: Platform, tars: readonly Uint8Array[]): Blob {
  return json(IMAGE_CONFIG_TYPE, {
    created: '2026-01-01T00:00:00Z',
    ...platform,
    config: {
      Entrypoint: options.entrypoint ?? ['/app.wasm'],
      ...(options.cmd === undefined ? {} : { Cmd: options.cmd }),
      ...(options.env === undefined ? {} : { Env: options.env }),
      ...(options.workingDir === undefined ? {} : { WorkingDir: options.workingDir }),
    },
    rootfs: { type: 'layers', diff_ids: tars.map(digestOf) },
  });
}

function json(mediaType: string, content: object): Blob {
  return { mediaType, data: Buffer.from(JSON.stringify(content)) };
}

/** 'sha256:…' of the bytes. */
export function digestOf(data: Uint8Array): string {
  return `sha256:${createHash('sha256').update(data).digest('hex')}`;
}

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
  async image({ config, layers, annotations }: ImageParts, tag?: string): Promise<PushedManifest> {
    const descriptors = await Promise.all([config, ...layers].map((blob) => this.blob(blob)));
    const manifest = {
      schemaVersion: 2,
      mediaType: MANIFEST_TYPE,
      config: descriptors[0],
      layers: descriptors.slice(1),
      ...(annotations === undefined ? {} : { annotations }),
    };
    const pushed = await this.manifest(manifest, MANIFEST_TYPE, tag);
    return { ...pushed, layers: descriptors.slice(1).map(({ digest }) => digest) };
  }

  /** Uploads a blob in one piece. @returns its descriptor */
  async blob({ mediaType, data, annotations }: Blob) {
    const digest = digestOf(data);
    const started = await this.#send('POST', `${this.#base}/blobs/uploads/`, 202);
    const location = new URL(started.headers.get('location') ?? '', this.#base);
    location.searchParams.set('digest', digest);
    await this.#send('PUT', location.href, 201, { 'content-type': 'application/octet-stream' }, data);
    return { mediaType, digest, size: data.length, ...(annotations === undefined ? {} : { annotations }) };
  }

  /** Puts a manifest or an index under a tag, or under its digest. */
  async manifest(content: object, mediaType: string, tag?: string): Promise<{ digest: string; size: number }> {
    const data = Buffer.from(JSON.stringify(content));
    const digest = digestOf(data);
    await this.#send('PUT', `${this.#base}/manifests/${tag ?? digest}`, 201, { 'content-type': mediaType }, data);
    return { digest, size: data.length };
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
