import type { Directory, DirectoryEntry } from '../core/files/directory.ts';
import type { DescriptorTable } from '../core/descriptor-table.ts';
import type { RegularFile } from '../core/files/regular-file.ts';
import { PosixError } from '../core/posix-error.ts';
import type { Input, Output } from '../core/stdio.ts';
import type { GuestSocket } from '../sockets/socket.ts';

/** What a descriptor of the guest stands for, with Preview 1's rights to it. */
export interface Descriptor {
  readonly object: Directory | RegularFile | Input | Output | GuestSocket;
  rightsBase: number;
  rightsInheriting: number;
  /** `fdflags` */
  flags: number;
  /** The name that fd_prestat_dir_name tells, of a directory that was open from the start. */
  readonly preopen?: string;
  /** Whether it is a socket that was there from the start. */
  readonly declared?: boolean;
  /** What fd_readdir goes through: the entries as they were when it last began at cookie 0. */
  listing?: readonly DirectoryEntry[];
  /** Further numbers in the table that stand for it too (dup). */
  duplicates?: number;
}

/** @throws PosixError ENOTCAPABLE unless the descriptor has all of the rights */
export function requireRights(descriptor: Descriptor, rights: number): void {
  if ((descriptor.rightsBase & rights) !== rights) throw new PosixError('ENOTCAPABLE');
}

/**
 * As `requireRights` for FD_READ and FD_WRITE: a descriptor without them is one that was not opened for it, which is
 * EBADF (read(2), write(2)), as programs and wasmtime have it.
 * @throws PosixError EBADF
 */
export function requireOpenedFor(descriptor: Descriptor, right: number): void {
  if ((descriptor.rightsBase & right) === 0) throw new PosixError('EBADF');
}

/** @throws PosixError ENOTDIR, ENOTCAPABLE */
export function directoryOf(descriptor: Descriptor, rights: number): Directory {
  const { object } = descriptor;
  if (object.kind !== 'directory') throw new PosixError('ENOTDIR');
  requireRights(descriptor, rights);
  return object;
}

/** @throws PosixError EBADF (a directory), ESPIPE (a stream or socket has no position), ENOTCAPABLE */
export function fileOf(descriptor: Descriptor, rights: number): RegularFile {
  const { object } = descriptor;
  if (object.kind === 'directory') throw new PosixError('EBADF');
  if (object.kind !== 'file') throw new PosixError('ESPIPE');
  requireRights(descriptor, rights);
  return object;
}

/** Gives an open descriptor a further number. @throws PosixError EBADF, EMFILE */
export function duplicate(descriptors: DescriptorTable<Descriptor>, fd: number): number {
  const descriptor = descriptors.get(fd);
  const copy = descriptors.insert(descriptor);
  descriptor.duplicates = (descriptor.duplicates ?? 0) + 1;
  return copy;
}

/** Gives back what the descriptor holds once its last number is closed; standard streams belong to the context. */
export function closeDescriptor(descriptor: Descriptor): void {
  const { object, duplicates = 0 } = descriptor;
  if (duplicates > 0) descriptor.duplicates = duplicates - 1;
  else object.close?.();
}
