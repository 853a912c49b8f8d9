import { mkdir } from 'node:fs/promises';
import { errnoOf, hasCode, WasmletError } from '../base/errors.ts';
import { lockFolder } from '../base/lock.ts';
import type { Logger } from '../base/log.ts';
import { createImageService } from '../images/index.ts';
import type { ImageService, ImageStore } from '../images/service.ts';
import { connectImages } from '../images/socket/client.ts';
import { imagesSocketOf } from '../images/socket/protocol.ts';
import { serveImages } from '../images/socket/server.ts';
import { join } from 'node:path';
import type { Config } from './config/schema.ts';
import { hintOfLocalNode } from './local/folders.ts';
import { imageOptions } from './services.ts';

/**
 * The node's images, for the process that holds the node's lock; the command line at this node reaches them through it.
 * @throws a system error when the store cannot be written
 */
export async function openNodeImages(config: Config, logger: Logger): Promise<ImageService> {
  await using stack = new AsyncDisposableStack();
  const options = imageOptions(config, logger);
  const service = stack.use(await createImageService(options));
  stack.use(
    await serveImages({
      store: service,
      socket: imagesSocketOf(config.rootDir),
      ingestFolder: join(options.root, 'ingest'),
      maxBytes: config.maxImageBytes,
      logger: options.logger,
    }),
  );
  const kept = stack.move();
  return {
    imageStatus: (reference) => service.imageStatus(reference),
    listImages: () => service.listImages(),
    pullImage: (pull) => service.pullImage(pull),
    removeImage: (id) => service.removeImage(id),
    imageFsInfo: () => service.imageFsInfo(),
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

/**
 * Does something with the images of this node: through the agent that runs, which then has them at once, or in the store
 * itself where none does.
 * @throws WasmletError AlreadyExists when an agent runs that does not answer; FailedPrecondition when this user may not
 * write to the node's folder
 */
export async function withImages<T>(
  config: Config,
  logger: Logger,
  run: (images: ImageStore) => Promise<T>,
): Promise<T> {
  const connected = await connectImages(imagesSocketOf(config.rootDir));
  if (connected) return await run(connected);
  await mkdir(config.rootDir, { recursive: true }).catch((error: unknown) => {
    throw folderRefused(config.rootDir, error);
  });
  try {
    await using _lock = await lockFolder(config.rootDir, 'agent');
    await using store = await createImageService(imageOptions(config, logger));
    return await run(store);
  } catch (error) {
    if (!hasCode(error, 'AlreadyExists')) throw error;
    throw new WasmletError('AlreadyExists', `${error.message} and does not answer: try again, or restart it`, {
      cause: error,
    });
  }
}

/** What to say where the node's folder cannot be had: it is the machine's, and who runs local mode has one of their own. */
function folderRefused(rootDir: string, error: unknown): unknown {
  if (!['EACCES', 'EPERM', 'EROFS'].includes(errnoOf(error) ?? '')) return error;
  const hint = hintOfLocalNode(rootDir) || '; another is named by --root-dir';
  return new WasmletError('FailedPrecondition', `this user may not write to the node's folder ${rootDir}${hint}`, {
    cause: error,
  });
}
