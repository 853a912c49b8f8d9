import { closeSync, constants, openSync } from 'node:fs';
import { relative, sep } from 'node:path';

/** Linux: a descriptor that only names a file. Node's constants lack it; the value is the same on x86-64 and arm64. */
export const O_PATH = 0o10000000;

const FOLDER = O_PATH | constants.O_DIRECTORY | constants.O_NOFOLLOW;

/**
 * Opens a folder below another whose content others may exchange at any moment, as guests do in a volume: one name at a
 * time, and no link below `base` is followed, so that what is opened lies within it whatever they do meanwhile
 * (the kubelet's CVE-2017-1002101 and CVE-2021-25741). Needs Linux.
 * @param base a path that others have no part in
 * @param path absolute, `base` or below it, without links
 * @returns a descriptor (O_PATH), by which the folder is reached as `/proc/self/fd/<N>`
 * @throws system errors: ENOTDIR where a link has taken a folder's place
 */
export function openWithin(base: string, path: string): number {
  const names = relative(base, path).split(sep);
  if (names[0] === '..') throw new Error(`${path} is not within ${base}`);
  let fd = openSync(base, O_PATH | constants.O_DIRECTORY);
  for (const name of names) {
    const above = fd;
    try {
      fd = openSync(`/proc/self/fd/${above}/${name}`, FOLDER);
    } finally {
      closeSync(above);
    }
  }
  return fd;
}

/**
 * Uses a path; where it is within a folder that others may exchange, one that leads to what stands there now and to
 * nothing else.
 * @param base undefined: the path is nobody else's
 * @throws as openWithin
 */
export function useWithin<T>(base: string | undefined, path: string, use: (path: string) => T): T {
  if (base === undefined) return use(path);
  const fd = openWithin(base, path);
  try {
    return use(`/proc/self/fd/${fd}`);
  } finally {
    closeSync(fd);
  }
}
