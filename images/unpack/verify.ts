import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { inspectBlob, type BlobContent } from '../content.ts';
import { layerError } from './layer-error.ts';
import type { Tasks } from './tasks.ts';

/**
 * Checks a downloaded file against its descriptor.
 * @throws WasmletError ErrImagePull when size or digest differ
 */
export async function verifyBlob(
  { path, digest, size }: Tasks['verify']['input'],
  signal: AbortSignal,
): Promise<BlobContent> {
  const status = await stat(path);
  if (status.size !== size) throw layerError(`${digest} has ${status.size} bytes, but its descriptor says ${size}`);
  const [algorithm = ''] = digest.split(':', 1);
  const hash = createHash(algorithm);
  await pipeline(createReadStream(path, { highWaterMark: 1024 ** 2 }), hash, { signal });
  const actual = `${algorithm}:${hash.digest('hex')}`;
  if (actual !== digest) throw layerError(`unexpected digest: ${digest} was asked for, but ${actual} came`);
  return inspectBlob(path);
}
