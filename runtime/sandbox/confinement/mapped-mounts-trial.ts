import { closeSync, mkdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { areOwnersMappable, mountLayers } from '../linux/mounts.ts';
import { usersOf } from '../linux/users.ts';
import type { UserNamespace } from '../linux/users.ts';

/**
 * Finds out, by doing it, whether a host with users of its own can be shown files as theirs: a folder, and an overlay
 * mount that is written to.
 * @param pid of a host, with mounts and users of its own
 * @param folder the trial's own, on the file system in question; nothing is left there
 * @returns the host's users, which is for the caller to dispose of
 * @throws Error with what fails
 */
export function tryMappedMounts(pid: number, folder: string): UserNamespace {
  const users = usersOf(pid);
  if (!users) throw new Error('a host has no users of its own');
  try {
    rmSync(folder, { recursive: true, force: true });
    tryOut(pid, users, folder);
    return users;
  } catch (error) {
    users[Symbol.dispose]();
    throw error;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function tryOut(pid: number, users: UserNamespace, folder: string): void {
  const [lower, upper, work] = ['lower', 'upper', 'work'].map((name) => join(folder, name)) as [string, string, string];
  for (const path of [join(lower, 'first'), upper, work]) mkdirSync(path, { recursive: true });
  if (!areOwnersMappable(folder, users)) throw new Error('the file system does not map owners');
  const mount = mountLayers({ pid, users }, { lower, upper, work }, false);
  try {
    const root = `/proc/self/fd/${mount}`;
    const { uid } = statSync(root);
    if (uid !== users.range.first) throw new Error(`a file of user 0 is shown as one of ${uid}`);
    renameSync(join(root, 'first'), join(root, 'second'));
    const owner = statSync(join(upper, 'second')).uid;
    if (owner !== process.geteuid?.()) throw new Error(`a file of user 0 is written as one of ${owner}`);
  } finally {
    closeSync(mount);
  }
}
