import { closeSync, constants, fstatSync, openSync, statSync, type BigIntStats } from 'node:fs';
import { errnoOf } from '../../base/errors.ts';
import { O_PATH } from '../../base/open-within.ts';
import type { Directory } from '../core/files/directory.ts';
import type { FileType } from '../core/files/stat.ts';
import type { Place } from '../core/files/walk.ts';
import { PosixError } from '../core/posix-error.ts';

/** A file, whatever it is, that is held while it is looked at or changed: no name can be swapped meanwhile. */
export interface HeldFile {
  /** Leads to this very file. Undefined: a directory that exists only because a mount lies beneath. */
  readonly path: string | undefined;
  readonly stats: BigIntStats | undefined;
  /** Whether the mount it is on takes no changes. */
  readonly readonly: boolean;
  /** Set where the runtime makes the file up; it has no stats. */
  readonly virtual?: FileType;
  /** A path on the same file system. */
  readonly fileSystem: string;
}

const statsOf = (path: string): BigIntStats => statSync(path, { bigint: true });

/** What stands at a place, a symbolic link itself included. @throws PosixError ENOENT, ENOTDIR; system errors */
export function hold<T>(place: Place, use: (file: HeldFile) => T): T {
  const { directory, name, mustBeDirectory } = place;
  if (name === '') return use(heldDirectory(directory));
  const point = directory.pointOf(name);
  if (point?.mount !== undefined) {
    const path = `/proc/self/fd/${point.mount.fd}`;
    return use(checked({ path, stats: statsOf(path), readonly: point.mount.readonly, fileSystem: path }, place));
  }
  if (point?.virtual !== undefined) {
    if (mustBeDirectory) throw new PosixError('ENOTDIR');
    return use(virtualFile(point.virtual.type));
  }
  const fd = openEntry(directory, name);
  if (fd === undefined) {
    if (point === undefined) throw new PosixError('ENOENT');
    return use(standIn(directory));
  }
  try {
    const stats = fstatSync(fd, { bigint: true });
    if (point !== undefined && !stats.isDirectory()) return use(standIn(directory));
    const path = `/proc/self/fd/${fd}`;
    const held = { path, stats, readonly: directory.mount.readonly, fileSystem: path };
    if (mustBeDirectory) checked(held, place);
    return use(held);
  } finally {
    closeSync(fd);
  }
}

/** Undefined when there is no such entry. */
function openEntry(directory: Directory, name: string): number | undefined {
  const path = directory.entryPath(name);
  if (path === undefined) return undefined;
  try {
    return openSync(path, O_PATH | constants.O_NOFOLLOW);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

export function heldDirectory(directory: Directory): HeldFile {
  const path = directory.hostPath;
  if (path === undefined) return standIn(directory);
  return { path, stats: statsOf(path), readonly: directory.mount.readonly, fileSystem: path };
}

const standIn = ({ mount }: Directory): HeldFile => ({
  path: undefined,
  stats: undefined,
  readonly: true,
  fileSystem: `/proc/self/fd/${mount.fd}`,
});

/** A device may be written to, but nothing changes its attributes. */
export const virtualFile = (type: FileType): HeldFile => ({
  path: undefined,
  stats: undefined,
  readonly: type !== 'character',
  virtual: type,
  fileSystem: '/proc/self',
});

function checked(file: HeldFile, { mustBeDirectory }: Place): HeldFile {
  if (mustBeDirectory && file.stats?.isDirectory() !== true) throw new PosixError('ENOTDIR');
  return file;
}
