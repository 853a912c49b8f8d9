import { accessSync } from 'node:fs';
import { PosixError } from '../core/posix-error.ts';
import type { WasiIdentity } from '../wasi.ts';
import type { HeldFile } from './held-file.ts';

const WRITE = 2;
const EXECUTE = 1;
const ALL = 7;

/**
 * Whether the guest may read (4), write (2) and execute (1) a file. access(2) asks for the real ids; where the host
 * process has taken the guest's effective ids alone, the mode is judged here, as Linux does it (access control lists
 * apart). Execution always is: a confined host sees all files where nothing of them is executable by the machine.
 * @throws PosixError EINVAL, EACCES, EROFS; system errors
 */
export function checkAccess(file: HeldFile, wanted: number, identity: WasiIdentity): void {
  if ((wanted & ~ALL) !== 0) throw new PosixError('EINVAL');
  if ((wanted & WRITE) !== 0 && file.readonly) throw new PosixError('EROFS');
  if (file.path === undefined) return;
  const sameIds = process.getuid?.() === process.geteuid?.();
  if (sameIds) accessSync(file.path, wanted & ~EXECUTE);
  const judged = sameIds ? wanted & EXECUTE : wanted;
  if ((judged & ~allowed(file, identity)) !== 0) throw new PosixError('EACCES');
}

function allowed({ stats }: HeldFile, { uid, gid, groups }: WasiIdentity): number {
  const mode = Number(stats?.mode ?? 0n);
  if (uid === 0) return (mode & 0o111) !== 0 || stats?.isDirectory() === true ? ALL : ALL & ~EXECUTE;
  if (Number(stats?.uid) === uid) return (mode >> 6) & ALL;
  const group = Number(stats?.gid);
  return (group === gid || groups.includes(group) ? mode >> 3 : mode) & ALL;
}
