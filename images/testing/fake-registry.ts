import { hash } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { LoopbackServer } from './loopback-server.ts';

/** A core module that does nothing: the preamble, a type, a function and its export `_start`. */
export const MODULE = Buffer.from(
  '0061736d01000000010401600000030201000' + '70a01065f737461727400000a040102000b',
  'hex',
);
/** A component's preamble. */
export const COMPONENT = Buffer.from('0061736d0d000100', 'hex');

export interface Blob {
  readonly mediaType: string;
  readonly bytes: Buffer;
  readonly annotations?: Readonly<Record<string, string>>;
}

export interface SeenRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

/** Answers a request, or leaves it (returns false) to the registry's ordinary behaviour. */
export type Fault = (request: SeenRequest, response: ServerResponse) => boolean;

/**
 * A registry on loopback that can misbehave as no real one can be made to: `fault` sees each request first. What an
 * ordinary registry does is tested against the real one, in test/e2e/images.test.ts.
 */
export class FakeRegistry extends LoopbackServer {
  readonly #content = new Map<string, { type: string; bytes: Buffer }>();
  readonly seen: SeenRequest[] = [];
  fault: Fault = () => false;

  /** Puts a blob up and gives its descriptor. */
  blob(repository: string, { mediaType, bytes, annotations }: Blob) {
    const digest = digestOf(bytes);
    this.#content.set(`/v2/${repository}/blobs/${digest}`, { type: 'application/octet-stream', bytes });
    return { mediaType, digest, size: bytes.length, ...(annotations ? { annotations } : {}) };
  }

  /** Puts a document up as a manifest under its digest and a tag, and gives its descriptor. */
  manifest(repository: string, tag: string, document: Readonly<Record<string, unknown>>) {
    const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, ...document }));
    const type =
      'manifests' in document
        ? 'application/vnd.oci.image.index.v1+json'
        : 'application/vnd.oci.image.manifest.v1+json';
    const mediaType = (document['mediaType'] as string | undefined) ?? type;
    const digest = digestOf(bytes);
    for (const name of [tag, digest])
      this.#content.set(`/v2/${repository}/manifests/${name}`, { type: mediaType, bytes });
    return { mediaType, digest, size: bytes.length };
  }

  /** Puts an image up; without a config, a bare CNCF Wasm artifact's. */
  image(
    repository: string,
    tag: string,
    layers: readonly Blob[],
    config: unknown = { os: 'wasip1', architecture: 'wasm' },
  ) {
    const isImage = typeof config === 'object' && config !== null && 'config' in config;
    return this.manifest(repository, tag, {
      config: this.blob(repository, {
        mediaType: isImage ? 'application/vnd.oci.image.config.v1+json' : 'application/vnd.wasm.config.v0+json',
        bytes: Buffer.from(JSON.stringify(config)),
      }),
      layers: layers.map((layer) => this.blob(repository, layer)),
    });
  }

  protected override async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    response.on('error', () => undefined);
    const chunks: Buffer[] = [];
    for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
    const seen: SeenRequest = {
      method: request.method ?? '',
      path: request.url ?? '',
      headers: request.headers,
      body: Buffer.concat(chunks).toString('utf8'),
    };
    this.seen.push(seen);
    if (this.fault(seen, response)) return;
    const content = this.#content.get(seen.path);
    if (!content) {
      response.writeHead(404, { 'content-type': 'application/json' });
      response.end('{"errors":[{"code":"NAME_UNKNOWN","message":"unknown to registry"}]}');
      return;
    }
    const from = Number(/^bytes=(\d+)-$/.exec(seen.headers.range ?? '')?.[1] ?? 0);
    response.writeHead(from > 0 ? 206 : 200, {
      'content-type': content.type,
      'content-length': content.bytes.length - from,
      ...(from > 0 ? { 'content-range': `bytes ${from}-${content.bytes.length - 1}/${content.bytes.length}` } : {}),
      ...(seen.path.includes('/manifests/') ? { 'docker-content-digest': digestOf(content.bytes) } : {}),
    });
    response.end(seen.method === 'HEAD' ? undefined : content.bytes.subarray(from));
  }
}

export function digestOf(bytes: Buffer): string {
  return `sha256:${hash('sha256', bytes)}`;
}

/** A bare artifact's one layer. */
export function wasmLayer(bytes: Buffer = MODULE): Blob {
  return { mediaType: 'application/wasm', bytes };
}
