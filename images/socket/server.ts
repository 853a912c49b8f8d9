import { randomBytes } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { chmod, rename, rm } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { join } from 'node:path';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { messageOf, WasmletError } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import type { ImageStore } from '../service.ts';
import { IMAGES_PATH } from './protocol.ts';

export interface ImagesServerOptions {
  readonly store: ImageStore;
  /** Path of the socket; who may connect is who may write to it: the node's own user. */
  readonly socket: string;
  /** An existing folder for files in the making; cleared at the next start. */
  readonly ingestFolder: string;
  /** Bytes of one file at the most. */
  readonly maxBytes: number;
  readonly logger: Logger;
}

/** A file that stops coming holds nobody up for longer. */
const IDLE_MS = 60_000;

/**
 * Lets the command line at this node see and change the images that this process has.
 * @throws a system error when the socket cannot be made
 */
export async function serveImages(options: ImagesServerOptions): Promise<AsyncDisposable> {
  const ended = new AbortController();
  const server = createServer((request, response) => void answer(options, request, response, ended.signal));
  server.requestTimeout = 0;
  server.setTimeout(IDLE_MS);
  // Nobody else may connect in the moment before its mode is set: it gets its name only then.
  const made = `${options.socket}.${randomBytes(4).toString('hex')}`;
  await listen(server, made);
  await chmod(made, 0o600);
  await rename(made, options.socket);
  return {
    [Symbol.asyncDispose]: async () => {
      ended.abort();
      await rm(options.socket, { force: true });
      const { promise, resolve } = Promise.withResolvers<undefined>();
      server.close(() => resolve(undefined));
      server.closeAllConnections();
      await promise;
    },
  };
}

function listen(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject).listen(path, () => {
      server.off('error', reject);
      resolve();
    });
  });
}

async function answer(
  options: ImagesServerOptions,
  request: IncomingMessage,
  response: ServerResponse,
  ended: AbortSignal,
): Promise<void> {
  const gone = new AbortController();
  response.once('close', () => gone.abort()).on('error', () => undefined);
  try {
    const result = await serve(options, request, AbortSignal.any([ended, gone.signal]));
    response.writeHead(result === undefined ? 204 : 200, { 'content-type': 'application/json' });
    response.end(result === undefined ? undefined : JSON.stringify(result));
  } catch (error) {
    if (!(error instanceof WasmletError)) options.logger.error('an image request failed', { error: messageOf(error) });
    const code = error instanceof WasmletError ? error.code : 'Internal';
    // What is left of the file is not waited for.
    response.writeHead(400, { 'content-type': 'application/json', connection: 'close' });
    response.end(JSON.stringify({ code, message: messageOf(error) }));
  }
}

async function serve(options: ImagesServerOptions, request: IncomingMessage, signal: AbortSignal): Promise<unknown> {
  const { store, logger } = options;
  const { pathname, searchParams } = new URL(request.url ?? '', 'http://node');
  if (pathname === IMAGES_PATH && request.method === 'GET') return { images: await store.listImages() };
  if (pathname === IMAGES_PATH && request.method === 'POST') {
    return { images: await receive(options, request, searchParams.get('name') ?? undefined, signal) };
  }
  if (pathname.startsWith(`${IMAGES_PATH}/`) && request.method === 'DELETE') {
    const id = decodeURIComponent(pathname.slice(IMAGES_PATH.length + 1));
    await store.removeImage(id);
    logger.info('removed an image, as the command line asked', { id });
    return undefined;
  }
  throw new WasmletError('InvalidArgument', `this agent knows no ${request.method ?? ''} ${pathname}`);
}

async function receive(
  { store, ingestFolder, maxBytes, logger }: ImagesServerOptions,
  request: IncomingMessage,
  name: string | undefined,
  signal: AbortSignal,
) {
  const path = join(ingestFolder, randomBytes(12).toString('hex'));
  try {
    await pipeline(request, bounded(maxBytes), createWriteStream(path, { flags: 'wx', mode: 0o600 }), { signal });
    const images = await store.importImages({ path, name, signal });
    logger.info('imported images, as the command line asked', { images: images.flatMap(({ repoTags }) => repoTags) });
    return images;
  } finally {
    await rm(path, { force: true });
  }
}

function bounded(maxBytes: number): Transform {
  let used = 0;
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      used += chunk.length;
      if (used <= maxBytes) done(null, chunk);
      else done(new WasmletError('InvalidArgument', `the file has more than ${maxBytes} bytes (maxImageBytes)`));
    },
  });
}
