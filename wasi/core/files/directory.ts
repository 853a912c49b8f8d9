import {
  closeSync,
  constants,
  fstatSync,
  fsyncSync,
  lstatSync,
  openSync,
  readdirSync,
  readlinkSync,
  utimesSync,
} from 'node:fs';
import { errnoOf } from '../../../base/errors.ts';
import { O_PATH } from '../../../base/open-within.ts';
import { PosixError } from '../posix-error.ts';
import { isDirectoryPoint, type Mount, type MountPoint } from './mounts.ts';
import { statFrom, typeOf, utimeOf, type FileStat, type FileType, type NewTimes } from './stat.ts';

const OPEN_DIRECTORY = O_PATH | constants.O_DIRECTORY | constants.O_NOFOLLOW;

export interface DirectoryEntry {
  readonly name: string;
  readonly type: FileType;
}

interface DirectoryParts {
  /** Undefined: no folder of the host; the directory exists only because a mount lies beneath. */
  readonly fd: number | undefined;
  /** Whether close() closes `fd`. */
  readonly owned: boolean;
  readonly mount: Mount;
  readonly point: MountPoint | undefined;
  readonly isRoot: boolean;
}

/**
 * A directory of the guest's tree, held open. Entries are reached through `/proc/self/fd/N/name`, which is Linux's
 * openat for a program that has no openat: the kernel goes to the directory that is open, whatever has been renamed
 * since, and from there one name on. As a name never holds a slash, is never `..` and a link at its place is never
 * followed (O_NOFOLLOW), one step cannot leave the tree.
 */
export class Directory {
  readonly kind = 'directory';
  readonly mount: Mount;
  /** Set where mounts lie at or beneath this directory. */
  readonly point: MountPoint | undefined;
  readonly isRoot: boolean;
  readonly #fd: number | undefined;
  readonly #owned: boolean;

  constructor(parts: DirectoryParts) {
    this.mount = parts.mount;
    this.point = parts.point;
    this.isRoot = parts.isRoot;
    this.#fd = parts.fd;
    this.#owned = parts.owned;
  }

  /** The host's path of the directory itself; undefined when no folder of the host is beneath. */
  get hostPath(): string | undefined {
    return this.#fd === undefined ? undefined : `/proc/self/fd/${this.#fd}`;
  }

  /** The host's path of an entry; undefined when no folder of the host is beneath. */
  entryPath(name: string): string | undefined {
    return this.#fd === undefined ? undefined : `/proc/self/fd/${this.#fd}/${name}`;
  }

  /** The mount point of this name, or on the way to one. */
  pointOf(name: string): MountPoint | undefined {
    return this.point?.children.get(name);
  }

  /**
   * Steps down.
   * @returns the directory, which the caller closes; or a string: the entry is a symbolic link with this text
   * @throws PosixError ENOENT, ENOTDIR; system errors
   */
  enter(name: string): Directory | string {
    const point = this.pointOf(name);
    if (point?.mount !== undefined) {
      if (!point.mount.isDirectory) throw new PosixError('ENOTDIR');
      return new Directory({ fd: point.mount.fd, owned: false, mount: point.mount, point, isRoot: false });
    }
    if (point !== undefined && !isDirectoryPoint(point)) throw new PosixError('ENOTDIR');
    const path = this.entryPath(name);
    if (path === undefined) return this.#standIn(point, 'ENOENT');
    try {
      const fd = openSync(path, OPEN_DIRECTORY);
      return new Directory({ fd, owned: true, mount: this.mount, point, isRoot: false });
    } catch (error) {
      const code = errnoOf(error);
      if (code === 'ENOENT') return this.#standIn(point, 'ENOENT');
      if (code !== 'ENOTDIR' && code !== 'ELOOP') throw error;
      return point === undefined ? readLink(path) : this.#standIn(point, 'ENOTDIR');
    }
  }

  #standIn(point: MountPoint | undefined, otherwise: 'ENOENT' | 'ENOTDIR'): Directory {
    if (point === undefined) throw new PosixError(otherwise);
    return new Directory({ fd: undefined, owned: false, mount: this.mount, point, isRoot: false });
  }

  /** The same directory, opened once more, for a descriptor of its own. */
  reopen(): Directory {
    const fd =
      this.#fd === undefined ? undefined : openSync(`/proc/self/fd/${this.#fd}`, O_PATH | constants.O_DIRECTORY);
    return new Directory({ fd, owned: true, mount: this.mount, point: this.point, isRoot: this.isRoot });
  }

  stat(): FileStat {
    if (this.#fd !== undefined) return statFrom(fstatSync(this.#fd, { bigint: true }));
    return standInStat(this.point);
  }

  /** @throws PosixError EROFS */
  setTimes(times: NewTimes): void {
    if (this.mount.readonly || this.#fd === undefined) throw new PosixError('EROFS');
    utimesSync(`/proc/self/fd/${this.#fd}`, utimeOf(times.atime), utimeOf(times.mtime));
  }

  /** Writes the directory's entries to the disk. */
  sync(): void {
    if (this.#fd === undefined) return;
    const fd = openSync(`/proc/self/fd/${this.#fd}`, constants.O_RDONLY | constants.O_DIRECTORY);
    try {
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
  }

  /** All entries as they are now, `.` and `..` first; mounts stand in place of what is beneath them. */
  list(): DirectoryEntry[] {
    const entries: DirectoryEntry[] = [
      { name: '.', type: 'directory' },
      { name: '..', type: 'directory' },
    ];
    const points = this.point?.children;
    for (const [name, point] of points ?? []) {
      const type = isDirectoryPoint(point) ? 'directory' : point.mount === undefined ? point.virtual?.type : 'file';
      entries.push({ name, type: type ?? 'file' });
    }
    if (this.#fd === undefined) return entries;
    for (const entry of readdirSync(`/proc/self/fd/${this.#fd}`, { withFileTypes: true })) {
      if (points?.has(entry.name) !== true) entries.push({ name: entry.name, type: typeOf(entry) });
    }
    return entries;
  }

  /**
   * Inode number of an entry of the list; 0, which stands for unknown, of what is gone. Of `..` it is the directory's own,
   * as under wasmtime: where it is unknown, wasi-libc's scandir() asks for what no directory leads to, and fails.
   */
  inoOf(name: string): bigint {
    if (name === '.' || name === '..') return this.stat().ino;
    const point = this.pointOf(name);
    if (point?.mount !== undefined) return fstatSync(point.mount.fd, { bigint: true }).ino;
    if (point?.virtual !== undefined) return point.ino;
    const path = this.entryPath(name);
    const stats = path === undefined ? undefined : lstatSync(path, { bigint: true, throwIfNoEntry: false });
    return stats?.ino ?? point?.ino ?? 0n;
  }

  close(): void {
    if (this.#owned && this.#fd !== undefined) closeSync(this.#fd);
  }
}

/** @throws PosixError ENOTDIR when it is no link */
function readLink(path: string): string {
  try {
    return readlinkSync(path);
  } catch (error) {
    throw errnoOf(error) === 'EINVAL' ? new PosixError('ENOTDIR') : error;
  }
}

/** What is told of a directory that only leads to a mount. */
export function standInStat(point: MountPoint | undefined): FileStat {
  const ino = point?.ino ?? 0n;
  return { dev: 0n, ino, type: 'directory', nlink: 1n, size: 0n, atimeNs: 0n, mtimeNs: 0n, ctimeNs: 0n };
}
