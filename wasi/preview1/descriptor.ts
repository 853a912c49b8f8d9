import type { Directory, DirectoryEntry } from '../core/files/directory.ts';
import type { OpenFile } from '../core/files/open-file.ts';
import { PosixError } from '../core/posix-error.ts';
import type { InputStream, OutputStream } from '../core/stdio.ts';

/** What a descriptor of the guest stands for, with Preview 1's rights to it. */
export interface Descriptor {
  readonly object: Directory | OpenFile | InputStream | OutputStream;
  rightsBase: number;
  rightsInheriting: number;
  /** `fdflags` */
  flags: number;
  /** The name that fd_prestat_dir_name tells, of a directory that was open from the start. */
  readonly preopen?: string;
  /** What fd_readdir goes through: the entries as they were when it last began at cookie 0. */
  listing?: readonly DirectoryEntry[];
}

/** @throws PosixError ENOTCAPABLE unless the descriptor has all of the rights */
export function requireRights(descriptor: Descriptor, rights: number): void {
  if ((descriptor.rightsBase & rights) !== rights) throw new PosixError('ENOTCAPABLE');
}

/** @throws PosixError ENOTDIR, ENOTCAPABLE */
export function directoryOf(descriptor: Descriptor, rights: number): Directory {
  const { object } = descriptor;
  if (object.kind !== 'directory') throw new PosixError('ENOTDIR');
  requireRights(descriptor, rights);
  return object;
}

/** @throws PosixError EISDIR, ESPIPE (standard input or output has no position), ENOTCAPABLE */
export function fileOf(descriptor: Descriptor, rights: number): OpenFile {
  const { object } = descriptor;
  if (object.kind === 'directory') throw new PosixError('EISDIR');
  if (object.kind !== 'file') throw new PosixError('ESPIPE');
  requireRights(descriptor, rights);
  return object;
}

/** Gives back what the descriptor holds; standard streams belong to the context. */
export function closeDescriptor({ object }: Descriptor): void {
  if (object.kind === 'file' || object.kind === 'directory') object.close();
}
