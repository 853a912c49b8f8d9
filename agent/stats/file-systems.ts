import { statfs } from 'node:fs/promises';
import type { DiskUsage } from '../../base/disk-usage.ts';
import type { FsStats } from './summary.ts';

/** A file system as a whole: what it holds of all, and what is left. */
export async function fileSystem(path: string): Promise<FsStats> {
  const { blocks, bfree, bavail, bsize, files, ffree } = await statfs(path);
  return {
    time: new Date(),
    availableBytes: bavail * bsize,
    capacityBytes: blocks * bsize,
    usedBytes: (blocks - bfree) * bsize,
    inodesFree: ffree,
    inodes: files,
    inodesUsed: files - ffree,
  };
}

/** A part of a file system: its size is the whole's, what is used is the part's. */
export const partOf = (whole: FsStats, time: Date, { usedBytes, inodesUsed }: DiskUsage): FsStats => ({
  ...whole,
  time,
  usedBytes,
  inodesUsed,
});
