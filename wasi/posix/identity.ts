import { PosixError } from '../core/posix-error.ts';
import { plain, type Preview1Functions } from '../preview1/function.ts';
import type { Preview1State } from '../preview1/state.ts';
import type { WasiIdentity } from '../wasi.ts';

const ROOT: WasiIdentity = { uid: 0, gid: 0, groups: [] };
const IDS_SIZE = 16;
/** A container's first program. */
const FIRST_PID = 1;

export const identityOf = ({ context }: Preview1State): WasiIdentity => context.identity ?? ROOT;

export const pidOf = ({ context }: Preview1State): number => context.pid ?? FIRST_PID;

/** Who and where the guest is. */
export function identityFunctions(state: Preview1State): Preview1Functions {
  const { memory, context } = state;
  const hostname = Buffer.from(context.hostname ?? '');
  return {
    /** getuid(2), geteuid(2), getgid(2), getegid(2). */
    ids_get: plain((out: number) => {
      memory.check(out, IDS_SIZE);
      const { uid, gid } = identityOf(state);
      for (const [index, id] of [uid, uid, gid, gid].entries()) memory.setU32((out >>> 0) + index * 4, id);
    }),
    /** getgroups(2). */
    groups_get: plain((out: number, capacity: number, countOut: number) => {
      const { groups } = identityOf(state);
      memory.check(countOut, 4);
      if (capacity !== 0) {
        if (capacity >>> 0 < groups.length) throw new PosixError('EINVAL');
        memory.check(out, groups.length * 4);
        for (const [index, group] of groups.entries()) memory.setU32((out >>> 0) + index * 4, group);
      }
      memory.setU32(countOut, groups.length);
    }),
    /** gethostname(2). */
    hostname_get: plain((out: number, size: number, lengthOut: number) => {
      memory.check(out, size);
      memory.setU32(lengthOut, hostname.length);
      if (size >>> 0 < hostname.length) throw new PosixError('ENAMETOOLONG');
      memory.setBytes(out, hostname);
    }),
    /** getpid(2). */
    proc_id: plain((out: number) => memory.setU32(out, pidOf(state))),
    /** getppid(2). */
    proc_parent: plain((pid: number, out: number) => {
      if (pid !== pidOf(state) && pid !== 0) throw new PosixError('ESRCH');
      memory.setU32(out, context.parentPid ?? 0);
    }),
  };
}
