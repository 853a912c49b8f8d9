import type { WasiIdentity } from '../../wasi/wasi.ts';

/** Whose effective ids this process has taken; undefined: none but its own. */
let taken: WasiIdentity | undefined;

/**
 * Gives the process the guest's effective ids, so that it is the kernel that decides what the guest may do with files:
 * it owns what it creates, and may do with the rest what its user may. The real ids stay, for `asHost`. A process that
 * is not root has no other identity to take: the guest is told who it should be, and is who the node is.
 * @throws system errors: root without the right to change its ids
 */
export function takeIdentity(identity: WasiIdentity): void {
  if (process.getuid?.() !== 0) return;
  if (identity.uid === 0 && identity.gid === 0 && identity.groups.every((group) => group === 0)) return;
  process.setgroups?.([...identity.groups]);
  process.setegid?.(identity.gid);
  process.seteuid?.(identity.uid);
  taken = identity;
}

/** Runs what is the host's own affair and not the guest's, such as writing records, with the host's own rights. */
export function asHost<T>(body: () => T): T {
  const identity = taken;
  if (identity === undefined) return body();
  process.seteuid?.(0);
  process.setegid?.(0);
  taken = undefined;
  try {
    return body();
  } finally {
    taken = identity;
    process.setegid?.(identity.gid);
    process.seteuid?.(identity.uid);
  }
}
