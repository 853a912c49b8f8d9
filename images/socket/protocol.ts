import { join } from 'node:path';
import { z } from 'zod';
import { ERROR_CODES, type ErrorCode } from '../../base/errors.ts';
import type { Image } from '../service.ts';

/**
 * What the command line says to who has a node's images: HTTP over a Unix socket beside the store, with the version in
 * the path. The store itself is one process's alone.
 *
 *     GET    /v1/images          {images}
 *     POST   /v1/images?name=…   the file's bytes; {images}
 *     DELETE /v1/images/ID       204
 */
export const IMAGES_PATH = '/v1/images';

/** @param rootDir the node's state folder */
export const imagesSocketOf = (rootDir: string): string => join(rootDir, 'images.sock');

const strings = z.array(z.string()).readonly();

const imageSchema = z.object({
  id: z.string(),
  repoTags: strings,
  repoDigests: strings,
  size: z.number(),
  os: z.string(),
  architecture: z.string(),
  config: z.object({
    entrypoint: strings,
    cmd: strings,
    env: strings,
    workingDir: z.string(),
    user: z.string(),
    stopSignal: z.string().exactOptional(),
    labels: z.record(z.string(), z.string()),
  }),
  module: z.string().exactOptional(),
  tree: z.string().exactOptional(),
}) satisfies z.ZodType<Image>;

export const imagesAnswer = z.object({ images: z.array(imageSchema) });

const errorCode = z.custom<ErrorCode>((value) => typeof value === 'string' && Object.hasOwn(ERROR_CODES, value));

export const errorAnswer = z.object({ code: errorCode, message: z.string() });
