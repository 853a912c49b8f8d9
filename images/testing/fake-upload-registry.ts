import type { IncomingMessage, ServerResponse } from 'node:http';
import { buffer } from 'node:stream/consumers';
import { digestOf } from './fake-registry.ts';
import { LoopbackServer } from './loopback-server.ts';

/** What it was asked: 'PATCH 0-99'. */
export interface SeenUpload {
  readonly method: string;
  readonly path: string;
  readonly range: string;
  readonly authorization: string | undefined;
}

/**
 * A registry on loopback that takes uploads as distribution does, and can be told to misbehave as it cannot: `fault`
 * sees each request with its body first. What an ordinary registry does is tested against the real one.
 */
export class FakeUploadRegistry extends LoopbackServer {
  readonly blobs = new Map<string, Buffer>();
  readonly manifests = new Map<string, Buffer>();
  readonly #uploads = new Map<string, Buffer>();
  readonly seen: SeenUpload[] = [];
  /** Answers a request (true), or leaves it to the registry. */
  fault: (seen: SeenUpload, response: ServerResponse, registry: FakeUploadRegistry) => boolean = () => false;

  protected override async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await buffer(request).catch(() => Buffer.alloc(0));
    const url = new URL(request.url ?? '', `http://${this.host}`);
    const range = request.headers['content-range'] ?? '';
    const { authorization } = request.headers;
    const seen = { method: request.method ?? '', path: url.pathname + url.search, range, authorization };
    this.seen.push(seen);
    if (this.fault(seen, response, this)) return;
    const [, kind = '', name = ''] = /^\/v2\/.+?\/(blobs\/uploads|blobs|manifests)\/(.*)$/.exec(url.pathname) ?? [];
    if (kind === 'blobs') response.writeHead(this.blobs.has(name) ? 200 : 404).end();
    else if (kind === 'manifests') this.#manifest(name, body, response);
    else this.#upload(request.method ?? '', { url, id: name, range, body }, response);
  }

  #manifest(name: string, body: Buffer, response: ServerResponse): void {
    this.manifests.set(name, body);
    response.writeHead(201, { 'docker-content-digest': digestOf(body) }).end();
  }

  #upload(
    method: string,
    { url, id, range, body }: { url: URL; id: string; range: string; body: Buffer },
    response: ServerResponse,
  ): void {
    const begun = method === 'POST' ? String(this.#uploads.size) : id;
    const before = this.#uploads.get(begun) ?? Buffer.alloc(0);
    const start = Number(/^(\d+)-/.exec(range)?.[1] ?? before.length);
    if (start !== before.length) return void response.writeHead(416).end();
    const after = Buffer.concat([before, body]);
    this.#uploads.set(begun, after);
    const headers = {
      location: `${url.pathname.replace(/[^/]*$/, '')}${begun}`,
      range: `0-${Math.max(0, after.length - 1)}`,
    };
    if (method !== 'PUT') return void response.writeHead(method === 'GET' ? 204 : 202, headers).end();
    const digest = url.searchParams.get('digest') ?? '';
    if (digestOf(after) !== digest) return void response.writeHead(400).end();
    this.blobs.set(digest, after);
    response.writeHead(201).end();
  }
}
