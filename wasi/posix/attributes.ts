/* eslint-disable max-params -- the module's functions have so many */
import { chmodSync, chownSync } from 'node:fs';
import { PosixError } from '../core/posix-error.ts';
import { RIGHT } from '../preview1/abi.ts';
import { requireRights } from '../preview1/descriptor.ts';
import { oftenFailing, plain, type Preview1Functions } from '../preview1/function.ts';
import { lastLink, locator } from '../preview1/path.ts';
import type { Preview1State } from '../preview1/state.ts';
import { heldBy } from './descriptor-file.ts';
import { hold, type HeldFile } from './held-file.ts';

const PERMISSION_BITS = 0o777;
const MODE_BITS = 0o7777;
const SET_UID = 0o4000;
const SET_GID = 0o2000;
/** As a `uid`, `gid` or mask: leave it as it is. */
const KEEP = 0xffff_ffff;

/** What may be changed at all; whose it is, is the kernel's question. @returns the path to change it by */
function changeable({ path, stats, readonly }: HeldFile): string {
  if (readonly || path === undefined) throw new PosixError('EROFS');
  if (stats?.isFile() !== true && stats?.isDirectory() !== true && stats?.isSymbolicLink() !== true) {
    // Devices and sockets in a volume are the host's.
    throw new PosixError('EPERM');
  }
  return path;
}

/**
 * @throws PosixError EPERM for the set-uid bit, and for the set-gid bit of what is no directory: a program of the host
 *   might run such a file
 */
function changeMode(file: HeldFile, mode: number): void {
  const path = changeable(file);
  if (file.stats?.isSymbolicLink() === true) throw new PosixError('ENOTSUP');
  if ((mode & SET_UID) !== 0) throw new PosixError('EPERM');
  if ((mode & SET_GID) !== 0 && file.stats?.isDirectory() !== true) throw new PosixError('EPERM');
  chmodSync(path, mode & MODE_BITS);
}

function changeOwner(file: HeldFile, uid: number, gid: number): void {
  chownSync(changeable(file), keptOr(uid), keptOr(gid));
}

/** Node takes -1 for what is to be kept. */
const keptOr = (id: number): number => (id >>> 0 === KEEP ? -1 : id >>> 0);

/** What changes files' modes and owners. */
export function attributeFunctions(state: Preview1State): Preview1Functions {
  const { memory, descriptors, tree } = state;
  const locate = locator(state);
  const change = (fd: number, lookup: number, path: number, length: number, use: (file: HeldFile) => void): void => {
    const at = locate(fd, RIGHT.PATH_FILESTAT_SET_TIMES, path, length);
    tree.at(at, lastLink(lookup), (place) => hold(place, use));
  };
  const opened = (fd: number): HeldFile => {
    const descriptor = descriptors.get(fd);
    const file = heldBy(descriptor);
    requireRights(descriptor, RIGHT.FD_FILESTAT_SET_TIMES);
    return file;
  };
  return {
    /** fchmodat(2). */
    path_chmod: oftenFailing((fd: number, lookup: number, path: number, length: number, mode: number) =>
      change(fd, lookup, path, length, (file) => changeMode(file, mode)),
    ),
    /** fchmod(2). */
    fd_chmod: plain((fd: number, mode: number) => changeMode(opened(fd), mode)),
    /** fchownat(2). */
    path_chown: oftenFailing((fd: number, lookup: number, path: number, length: number, uid: number, gid: number) =>
      change(fd, lookup, path, length, (file) => changeOwner(file, uid, gid)),
    ),
    /** fchown(2). */
    fd_chown: plain((fd: number, uid: number, gid: number) => changeOwner(opened(fd), uid, gid)),
    /** umask(2). */
    umask: plain((mask: number, oldOut: number) => {
      memory.setU32(oldOut, tree.umask);
      if (mask >>> 0 !== KEEP) tree.umask = mask & PERMISSION_BITS;
    }),
  };
}
