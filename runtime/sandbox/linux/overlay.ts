import { closeSync, readSync, realpathSync } from 'node:fs';
import { messageOf } from '../../../base/errors.ts';
import { systemCall } from './call.ts';

/** Overlay mounts that stand nowhere yet (fsopen(2), fsconfig(2), fsmount(2); Linux' filesystems/overlayfs.rst). */

/** Bytes of a value that fsconfig(2) takes at the most. */
const MAX_VALUE_BYTES = 255;

/** Whether the kernel takes the path of a layer: namespaces of long names, far down, have longer ones. */
export const isLayerPath = (path: string): boolean => Buffer.byteLength(path) <= MAX_VALUE_BYTES;

/** Folders that an overlay mount is made of. The upper and the working folder are that mount's alone. */
export interface Layers {
  /** Never changed, and may be under any number of mounts. */
  readonly lower: string;
  /** What is written goes here. Its owner and mode are those of the mount's root. */
  readonly upper: string;
  /** Empty, on the same file system as the upper. */
  readonly work: string;
}

const FSOPEN_CLOEXEC = 1;
const FSMOUNT_CLOEXEC = 1;
const FSCONFIG_SET_FLAG = 0;
const FSCONFIG_SET_STRING = 1;
const FSCONFIG_CMD_CREATE = 6;

/**
 * As it is whatever the kernel was built with.
 *
 * - redirect_dir: else a guest cannot rename a folder of its image (EXDEV).
 * - metacopy: a change of mode or owner copies the whole file, so that an upper layer needs nothing of the lower to be
 *   read, and what it takes on disk can be counted.
 * - index: hard links of the image come apart when one of them is written, as in containerd and in a copy. With it a
 *   mount would be refused while one that is being taken down still holds the same upper folder.
 */
const OPTIONS = { redirect_dir: 'on', metacopy: 'off', index: 'off' } as const;

/**
 * Makes an overlay mount, as a descriptor. It is in no mount namespace until it is moved to one, and gone with the last
 * that holds it: so none is ever left behind.
 *
 * Nothing of it is ever synced to disk (`volatile`), neither by a guest's fsync nor when it is taken down, which would
 * write out all of the disk's dirty pages. After a crash of the machine it cannot be mounted again, and need not.
 * @param attributes MOUNT_ATTR_*
 * @param name what the kernel shows as the mount's source; default: the upper folder's real path
 * @throws Error with the kernel's own words; SystemCallError
 */
export function mountOverlay(layers: Layers, attributes: number, name?: string): number {
  const context = systemCall('fsopen', 'overlay', FSOPEN_CLOEXEC);
  try {
    const [lowerdir, upperdir, workdir] = [layers.lower, layers.upper, layers.work].map((path) => realpathSync(path));
    const options = { source: name ?? upperdir, lowerdir, upperdir, workdir, ...OPTIONS };
    for (const [key, value = ''] of Object.entries(options)) {
      systemCall('fsconfig', context, FSCONFIG_SET_STRING, key, value, 0);
    }
    systemCall('fsconfig', context, FSCONFIG_SET_FLAG, 'volatile', 0, 0);
    systemCall('fsconfig', context, FSCONFIG_CMD_CREATE, 0, 0, 0);
    return systemCall('fsmount', context, FSMOUNT_CLOEXEC, attributes);
  } catch (error) {
    const words = [messageOf(error), ...messagesOf(context)];
    throw new Error(`an overlay mount cannot be made: ${words.join(': ')}`, { cause: error });
  } finally {
    closeSync(context);
  }
}

/** What the kernel has to say of a mount that it has refused. */
function messagesOf(context: number): string[] {
  const found: string[] = [];
  const buffer = Buffer.alloc(1024);
  try {
    // One at a time, and ENODATA after the last.
    for (;;) found.push(buffer.toString('utf8', 0, readSync(context, buffer)).trim());
  } catch {
    return found;
  }
}
