import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { basename } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { errnoOf, messageOf, WasmletError } from '../../base/errors.ts';
import { isDigest, parseReference } from '../reference.ts';
import type { Image, ImageStore, ImportOptions, TransferProgress } from '../service.ts';
import { errorAnswer, IMAGES_PATH, imagesAnswer } from './protocol.ts';

/** Listing all images of a full node is a matter of milliseconds; an import is as long as its file. */
const MAX_ANSWER_BYTES = 64 * 1024 * 1024;

/**
 * The images of an agent that runs.
 * @returns undefined when none answers on the socket
 * @throws WasmletError FailedPrecondition when one does that this user may not speak to
 */
export async function connectImages(socket: string): Promise<ImageStore | undefined> {
  const client = new ImagesClient(socket);
  try {
    await client.listImages();
    return client;
  } catch (error) {
    const cause = error instanceof Error ? error.cause : undefined;
    if (['ENOENT', 'ECONNREFUSED', 'ENOTSOCK'].includes(errnoOf(cause) ?? '')) return undefined;
    if (errnoOf(cause) !== 'EACCES') throw error;
    throw new WasmletError('FailedPrecondition', `${socket} may not be used by this user: be the user of the agent`);
  }
}

class ImagesClient implements ImageStore {
  readonly #socket: string;

  constructor(socket: string) {
    this.#socket = socket;
  }

  async listImages(): Promise<readonly Image[]> {
    return imagesAnswer.parse(await this.#send('GET', IMAGES_PATH)).images;
  }

  async imageStatus(reference: string): Promise<Image | undefined> {
    const images = await this.listImages();
    const id = /^[0-9a-f]{64}$/.test(reference) ? `sha256:${reference}` : reference;
    if (isDigest(id)) return images.find((image) => image.id === id);
    const name = parseReference(reference).canonical;
    return images.find(({ repoTags, repoDigests }) => [...repoTags, ...repoDigests].includes(name));
  }

  async removeImage(id: string): Promise<void> {
    await this.#send('DELETE', `${IMAGES_PATH}/${encodeURIComponent(id)}`);
  }

  async importImages({ path, name, onProgress, signal }: ImportOptions): Promise<readonly Image[]> {
    const query = name === undefined ? '' : `?${new URLSearchParams({ name }).toString()}`;
    const total = onProgress ? ((await stat(path).catch(() => undefined))?.size ?? 0) : 0;
    const tell = (done: number, state: TransferProgress['state']) =>
      onProgress?.({ name: basename(path), mediaType: '', done, total, state });
    const file = Readable.from(counted(createReadStream(path), (done) => tell(done, 'under way')));
    const answer = await this.#send('POST', `${IMAGES_PATH}${query}`, file, signal);
    tell(total, 'there');
    return imagesAnswer.parse(answer).images;
  }

  async #send(method: string, path: string, body?: Readable, signal?: AbortSignal): Promise<unknown> {
    const socketPath = this.#socket;
    const request = httpRequest({ socketPath, method, path, ...(signal ? { signal } : {}) });
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
    request.once('response', resolve).on('error', reject);
    // An answer may come before all of the file is sent: then the answer counts.
    const sent = body === undefined ? Promise.resolve(void request.end()) : pipeline(body, request);
    sent.catch(reject);
    let response: IncomingMessage;
    try {
      response = await promise;
    } catch (error) {
      signal?.throwIfAborted();
      throw new WasmletError('Unavailable', `no agent answers on ${socketPath}: ${messageOf(error)}`, { cause: error });
    }
    const text = await read(response);
    if (response.statusCode === 204) return undefined;
    if (response.statusCode === 200) return JSON.parse(text);
    const { code, message } = errorAnswer.parse(JSON.parse(text));
    throw new WasmletError(code, message);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return Promise.resolve();
  }
}

/** The chunks of a stream; tells how many bytes were taken of it. */
async function* counted(stream: Readable, tell: (bytes: number) => void): AsyncGenerator<Buffer> {
  let bytes = 0;
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    tell(bytes);
    yield chunk;
  }
}

async function read(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > MAX_ANSWER_BYTES) throw new WasmletError('Internal', 'the agent answers with too much');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}
