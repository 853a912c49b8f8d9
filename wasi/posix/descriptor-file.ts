import { statSync } from 'node:fs';
import { PosixError } from '../core/posix-error.ts';
import type { Descriptor } from '../preview1/descriptor.ts';
import { heldDirectory, virtualFile, type HeldFile } from './held-file.ts';

/** The file or directory that a descriptor has open. @throws PosixError ENOTSUP for streams, pipes and the like */
export function heldBy({ object }: Descriptor): HeldFile {
  if (object.kind === 'directory') return heldDirectory(object);
  if (object.kind !== 'file') throw new PosixError('ENOTSUP');
  const path = object.hostPath;
  if (path === undefined) return virtualFile(object.stat().type);
  return { path, stats: statSync(path, { bigint: true }), readonly: object.readonly, fileSystem: path };
}
