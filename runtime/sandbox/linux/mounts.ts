import { closeSync, constants, openSync, readFileSync, realpathSync } from 'node:fs';
import { WasmletError } from '../../../base/errors.ts';
import { systemCall } from './call.ts';
import { mountOverlay } from './overlay.ts';
import type { Layers } from './overlay.ts';

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
}

/**
 * Shows files and folders of this process to another, in its mount namespace. They stay what they are: nothing that is
 * mounted here later appears there, and they go with the last process there.
 * @param pid of a process whose namespace is not this one's
 * @throws system errors: a source that does not exist, a process that is gone
 */
export function bindInto(pid: number, bindings: readonly Binding[]): void {
  const trees: { readonly fd: number; readonly target: string }[] = [];
  try {
    for (const { source, target, readonly } of bindings) trees.push({ fd: mountOf(source, readonly), target });
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
function mountOf(source: Binding['source'], readonly: boolean): number {
  if (typeof source === 'string') return cloneTree(source, readonly);
  if ('lower' in source) return mountOverlay(source, attributesOf(readonly));
  const place = placeOfLayers(source);
  return insideMounts(source.pid, () => cloneTree(place, readonly));
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
    const [type, , options = ''] = fileSystem.split(' ');
    if (type !== 'overlay') continue;
    const found = options.split(',').find((option) => option.startsWith('upperdir='));
    if (found !== undefined && unescape(found) === `upperdir=${path}`) return unescape(mount.split(' ')[4] ?? '');
  }
  throw new WasmletError('FailedPrecondition', `process ${pid} has no mount of ${upper}`);
}

/** The kernel writes what would part its words in octal. */
const unescape = (text: string): string =>
  text.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)));

function cloneTree(source: string, readonly: boolean): number {
  // For Node's own words of what is wrong with a path.
  closeSync(openSync(source, constants.O_RDONLY | 0o10000000));
  const fd = systemCall('open_tree', AT_FDCWD, source, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);
  try {
    const attributes = Buffer.alloc(ATTRIBUTES_BYTES);
    attributes.writeBigUInt64LE(BigInt(attributesOf(readonly)), 0);
    attributes.writeBigUInt64LE(BigInt(MS_PRIVATE), 16);
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
