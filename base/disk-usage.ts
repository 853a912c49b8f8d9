import { lstat, opendir } from 'node:fs/promises';
import type { BigIntStats } from 'node:fs';
import { join } from 'node:path';
import { errnoOf } from './errors.ts';

export interface DiskUsage {
  /** What the file system has given away for it, in bytes: sparse files count as far as they are written. */
  readonly usedBytes: number;
  readonly inodesUsed: number;
}

const BLOCK_BYTES = 512;

/**
 * What a file or folder takes, as `du -x` counts it: every file once however many names it has, and nothing of other
 * file systems mounted inside. What goes away meanwhile is not counted, nor what is in a folder that this process may
 * not read; a path that is not there takes nothing.
 */
export async function diskUsage(path: string): Promise<DiskUsage> {
  const top = await statOf(path);
  if (!top) return { usedBytes: 0, inodesUsed: 0 };
  const seen = new Set<string>();
  let [usedBytes, inodesUsed] = [0, 0];
  const folders: string[] = [];
  const count = (stats: BigIntStats, at: string): void => {
    if (stats.dev !== top.dev || (stats.nlink > 1n && !stats.isDirectory() && !isNew(seen, stats))) return;
    usedBytes += Number(stats.blocks) * BLOCK_BYTES;
    inodesUsed++;
    if (stats.isDirectory()) folders.push(at);
  };
  count(top, path);
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    for await (const name of namesIn(folder)) {
      const stats = await statOf(join(folder, name));
      if (stats) count(stats, join(folder, name));
    }
  }
  return { usedBytes, inodesUsed };
}

function isNew(seen: Set<string>, { ino }: BigIntStats): boolean {
  const key = String(ino);
  if (seen.has(key)) return false;
  seen.add(key);
  return true;
}

async function statOf(path: string): Promise<BigIntStats | undefined> {
  try {
    return await lstat(path, { bigint: true });
  } catch (error) {
    if (isGone(error)) return undefined;
    throw error;
  }
}

async function* namesIn(folder: string): AsyncIterable<string> {
  try {
    for await (const { name } of await opendir(folder)) yield name;
  } catch (error) {
    if (!isGone(error) && errnoOf(error) !== 'EACCES') throw error;
  }
}

const isGone = (error: unknown): boolean => ['ENOENT', 'ENOTDIR'].includes(errnoOf(error) ?? '');
