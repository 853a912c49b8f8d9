import { hash } from 'node:crypto';
import { WasmletError } from '../../base/errors.ts';
import { LIMITS } from '../limits.ts';
import { MANIFEST_MEDIA_TYPES } from '../manifest.ts';
import { unexpectedStatus } from './errors.ts';
import { Repository, type RepositoryOptions } from './repository.ts';
import type { Reply, Transport } from './transport.ts';

/** A manifest as it came: the bytes count, for their digest. */
export interface RawManifest {
  readonly bytes: Buffer;
  /** Content-Type without parameters, '' where the registry sent none. */
  readonly contentType: string;
  /** Docker-Content-Digest, where the registry sent one. */
  readonly digest: string | undefined;
}

const ACCEPT = [...MANIFEST_MEDIA_TYPES, '*/*;q=0.1'].join(', ');

/** The pulling half of the OCI distribution specification v1.1, for one repository and one set of credentials. */
export class RegistryClient {
  readonly #transport: Transport;
  readonly #repository: Repository;

  constructor(options: RepositoryOptions) {
    this.#transport = options.transport;
    this.#repository = new Repository(options);
  }

  /**
   * The digest that a tag or digest stands for now, or undefined when the registry does not say (HEAD is optional).
   * @throws WasmletError (RegistryStatusError) for 401, 403, 404
   */
  async headManifest(tagOrDigest: string, signal: AbortSignal): Promise<string | undefined> {
    const reply = await this.#send('HEAD', `manifests/${tagOrDigest}`, { accept: ACCEPT }, signal);
    const body = await this.#transport.drain(reply);
    if ([401, 403, 404].includes(reply.status)) throw unexpectedStatus('HEAD', reply, body);
    const digest = reply.headers['docker-content-digest'];
    return reply.status === 200 && typeof digest === 'string' ? digest : undefined;
  }

  /** @throws WasmletError (RegistryStatusError) for any status but 200; ErrImagePull when it is over the size limit */
  async getManifest(tagOrDigest: string, signal: AbortSignal): Promise<RawManifest> {
    const reply = await this.#send('GET', `manifests/${tagOrDigest}`, { accept: ACCEPT }, signal);
    if (reply.status !== 200) throw unexpectedStatus('GET', reply, await this.#transport.drain(reply));
    const { 'content-type': contentType, 'docker-content-digest': digest } = reply.headers;
    return {
      bytes: await this.#transport.readBody(reply, LIMITS.manifestBytes, signal),
      contentType: typeof contentType === 'string' ? (contentType.split(';', 1)[0]?.trim() ?? '') : '',
      digest: typeof digest === 'string' ? digest : undefined,
    };
  }

  /**
   * Opens a blob.
   * @param from first byte wanted
   * @returns an answer with status 200 (the whole blob, whatever `from` was), 206 or 416
   * @throws WasmletError (RegistryStatusError) for any other status
   */
  async openBlob(digest: string, from: number, signal: AbortSignal): Promise<Reply> {
    const headers = from > 0 ? { range: `bytes=${from}-` } : {};
    const reply = await this.#send('GET', `blobs/${digest}`, headers, signal);
    if (reply.status === 200 || (from > 0 && [206, 416].includes(reply.status))) return reply;
    throw unexpectedStatus('GET', reply, await this.#transport.drain(reply));
  }

  /**
   * Reads a blob of the size of an image's config into memory.
   * @throws WasmletError ErrImagePull when it is larger, or not of its digest; as `openBlob`
   */
  async smallBlob(digest: string, signal: AbortSignal): Promise<Buffer> {
    const bytes = await this.#transport.readBody(await this.openBlob(digest, 0, signal), LIMITS.configBytes, signal);
    const actual = `${digest.split(':', 1)[0] ?? ''}:${hash(digest.split(':', 1)[0] ?? '', bytes)}`;
    if (actual === digest) return bytes;
    throw new WasmletError('ErrImagePull', `unexpected digest: ${digest} was asked for, but ${actual} came`);
  }

  #send(
    method: 'GET' | 'HEAD',
    path: string,
    headers: Readonly<Record<string, string>>,
    signal: AbortSignal,
  ): Promise<Reply> {
    return this.#repository.send({ method, path, headers, followRedirects: true }, signal);
  }
}
