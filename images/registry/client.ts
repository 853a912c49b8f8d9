import type { Reference } from '../reference.ts';
import type { RegistryAuth } from '../service.ts';
import { LIMITS } from '../limits.ts';
import { MANIFEST_MEDIA_TYPES } from '../manifest.ts';
import { Authenticator } from './auth.ts';
import { unexpectedStatus } from './errors.ts';
import { registryUrl, type PlainHttp } from './hosts.ts';
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
  readonly #base: URL;
  readonly #authenticator: Authenticator;

  constructor(options: {
    transport: Transport;
    reference: Reference;
    auth: RegistryAuth | undefined;
    plain: PlainHttp;
  }) {
    this.#transport = options.transport;
    const registry = registryUrl(options.reference.domain, options.plain);
    this.#base = new URL(`/v2/${options.reference.path}/`, registry);
    this.#authenticator = new Authenticator({
      transport: options.transport,
      registry,
      repository: options.reference.path,
      auth: options.auth,
      plain: options.plain,
    });
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

  /** One request, answered to a challenge where the registry itself (and not a host it redirected to) poses one. */
  async #send(
    method: 'GET' | 'HEAD',
    path: string,
    headers: Readonly<Record<string, string>>,
    signal: AbortSignal,
  ): Promise<Reply> {
    const once = () =>
      this.#transport.send(
        {
          method,
          url: new URL(path, this.#base),
          headers,
          authorization: this.#authenticator.authorization,
          followRedirects: true,
        },
        signal,
      );
    const reply = await once();
    if (reply.status !== 401 || reply.foreign) return reply;
    const body = await this.#transport.drain(reply);
    if (await this.#authenticator.answer(reply.headers['www-authenticate'], signal)) return once();
    throw unexpectedStatus(method, reply, body);
  }
}
