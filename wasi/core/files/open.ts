import { closeSync, constants, fstatSync, lstatSync, openSync } from 'node:fs';
import { PosixError } from '../posix-error.ts';
import { Directory } from './directory.ts';
import { OPEN_SAFELY, type Mount } from './mounts.ts';
import { flagsOf, OpenFile } from './open-file.ts';
import type { RegularFile, WriteMode } from './regular-file.ts';
import { VirtualFile, virtualStat, type VirtualNode } from './virtual-file.ts';
import type { Place } from './walk.ts';

export interface OpenOptions extends WriteMode {
  readonly read: boolean;
  readonly write: boolean;
  readonly create: boolean;
  readonly exclusive: boolean;
  readonly truncate: boolean;
  /** Fail with ENOTDIR unless it is a directory. */
  readonly directory: boolean;
}

/** A descriptor of the guest that is to be had once more. */
export interface OpenedStream {
  readonly kind: 'stream';
  readonly number: number;
}

/** /dev/signal. */
export interface OpenedSignals {
  readonly kind: 'signals';
}

export type Opened = RegularFile | Directory | OpenedStream | OpenedSignals;

const { O_RDONLY, O_WRONLY, O_RDWR, O_CREAT, O_EXCL, O_TRUNC } = constants;
/** Before the guest's umask. */
const FILE_MODE = 0o666;

/**
 * Opens what stands at a place. Only regular files and directories: a FIFO, socket or device in a volume is ENOTSUP,
 * for it would wait or reach the host's devices.
 */
export function openAt(place: Place, options: OpenOptions, umask: number): Opened {
  const { directory, name } = place;
  if (name === '') return checkedDirectory(directory.reopen(), options);
  const point = directory.pointOf(name);
  if (point?.mount?.isDirectory === false) return openMountedFile(point.mount, place, options);
  if (point?.mount === undefined && point?.virtual !== undefined)
    return openVirtual(point.virtual, point.ino, place, options);
  if (point !== undefined || options.directory || place.mustBeDirectory) return openDirectory(place, options);
  return openEntry(place, options, FILE_MODE & ~umask);
}

function checkedDirectory(directory: Directory, options: OpenOptions): Directory {
  const refusal =
    options.create && options.exclusive
      ? 'EEXIST'
      : options.write || options.truncate || options.create
        ? 'EISDIR'
        : undefined;
  if (refusal === undefined) return directory;
  directory.close();
  throw new PosixError(refusal);
}

function openDirectory({ directory, name, mustBeDirectory }: Place, options: OpenOptions): Directory {
  if (options.create && mustBeDirectory) throw new PosixError('EISDIR');
  const entered = directory.enter(name);
  if (typeof entered === 'string') throw new PosixError('ELOOP');
  return checkedDirectory(entered, options);
}

function accessOf(options: OpenOptions): number {
  if (options.write) return options.read ? O_RDWR : O_WRONLY;
  return O_RDONLY;
}

function openMountedFile(mount: Mount, place: Place, options: OpenOptions): OpenFile {
  if (options.directory || place.mustBeDirectory) throw new PosixError('ENOTDIR');
  if (options.create && options.exclusive) throw new PosixError('EEXIST');
  if (mount.readonly && (options.write || options.truncate)) throw new PosixError('EROFS');
  const access = accessOf(options);
  // Followed on purpose: this link of /proc is our own and leads to the mounted file alone.
  const fd = openSync(`/proc/self/fd/${mount.fd}`, access | (options.truncate ? O_TRUNC : 0) | flagsOf(options));
  return new OpenFile(fd, access, options, mount.readonly);
}

function openVirtual(
  node: VirtualNode,
  ino: bigint,
  place: Place,
  options: OpenOptions,
): VirtualFile | OpenedStream | OpenedSignals {
  if (options.directory || place.mustBeDirectory) throw new PosixError('ENOTDIR');
  if (options.create && options.exclusive) throw new PosixError('EEXIST');
  if ('stream' in node) return { kind: 'stream', number: node.stream };
  if ('signals' in node) {
    if (options.write || options.truncate) throw new PosixError('EACCES');
    return { kind: 'signals' };
  }
  const content = node.open();
  if (content.write === undefined && (options.write || options.truncate)) throw new PosixError('EACCES');
  return new VirtualFile(content, virtualStat(node.type, ino));
}

function openEntry({ directory, name }: Place, options: OpenOptions, mode: number): OpenFile | Directory {
  const path = directory.entryPath(name);
  if (path === undefined) throw new PosixError(options.create ? 'EROFS' : 'ENOENT');
  const { mount } = directory;
  if (mount.readonly) checkReadonly(path, options);
  const access = accessOf(options);
  const creation = options.create && !mount.readonly ? O_CREAT | (options.exclusive ? O_EXCL : 0) : 0;
  const flags = access | creation | (options.truncate ? O_TRUNC : 0) | flagsOf(options) | OPEN_SAFELY;
  const fd = openSync(path, flags, mode);
  try {
    const stats = fstatSync(fd);
    if (stats.isFile()) return new OpenFile(fd, access, options, mount.readonly);
    if (stats.isDirectory()) return new Directory({ fd, owned: true, mount, point: undefined, isRoot: false });
    throw new PosixError('ENOTSUP');
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

/** The order in which Linux finds fault with opening on a read-only mount. */
function checkReadonly(path: string, options: OpenOptions): void {
  if (!options.write && !options.create && !options.truncate) return;
  const stats = lstatSync(path, { throwIfNoEntry: false });
  if (stats === undefined) throw new PosixError(options.create ? 'EROFS' : 'ENOENT');
  if (options.create && options.exclusive) throw new PosixError('EEXIST');
  if (stats.isDirectory() && (options.write || options.truncate)) throw new PosixError('EISDIR');
  if (options.write || options.truncate) throw new PosixError('EROFS');
}
