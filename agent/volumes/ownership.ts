import { chmod, lchown, lstat, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import type { Pod } from '../kube/types.ts';

/** Linux: what lchown(2) takes for an id that is to stay. */
const KEEP = -1;

const READ_WRITE = 0o660;
const READ_ONLY = 0o440;
const EXECUTE = 0o110;
const SET_GID = 0o2000;

export interface OwnershipRequest {
  /** The volume's folder, in which no guest changes anything meanwhile. */
  readonly dir: string;
  readonly pod: Pod;
  /** Whether guests may only read it. */
  readonly readOnly: boolean;
  /** Whether fsGroupChangePolicy counts: only for volumes that outlive their pod. */
  readonly policy?: 'Always' | 'OnRootMismatch';
  readonly logger: Logger;
}

/**
 * Gives a volume to its pod's fsGroup, which then may read it, write to it where guests may, and owns what is created
 * in it (pkg/volume/volume_linux.go, VolumeOwnership). As there, what cannot be changed is logged and left.
 */
export async function setVolumeOwnership(request: OwnershipRequest): Promise<void> {
  const { dir, pod, readOnly, policy, logger } = request;
  const fsGroup = pod.spec?.securityContext?.fsGroup;
  if (fsGroup === undefined) return;
  const mask = readOnly ? READ_ONLY : READ_WRITE;
  if (policy === 'OnRootMismatch' && !(await rootDiffers(dir, fsGroup, mask))) return;
  await changeDeep(dir, async (path) => {
    try {
      await changeOne(path, fsGroup, mask);
    } catch (error) {
      logger.warn('a file of a volume cannot be given to its fsGroup', { path, fsGroup, error: messageOf(error) });
    }
  });
}

async function rootDiffers(dir: string, fsGroup: number, mask: number): Promise<boolean> {
  const { gid, mode } = await stat(dir);
  const wanted = mask | EXECUTE | SET_GID;
  return gid !== fsGroup || (mode & wanted) !== wanted;
}

/** Children before their folder, so that a walk that was broken off shows in the root. */
async function changeDeep(path: string, change: (path: string) => Promise<void>): Promise<void> {
  if ((await lstat(path)).isDirectory()) {
    for (const name of await readdir(path)) await changeDeep(join(path, name), change);
  }
  await change(path);
}

async function changeOne(path: string, fsGroup: number, mask: number): Promise<void> {
  await lchown(path, KEEP, fsGroup);
  const stats = await lstat(path);
  // A link has no mode of its own: chmod would change what it leads to.
  if (stats.isSymbolicLink()) return;
  await chmod(path, (stats.mode & 0o7777) | mask | (stats.isDirectory() ? EXECUTE | SET_GID : 0));
}

/**
 * The one user that all containers of a pod run as by its spec; undefined where there is none, or more than one
 * (pkg/volume/util, FsUserFrom).
 */
export function fsUserOf(pod: Pod): number | undefined {
  const { initContainers = [], containers = [], ephemeralContainers = [], securityContext } = pod.spec ?? {};
  const users = [...initContainers, ...containers, ...ephemeralContainers].map(
    (container) => container.securityContext?.runAsUser ?? securityContext?.runAsUser,
  );
  const [first] = users;
  return users.every((user) => user === first) ? first : undefined;
}

/** Whether this process may give files away. */
export const mayChown = (): boolean => process.geteuid?.() === 0;
