import {
  closeSync,
  fstatSync,
  linkSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  readlinkSync,
  renameSync,
  rmdirSync,
  symlinkSync,
  unlinkSync,
  utimesSync,
} from 'node:fs';
import { errnoOf } from '../../../base/errors.ts';
import type { WasiMount } from '../../wasi.ts';
import { PosixError } from '../posix-error.ts';
import { Directory, standInStat } from './directory.ts';
import { isDirectoryPoint, newMountPoint, openMount, pointAt, type Mount, type MountPoint } from './mounts.ts';
import { openAt, type Opened, type OpenOptions } from './open.ts';
import { statFrom, utimeOf, type FileStat, type NewTimes } from './stat.ts';
import { virtualStat, type VirtualNode } from './virtual-file.ts';
import { Walk, type LastLink, type Place } from './walk.ts';

/** What containers begin with. */
const DEFAULT_UMASK = 0o022;
const DIRECTORY_MODE = 0o777;

/** A directory to begin at, and a path from there. */
export interface Location {
  readonly directory: Directory;
  readonly path: string;
}

/**
 * The container's files as the guest sees them: the root folder with the mounts in it. Nothing outside can be named:
 * see Directory (one step cannot leave) and Walk (links and `..` are resolved here). Every method throws PosixError or
 * a system error of Node, in the cases and, where it matters, the order of Linux.
 *
 * Calls are synchronous: a host process runs one guest, which waits for them anyway.
 */
export class FileTree {
  readonly root: Directory;
  /** Permission bits that what the guest creates does not get. */
  umask = DEFAULT_UMASK;
  readonly #mounts: Mount[] = [];

  /** @throws WasmletError NotFound, FailedPrecondition when a folder to mount cannot be opened */
  constructor(root: string, mounts: readonly WasiMount[], readonlyRoot = false) {
    const byDepth = mounts.map((mount) => ({
      ...mount,
      names: mount.guestPath.split('/').filter((name) => name !== ''),
    }));
    byDepth.sort((a, b) => a.names.length - b.names.length);
    try {
      const over = byDepth.findLast(({ names }) => names.length === 0);
      const base = this.#open(over ?? { guestPath: '/', hostPath: root, readonly: readonlyRoot });
      this.root = new Directory({ fd: base.fd, owned: false, mount: base, point: newMountPoint(), isRoot: true });
      for (const mount of byDepth) if (mount.names.length > 0) this.#place(mount.names, this.#open(mount));
    } catch (error) {
      this[Symbol.dispose]();
      throw error;
    }
  }

  #open(wanted: WasiMount): Mount {
    const mount = openMount(wanted);
    this.#mounts.push(mount);
    return mount;
  }

  /** Puts a mount into the tree where its path leads, links in the image followed, as runc does. */
  #place(names: readonly string[], mount: Mount): void {
    let path: readonly string[] = [];
    for (const name of names) path = this.#resolved(path, name);
    pointAt(this.root.point as MountPoint, path).mount = mount;
  }

  #resolved(path: readonly string[], name: string): readonly string[] {
    using walk = new Walk(this.root, this.root);
    try {
      const place = walk.to([...path, name].join('/'), 'follow');
      return place.name === '' ? [...walk.names] : [...walk.names, place.name];
    } catch (error) {
      if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR') return [...path, name];
      throw error;
    }
  }

  /**
   * Shows files that the runtime makes up.
   * @param nodes by their path, relative to `folder`
   */
  show(folder: string, nodes: ReadonlyMap<string, VirtualNode>): void {
    for (const [path, node] of nodes) {
      pointAt(this.root.point as MountPoint, [folder, ...path.split('/')]).virtual = node;
    }
  }

  open(at: Location, lastLink: LastLink, options: OpenOptions): Opened {
    using walk = new Walk(this.root, at.directory);
    return openAt(walk.to(at.path, lastLink), options, this.umask);
  }

  stat(at: Location, lastLink: LastLink): FileStat {
    using walk = new Walk(this.root, at.directory);
    const place = walk.to(at.path, lastLink);
    const stat = statAt(place);
    if (place.mustBeDirectory && stat.type !== 'directory') throw new PosixError('ENOTDIR');
    return stat;
  }

  setTimes(at: Location, lastLink: LastLink, times: NewTimes): void {
    using walk = new Walk(this.root, at.directory);
    const { directory, name, mustBeDirectory } = walk.to(at.path, lastLink);
    if (name === '') {
      directory.setTimes(times);
      return;
    }
    const point = directory.pointOf(name);
    if (point !== undefined) {
      if (point.mount === undefined || point.mount.readonly) throw new PosixError('EROFS');
      utimesSync(`/proc/self/fd/${point.mount.fd}`, utimeOf(times.atime), utimeOf(times.mtime));
      return;
    }
    const path = existing(directory, name);
    if (mustBeDirectory && !isDirectory(path)) throw new PosixError('ENOTDIR');
    mustBeWritable(directory);
    // Never follows: where the walk was to follow, it has, and a link put there since is not to be trusted.
    lutimesSync(path, utimeOf(times.atime), utimeOf(times.mtime));
  }

  readLink(at: Location): string {
    using walk = new Walk(this.root, at.directory);
    const { directory, name, mustBeDirectory } = walk.to(at.path, 'slash');
    if (name === '' || directory.pointOf(name) !== undefined) throw new PosixError('EINVAL');
    const path = existing(directory, name);
    if (mustBeDirectory && !isDirectory(path)) throw new PosixError('ENOTDIR');
    return readlinkSync(path);
  }

  createDirectory(at: Location): void {
    using walk = new Walk(this.root, at.directory);
    mkdirSync(fresh(walk.to(at.path, 'never')), DIRECTORY_MODE & ~this.umask);
  }

  /** @param target the link's text, relative: Preview 1 has no absolute ones (EPERM) */
  symlink(target: string, at: Location): void {
    if (target === '') throw new PosixError('ENOENT');
    if (target.includes('\0')) throw new PosixError('EINVAL');
    if (target.startsWith('/')) throw new PosixError('EPERM');
    using walk = new Walk(this.root, at.directory);
    const place = walk.to(at.path, 'never');
    const path = fresh(place);
    if (place.mustBeDirectory) throw new PosixError(trailingSlashFault(path));
    symlinkSync(target, path);
  }

  link(from: Location, to: Location): void {
    using fromWalk = new Walk(this.root, from.directory);
    using toWalk = new Walk(this.root, to.directory);
    const source = fromWalk.to(from.path, 'never');
    const target = toWalk.to(to.path, 'never');
    if (source.name === '') throw new PosixError('EPERM');
    const point = source.directory.pointOf(source.name);
    if (point !== undefined) throw new PosixError(isDirectoryPoint(point) ? 'EPERM' : 'EXDEV');
    const path = existing(source.directory, source.name);
    if (source.mustBeDirectory) throw new PosixError(isDirectory(path) ? 'EPERM' : 'ENOTDIR');
    if (source.directory.mount !== target.directory.mount) throw new PosixError('EXDEV');
    const newPath = fresh(target);
    if (target.mustBeDirectory) throw new PosixError(trailingSlashFault(newPath));
    linkSync(path, newPath);
  }

  rename(from: Location, to: Location): void {
    using fromWalk = new Walk(this.root, from.directory);
    using toWalk = new Walk(this.root, to.directory);
    const source = fromWalk.to(from.path, 'never');
    const target = toWalk.to(to.path, 'never');
    if (source.name === '' || target.name === '') throw new PosixError('EBUSY');
    if (source.directory.mount !== target.directory.mount) throw new PosixError('EXDEV');
    if (isPoint(source) || isPoint(target)) throw new PosixError('EBUSY');
    mustBeWritable(source.directory);
    const path = existing(source.directory, source.name);
    const newPath = target.directory.entryPath(target.name);
    if (newPath === undefined) throw new PosixError('EROFS');
    if ((source.mustBeDirectory || target.mustBeDirectory) && !isDirectory(path)) throw new PosixError('ENOTDIR');
    renameSync(path, newPath);
  }

  removeDirectory(at: Location): void {
    using walk = new Walk(this.root, at.directory);
    const place = walk.to(at.path, 'never');
    if (place.name === '') throw new PosixError('EINVAL');
    if (isPoint(place)) throw new PosixError('EBUSY');
    mustBeWritable(place.directory);
    rmdirSync(existing(place.directory, place.name));
  }

  unlink(at: Location): void {
    using walk = new Walk(this.root, at.directory);
    const place = walk.to(at.path, 'never');
    if (place.name === '') throw new PosixError('EISDIR');
    const point = place.directory.pointOf(place.name);
    if (point !== undefined) throw new PosixError(isDirectoryPoint(point) ? 'EISDIR' : 'EBUSY');
    mustBeWritable(place.directory);
    const path = existing(place.directory, place.name);
    if (place.mustBeDirectory && !isDirectory(path)) throw new PosixError('ENOTDIR');
    unlinkSync(path);
  }

  /**
   * Walks to a place and holds it while `use` runs: for what is not among the functions of WASI Preview 1.
   * @throws PosixError, system errors
   */
  at<T>({ directory, path }: Location, lastLink: LastLink, use: (place: Place) => T): T {
    using walk = new Walk(this.root, directory);
    return use(walk.to(path, lastLink));
  }

  /** Closes the mounts. Files that are open stay so. */
  [Symbol.dispose](): void {
    for (const { fd } of this.#mounts.splice(0)) closeSync(fd);
  }
}

function statAt({ directory, name }: Place): FileStat {
  if (name === '') return directory.stat();
  const point = directory.pointOf(name);
  if (point?.mount !== undefined) return statFrom(fstatSync(point.mount.fd, { bigint: true }));
  if (point?.virtual !== undefined) return virtualStat(point.virtual.type, point.ino);
  const path = directory.entryPath(name);
  const stats = path === undefined ? undefined : lstatSync(path, { bigint: true, throwIfNoEntry: false });
  if (point !== undefined) return stats?.isDirectory() === true ? statFrom(stats) : standInStat(point);
  if (stats === undefined) throw new PosixError('ENOENT');
  return statFrom(stats);
}

const isPoint = (place: Place): boolean => place.directory.pointOf(place.name) !== undefined;

function isDirectory(path: string): boolean {
  const stats = lstatSync(path, { throwIfNoEntry: false });
  if (stats === undefined) throw new PosixError('ENOENT');
  return stats.isDirectory();
}

function mustBeWritable(directory: Directory): void {
  if (directory.mount.readonly) throw new PosixError('EROFS');
}

/** Path of an entry that is expected to exist. */
function existing(directory: Directory, name: string): string {
  const path = directory.entryPath(name);
  if (path === undefined) throw new PosixError('ENOENT');
  return path;
}

/** Path of an entry that is to be created. What exists is EEXIST even where nothing could be created (mkdir -p). */
function fresh(place: Place): string {
  if (place.name === '' || isPoint(place)) throw new PosixError('EEXIST');
  const path = place.directory.entryPath(place.name);
  if (path === undefined) throw new PosixError('EROFS');
  if (place.directory.mount.readonly) {
    throw new PosixError(lstatSync(path, { throwIfNoEntry: false }) === undefined ? 'EROFS' : 'EEXIST');
  }
  return path;
}

/** Why something that is no directory cannot be created under a name with a slash at its end. */
function trailingSlashFault(path: string): 'ENOENT' | 'ENOTDIR' | 'EEXIST' {
  const stats = lstatSync(path, { throwIfNoEntry: false });
  if (stats === undefined) return 'ENOENT';
  return stats.isDirectory() ? 'EEXIST' : 'ENOTDIR';
}
