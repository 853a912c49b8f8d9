import { closeSync, constants, fstatSync, openSync } from 'node:fs';
import { errnoOf, messageOf, WasmletError } from '../../../base/errors.ts';
import { O_PATH, openWithin } from '../../../base/open-within.ts';
import type { WasiMount } from '../../wasi.ts';
import type { VirtualNode } from './virtual-file.ts';

/** A folder or file of the host that stands in the guest's tree. */
export interface Mount {
  /** O_PATH: the thing itself, whatever becomes of its name on the host, as with a bind mount. */
  readonly fd: number;
  readonly isDirectory: boolean;
  readonly readonly: boolean;
}

/**
 * A place in the guest's tree that is a mount or lies on the way to one. Mounts stand above what the folder beneath
 * holds: they cannot be renamed or removed, and are seen although the folder has no such entry.
 */
export interface MountPoint {
  mount?: Mount;
  /** Unless something is mounted over it: a file that the runtime makes up. */
  virtual?: VirtualNode;
  children: ReadonlyMap<string, MountPoint>;
  /** Stands in for the inode number of a directory that no file system has. */
  readonly ino: bigint;
}

/** Whether what stands there is, or leads to, a directory. */
export const isDirectoryPoint = ({ mount, virtual }: MountPoint): boolean =>
  mount === undefined ? virtual === undefined : mount.isDirectory;

/** The point at a path below another one, made where it is missing. */
export function pointAt(from: MountPoint, names: readonly string[]): MountPoint {
  let point = from;
  for (const name of names) {
    const child = point.children.get(name) ?? newMountPoint();
    if (!point.children.has(name)) point.children = new Map([...point.children, [name, child]]);
    point = child;
  }
  return point;
}

let nextIno = 0xffff_ffff_0000_0000n;

/** Most points have none: each guest has dozens, and a map of its own for each would be a fifth of its memory. */
const NO_CHILDREN: ReadonlyMap<string, MountPoint> = new Map();

export const newMountPoint = (): MountPoint => ({ children: NO_CHILDREN, ino: nextIno++ });

/**
 * Opens what is to be mounted. Symbolic links in the host's path are followed where it comes from the runtime alone, and
 * not from a guest.
 * @throws WasmletError NotFound, FailedPrecondition
 */
export function openMount({ guestPath, hostPath, readonly, within }: WasiMount): Mount {
  try {
    const fd = within === undefined ? openSync(hostPath, O_PATH) : openWithin(within, hostPath);
    try {
      const stats = fstatSync(fd);
      if (!stats.isDirectory() && !stats.isFile()) {
        throw new WasmletError('FailedPrecondition', `mount ${guestPath}: ${hostPath} is neither a file nor a folder`);
      }
      return { fd, isDirectory: stats.isDirectory(), readonly };
    } catch (error) {
      closeSync(fd);
      throw error;
    }
  } catch (cause) {
    if (cause instanceof WasmletError) throw cause;
    const code = errnoOf(cause) === 'ENOENT' ? 'NotFound' : 'FailedPrecondition';
    throw new WasmletError(code, `mount ${guestPath}: ${hostPath} cannot be opened: ${messageOf(cause)}`, { cause });
  }
}

/** Ways of opening that every open of the guest's files has: never a link, never a wait, never a terminal. */
export const OPEN_SAFELY = constants.O_NOFOLLOW | constants.O_NONBLOCK | constants.O_NOCTTY;
