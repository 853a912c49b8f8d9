import { hasCode, WasmletError } from '../../base/errors.ts';
import { digestOf } from '../digest.ts';
import { LIMITS } from '../limits.ts';
import { shown, unexpectedStatus } from './errors.ts';
import { allowsPlainHttp, type PlainHttp } from './hosts.ts';
import { Repository, type RepositoryOptions } from './repository.ts';
import type { Reply, Transport } from './transport.ts';

/** Bytes of one chunk, unless the registry asks for larger ones; up to so many a blob is sent in one piece. */
const CHUNK_BYTES = 8 * 1024 ** 2;

/** Where and how far an upload is. */
interface Session {
  readonly location: URL;
  readonly offset: number;
  readonly chunkBytes: number;
}

export interface UploadOptions {
  readonly signal: AbortSignal;
  /** Told of bytes that the registry has now, of this blob. */
  readonly onProgress?: (bytes: number) => void;
  /** A repository of the same registry that may have the blob: it is then not sent. */
  readonly mountFrom?: string | undefined;
}

/** The pushing half of the OCI distribution specification v1.1, for one repository and one set of credentials. */
export class RegistryUploader {
  readonly #transport: Transport;
  readonly #repository: Repository;
  readonly #plain: PlainHttp;

  constructor(options: Omit<RepositoryOptions, 'actions'>) {
    this.#transport = options.transport;
    this.#plain = options.plain;
    this.#repository = new Repository({ ...options, actions: 'pull,push' });
  }

  /**
   * Has a blob in the repository: looked for, mounted from another, or sent, in chunks where it is large. A chunk whose
   * connection dropped is taken up where the registry says that it is.
   * @returns how it came there
   * @throws WasmletError (RegistryStatusError) for a refusal; RegistryUnavailable when the registry stays away
   */
  async blob(
    { digest, data }: { readonly digest: string; readonly data: Uint8Array },
    { signal, onProgress = () => undefined, mountFrom }: UploadOptions,
  ): Promise<'present' | 'mounted' | 'sent'> {
    if (await this.#has(digest, signal)) return 'present';
    const begun = await this.#begin(digest, mountFrom, signal);
    if (begun === 'mounted') return 'mounted';
    let session = begun;
    for (let resumptions = 0; ;) {
      try {
        session = await this.#continue(session, { digest, data }, onProgress, signal);
        return 'sent';
      } catch (error) {
        if (!hasCode(error, 'RegistryUnavailable') || ++resumptions > LIMITS.resumptions) throw error;
        await this.#transport.pause(resumptions - 1, signal);
        // Its answer was lost, but not the blob.
        if (await this.#has(digest, signal)) return 'sent';
        session = await this.#where(session, signal);
      }
    }
  }

  /** Puts a manifest or an index under a tag or its digest. */
  async manifest(tagOrDigest: string, bytes: Uint8Array, mediaType: string, signal: AbortSignal): Promise<void> {
    const reply = await this.#repository.send(
      {
        method: 'PUT',
        path: `manifests/${tagOrDigest}`,
        headers: { 'content-type': mediaType },
        body: bytes,
        followRedirects: false,
      },
      signal,
    );
    const body = await this.#transport.drain(reply);
    if (reply.status !== 201) throw unexpectedStatus('PUT', reply, body);
    const claimed = reply.headers['docker-content-digest'];
    const digest = digestOf(bytes);
    if (typeof claimed === 'string' && claimed.startsWith('sha256:') && claimed !== digest) {
      throw new WasmletError('ErrImagePull', `${shown(reply.url)} stored ${claimed}, but ${digest} was sent`);
    }
  }

  async #has(digest: string, signal: AbortSignal): Promise<boolean> {
    const what = { method: 'HEAD', path: `blobs/${digest}`, headers: {}, followRedirects: true } as const;
    const reply = await this.#repository.send(what, signal);
    const body = await this.#transport.drain(reply);
    if (reply.status === 200) return true;
    if (reply.status === 404) return false;
    throw unexpectedStatus('HEAD', reply, body);
  }

  async #begin(digest: string, mountFrom: string | undefined, signal: AbortSignal): Promise<Session | 'mounted'> {
    const query =
      mountFrom === undefined ? '' : `?${new URLSearchParams({ mount: digest, from: mountFrom }).toString()}`;
    const reply = await this.#repository.send(
      {
        method: 'POST',
        path: `blobs/uploads/${query}`,
        headers: { 'content-length': '0' },
        body: '',
        followRedirects: false,
      },
      signal,
    );
    const body = await this.#transport.drain(reply);
    if (reply.status === 201 && mountFrom !== undefined) return 'mounted';
    if (reply.status !== 202) throw unexpectedStatus('POST', reply, body);
    const least = Number(reply.headers['oci-chunk-min-length'] ?? 0);
    return { location: this.#location(reply), offset: 0, chunkBytes: Math.max(CHUNK_BYTES, least || 0) };
  }

  /** Sends what is missing; the last part with the request that closes the upload. */
  async #continue(
    begun: Session,
    { digest, data }: { readonly digest: string; readonly data: Uint8Array },
    onProgress: (bytes: number) => void,
    signal: AbortSignal,
  ): Promise<Session> {
    let session = begun;
    while (data.length - session.offset > session.chunkBytes) {
      session = await this.#chunk(session, data, signal);
      onProgress(session.offset);
    }
    const location = new URL(session.location);
    location.searchParams.set('digest', digest);
    const reply = await this.#sendPart('PUT', location, data, [session.offset, data.length], signal);
    if (reply.status !== 201) throw await this.#failure('PUT', reply);
    await this.#transport.drain(reply);
    onProgress(data.length);
    return session;
  }

  async #chunk(session: Session, data: Uint8Array, signal: AbortSignal): Promise<Session> {
    const end = Math.min(session.offset + session.chunkBytes, data.length);
    const reply = await this.#sendPart('PATCH', session.location, data, [session.offset, end], signal);
    if (reply.status !== 202) throw await this.#failure('PATCH', reply);
    await this.#transport.drain(reply);
    return { ...session, location: this.#location(reply), offset: rangeEnd(reply) ?? end };
  }

  async #sendPart(
    method: 'PATCH' | 'PUT',
    path: URL,
    data: Uint8Array,
    [start, end]: readonly [number, number],
    signal: AbortSignal,
  ): Promise<Reply> {
    const headers = {
      'content-type': 'application/octet-stream',
      'content-length': String(end - start),
      ...(end > start && (start > 0 || method === 'PATCH') ? { 'content-range': `${start}-${end - 1}` } : {}),
    };
    const body = data.subarray(start, end);
    return await this.#repository.send({ method, path, headers, body, followRedirects: false }, signal);
  }

  /** 416: the registry is elsewhere in the blob than we thought, for an answer of its was lost. */
  async #failure(method: string, reply: Reply): Promise<WasmletError> {
    const error = unexpectedStatus(method, reply, await this.#transport.drain(reply));
    if (reply.status !== 416) return error;
    return new WasmletError('RegistryUnavailable', error.message, { cause: error });
  }

  /** Asks how far an upload is. */
  async #where(session: Session, signal: AbortSignal): Promise<Session> {
    const what = { method: 'GET', path: session.location, headers: {}, followRedirects: false } as const;
    const reply = await this.#repository.send(what, signal);
    const body = await this.#transport.drain(reply);
    if (reply.status !== 204) throw unexpectedStatus('GET', reply, body);
    return { ...session, location: this.#location(reply), offset: rangeEnd(reply) ?? 0 };
  }

  /** Where the upload goes on: HTTPS, or plain HTTP where that is allowed; credentials stay with the registry. */
  #location(reply: Reply): URL {
    const text = reply.headers['location'];
    const location = typeof text === 'string' && URL.canParse(text, reply.url) ? new URL(text, reply.url) : undefined;
    const allowed =
      location !== undefined &&
      (location.protocol === 'https:' || (location.protocol === 'http:' && allowsPlainHttp(location, this.#plain)));
    if (allowed) return location;
    throw new WasmletError('ErrImagePull', `${shown(reply.url)} names no place that the upload may go to`);
  }
}

/** Bytes that the registry has, of its Range header ('0-1023'); undefined where it says nothing. */
function rangeEnd(reply: Reply): number | undefined {
  const header = reply.headers['range'];
  const [, end] = typeof header === 'string' ? (/^(?:bytes=)?0-(\d+)$/.exec(header) ?? []) : [];
  return end === undefined ? undefined : Number(end) + (end === '0' ? 0 : 1);
}
