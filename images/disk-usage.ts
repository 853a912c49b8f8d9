import { lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { errnoOf } from '../base/errors.ts';

export interface Usage {
  /** Bytes of the blocks taken, as `du` counts. */
  readonly bytes: number;
  readonly inodes: number;
}

const BLOCK = 512;

/**
 * What a folder and all beneath it take on disk; what vanishes meanwhile does not count.
 * @param skip folders that are not looked into
 */
export async function diskUsage(path: string, skip: (path: string) => boolean = () => false): Promise<Usage> {
  let bytes = 0;
  let inodes = 0;
  const pending = [path];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    const at = next;
    try {
      const status = await lstat(at);
      bytes += status.blocks * BLOCK;
      inodes += 1;
      if (status.isDirectory() && !skip(at)) pending.push(...(await readdir(at)).map((name) => join(at, name)));
    } catch (error) {
      if (errnoOf(error) !== 'ENOENT') throw error;
    }
  }
  return { bytes, inodes };
}
