import { closeSync, constants, openSync, readFileSync, realpathSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { WasmletError } from '../../../base/errors.ts';
import { useWithin } from '../../../base/open-within.ts';
import { systemCall, SystemCallError } from './call.ts';
import { mountOverlay } from './overlay.ts';
import type { Layers } from './overlay.ts';
import { asOwner } from './users.ts';
import type { UserNamespace } from './users.ts';

/** Mounts in the namespace of another process (open_tree(2), mount_setattr(2), move_mount(2), setns(2)). */

const CLONE_FS = 0x00000200;
const CLONE_NEWNS = 0x00020000;
const AT_FDCWD = -100;
const AT_EMPTY_PATH = 0x1000;
const AT_RECURSIVE = 0x8000;
const OPEN_TREE_CLONE = 1;
const OPEN_TREE_CLOEXEC = 0o2000000;
const MOVE_MOUNT_F_EMPTY_PATH = 0x4;
const MS_PRIVATE = 0x40000;
const MNT_DETACH = 2;

const ATTR_RDONLY = 0x1;
/** No programs, no devices, no other users' rights by what a file says. */
const ATTR_NOSUID_NODEV_NOEXEC = 0x2 | 0x4 | 0x8;

/** What a file's owner is on disk, it is by the map of a user namespace for who reaches it through the mount. */
const ATTR_IDMAP = 0x00100000;

/** struct mount_attr */
const ATTRIBUTES_BYTES = 32;

/** An overlay mount that another process has. */
export interface MountedLayers {
  readonly pid: number;
  readonly upper: string;
}

/** A file or folder, to be shown to another process. */
export interface Binding {
  /** What is shown: a path, as this process sees it, whose links are followed; or an overlay mount. */
  readonly source: string | Layers | MountedLayers;
  /** Where, as the other process sees it; something of the same kind stands there. */
  readonly target: string;
  readonly readonly: boolean;
  /** As in Mount: a folder that the source is a folder in, of which no link is followed. */
  readonly within?: string | undefined;
}

/** A process that mounts are made for. */
export interface Viewer {
  /** Its mount namespace is not this process's. */
  readonly pid: number;
  /** Whose owners it sees files to have; undefined: those that they have here. */
  readonly users?: UserNamespace | undefined;
}

/** Folders in a viewer's root that layers stand on while an overlay mount is made of them. */
export const LAYER_PLACES = { lower: '/layers/lower', writable: '/layers/writable' } as const;

/**
 * Shows files and folders of this process to another, in its mount namespace. They stay what they are: nothing that is
 * mounted here later appears there, and they go with the last process there.
 * @throws system errors: a source that does not exist, a process that is gone, a file system whose owners cannot be
 *   mapped (EINVAL)
 */
export function bindInto(viewer: Viewer, bindings: readonly Binding[]): void {
  const { pid } = viewer;
  const trees: { readonly fd: number; readonly target: string }[] = [];
  try {
    for (const binding of bindings) trees.push({ fd: mountOf(viewer, binding), target: binding.target });
    insideMounts(pid, () => {
      for (const { fd, target } of trees) systemCall('move_mount', fd, '', AT_FDCWD, target, MOVE_MOUNT_F_EMPTY_PATH);
    });
  } finally {
    for (const { fd } of trees) closeSync(fd);
  }
}

/**
 * Takes mounts away from a process.
 * @param targets as the process sees them
 * @throws system errors: a process that is gone
 */
export function unbindIn(pid: number, targets: readonly string[]): void {
  insideMounts(pid, () => {
    for (const target of targets) systemCall('umount2', target, MNT_DETACH);
  });
}

/** A mount that stands nowhere yet, as a descriptor. */
function mountOf({ pid, users }: Viewer, { source, readonly, within }: Binding): number {
  if (typeof source === 'string') return useWithin(within, source, (path) => cloneTree(path, readonly, users));
  if ('lower' in source) return mountLayers({ pid, users }, source, readonly);
  const place = placeOfLayers(source);
  return insideMounts(source.pid, () => cloneTree(place, readonly));
}

const overlayOf = (layers: Layers, readonly: boolean, name?: string): number =>
  mountOverlay(layers, attributesOf(readonly), name);

/**
 * An overlay mount that stands nowhere yet, as a descriptor. Where its files are to have other owners than on disk, the
 * kernel maps those of its layers, not its own (Linux 5.19): so these are mounted first, where only that process could
 * see them and only until it is made. What the kernel creates for itself, in the working folder, needs an owner that
 * there is on disk too.
 * @throws as mountOverlay
 */
export function mountLayers({ pid, users }: Viewer, layers: Layers, readonly: boolean): number {
  if (!users) return overlayOf(layers, readonly);
  const { lower, upper, work } = layers;
  const name = realpathSync(upper);
  const mounted: { readonly fd: number; readonly place: string }[] = [];
  try {
    mounted.push({ fd: cloneTree(lower, false, users), place: LAYER_PLACES.lower });
    // The upper and the working folder have to be of one mount.
    mounted.push({ fd: cloneTree(dirname(upper), false, users), place: LAYER_PLACES.writable });
    return insideMounts(pid, () => {
      const placed: string[] = [];
      try {
        for (const { fd, place } of mounted) {
          systemCall('move_mount', fd, '', AT_FDCWD, place, MOVE_MOUNT_F_EMPTY_PATH);
          placed.push(place);
        }
        const [upperdir, workdir] = [upper, work].map((path) => join(LAYER_PLACES.writable, basename(path)));
        const shown = { lower: LAYER_PLACES.lower, upper: upperdir ?? '', work: workdir ?? '' };
        return asOwner(users.range.first, () => overlayOf(shown, readonly, name));
      } finally {
        for (const place of placed) systemCall('umount2', place, MNT_DETACH);
      }
    });
  } finally {
    for (const { fd } of mounted) closeSync(fd);
  }
}

/** Whether the owners of all files below a path can be mapped: not every file system can. @throws system errors */
export function areOwnersMappable(path: string, users: UserNamespace): boolean {
  try {
    closeSync(cloneTree(path, false, users));
    return true;
  } catch (error) {
    if (error instanceof SystemCallError) return false;
    throw error;
  }
}

const attributesOf = (readonly: boolean): number => ATTR_NOSUID_NODEV_NOEXEC | (readonly ? ATTR_RDONLY : 0);

/**
 * Where a process has an overlay mount, as it sees it: the kernel's own list says it (proc_pid_mountinfo(5)).
 * @throws WasmletError FailedPrecondition when it has none with this upper folder
 */
function placeOfLayers({ pid, upper }: MountedLayers): string {
  const path = realpathSync(upper);
  for (const line of readFileSync(`/proc/${pid}/mountinfo`, 'utf8').split('\n')) {
    const [mount = '', fileSystem = ''] = line.split(' - ');
    const [type, source = '', options = ''] = fileSystem.split(' ');
    if (type !== 'overlay') continue;
    // Where its layers were mounted for it, the paths among its options are none of this process's.
    const shown = options.split(',').find((option) => option.startsWith('upperdir=')) ?? '';
    const names = [source, shown.replace(/^upperdir=/, '')];
    if (names.map(unescape).includes(path)) return unescape(mount.split(' ')[4] ?? '');
  }
  throw new WasmletError('FailedPrecondition', `process ${pid} has no mount of ${upper}`);
}

/** The kernel writes what would part its words in octal. */
const unescape = (text: string): string =>
  text.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)));

function cloneTree(source: string, readonly: boolean, users?: UserNamespace): number {
  // For Node's own words of what is wrong with a path.
  closeSync(openSync(source, constants.O_RDONLY | 0o10000000));
  const fd = systemCall('open_tree', AT_FDCWD, source, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);
  try {
    const attributes = Buffer.alloc(ATTRIBUTES_BYTES);
    attributes.writeBigUInt64LE(BigInt(attributesOf(readonly) | (users ? ATTR_IDMAP : 0)), 0);
    attributes.writeBigUInt64LE(BigInt(MS_PRIVATE), 16);
    if (users) attributes.writeBigUInt64LE(BigInt(users.fd), 24);
    systemCall('mount_setattr', fd, '', AT_EMPTY_PATH | AT_RECURSIVE, attributes, attributes.length);
    return fd;
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

/**
 * Runs something while this thread sees the files of another process. Synchronously, so that nothing else of this
 * thread comes in between; Node's other threads see nothing of it, as they get no share in this thread's root and
 * working directory. Both are afterwards what they were.
 */
function insideMounts<T>(pid: number, body: () => T): T {
  const opened: number[] = [];
  const open = (path: string): number => {
    const fd = openSync(path, 'r');
    opened.push(fd);
    return fd;
  };
  try {
    const [there, here, root, folder] = [
      open(`/proc/${pid}/ns/mnt`),
      open('/proc/thread-self/ns/mnt'),
      open('/'),
      open('.'),
    ];
    // Whoever shares it may not change it; threads that Node has started since the last time do.
    systemCall('unshare', CLONE_FS);
    systemCall('setns', there, CLONE_NEWNS);
    try {
      return body();
    } finally {
      systemCall('setns', here, CLONE_NEWNS);
      systemCall('fchdir', root);
      systemCall('chroot', '.');
      systemCall('fchdir', folder);
    }
  } finally {
    for (const fd of opened) closeSync(fd);
  }
}
