import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { hasCode, ignoreMissing, WasmletError } from '../../base/errors.ts';
import type { Config } from '../config/schema.ts';
import { withRuntime } from './node-runtime.ts';

/**
 * The images that containers of this node were made of, whether they run or not, with the name of one such container.
 * @throws WasmletError Unavailable where that cannot be known: there are pods, and no supervisor that tells of them
 */
export async function imagesInUse(config: Config): Promise<Map<string, string>> {
  try {
    const containers = await withRuntime(config, (runtime) => runtime.listContainers());
    return new Map(containers.map(({ image, id, metadata }) => [image.imageRef, `container ${metadata.name} (${id})`]));
  } catch (error) {
    if (!hasCode(error, 'Unavailable')) throw error;
    if (!(await hasPods(config.rootDir))) return new Map();
    throw new WasmletError('Unavailable', `${error.message}; without it nobody knows which images are used`, {
      cause: error,
    });
  }
}

async function hasPods(rootDir: string): Promise<boolean> {
  const pods = await readdir(join(rootDir, 'pods')).catch(ignoreMissing);
  return pods !== undefined && pods.length > 0;
}
