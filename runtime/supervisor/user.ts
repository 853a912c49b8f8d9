import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { WasmletError } from '../../base/errors.ts';
import { resolveGuestPath } from '../host/guest-paths.ts';
import type { LinuxContainerSecurityContext } from '../service.ts';

/** Who a guest runs as. */
export interface GuestIdentity {
  readonly uid: number;
  readonly gid: number;
  /** Supplementary groups, the guest's own first. */
  readonly groups: readonly number[];
}

/** What of /etc/passwd and /etc/group is read: an image may hold anything. */
const MAX_FILE_BYTES = 1024 * 1024;

interface User {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
}

/**
 * Finds out who a container runs as: what is asked for, explained and completed by the image's /etc/passwd and
 * /etc/group (containerd: oci.WithUser, WithAdditionalGIDs, and CRI's supplementary groups, policy Merge).
 * @param tree the image's file tree, which no guest changes; undefined: it has none
 * @throws WasmletError InvalidArgument for a name that the image does not know
 */
export function resolveIdentity(
  { runAsUser, runAsGroup, runAsUsername, supplementalGroups }: LinuxContainerSecurityContext,
  tree: string | undefined,
): GuestIdentity {
  const users = linesOf(tree, '/etc/passwd').flatMap(userOf);
  const byName = runAsUser === undefined && runAsUsername !== undefined && runAsUsername !== '';
  const uid = runAsUser ?? 0;
  const user = users.find((candidate) => (byName ? candidate.name === runAsUsername : candidate.uid === uid));
  if (byName && !user) {
    throw new WasmletError(
      'InvalidArgument',
      `unable to find user ${runAsUsername}: no matching entries in passwd file: set runAsUser to a number`,
    );
  }
  const gid = runAsGroup ?? user?.gid ?? 0;
  const groups = user === undefined ? [] : linesOf(tree, '/etc/group').flatMap((line) => groupOf(line, user.name));
  return { uid: user?.uid ?? uid, gid, groups: [...new Set([gid, ...groups, ...supplementalGroups])] };
}

/** `name:password:uid:gid:…`, see passwd(5). */
function userOf(line: string): User[] {
  const [name = '', , uid, gid] = line.split(':');
  const user = { name, uid: idOf(uid), gid: idOf(gid) };
  return name === '' || Number.isNaN(user.uid) || Number.isNaN(user.gid) ? [] : [user];
}

/** `name:password:gid:member,member`, see group(5): the gid, where the user is a member. */
function groupOf(line: string, user: string): number[] {
  const [, , gid, members = ''] = line.split(':');
  return members.split(',').includes(user) && !Number.isNaN(idOf(gid)) ? [idOf(gid)] : [];
}

const idOf = (text = ''): number => (/^\d{1,10}$/.test(text) ? Number(text) : NaN);

/** The lines of a file of the image, links in it followed as if the tree were the root; none where there is no file. */
function linesOf(tree: string | undefined, path: string): string[] {
  const host = tree === undefined ? undefined : resolveGuestPath({ root: tree, mounts: [] }, path);
  if (host === undefined) return [];
  // It never waits, whatever an image has in this place.
  const fd = openSync(host, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const stats = fstatSync(fd);
    if (!stats.isFile()) return [];
    const buffer = Buffer.alloc(Math.min(stats.size, MAX_FILE_BYTES));
    const text = buffer.toString('utf8', 0, readSync(fd, buffer));
    return text.split('\n').map((line) => line.trim());
  } finally {
    closeSync(fd);
  }
}
