import { mkdir, readdir, readlink, rm, rmdir, stat, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { errnoOf, WasmletError } from './errors.ts';

/**
 * Who needs an image's file tree in its place. A container whose root is mounted over the tree leaves a link to its own
 * folder beside it, and whoever keeps the trees leaves those in use alone, whatever is asked of him:
 *
 *     <tree>.users/<container id> -> the container's folder
 *
 * A link that leads nowhere counts for nothing: so nothing has to be cleared away after a user that was killed.
 */

const SUFFIX = '.users';

const usersOf = (tree: string): string => `${tree}${SUFFIX}`;

/** The name of the tree that something in the folder of trees is, or is such a list of. */
export const treeOfEntry = (name: string): string => (name.endsWith(SUFFIX) ? name.slice(0, -SUFFIX.length) : name);

/** How often a list may be taken away, by another user that leaves, while an entry is made in it. */
const MAX_ATTEMPTS = 100;

/**
 * Notes a user of a tree. Idempotent.
 * @param id of the user, a file name
 * @param folder that is there for as long as the tree is in use
 * @throws system errors: ENOENT when the tree is not there
 */
export async function useTree(tree: string, id: string, folder: string): Promise<void> {
  for (let attempt = 1; !(await addUser(tree, id, folder)); attempt++) {
    if (attempt === MAX_ATTEMPTS) throw new WasmletError('Internal', `${usersOf(tree)} is removed again and again`);
  }
  // Only now: it may have been on its way out.
  await stat(tree);
}

/** @returns false when the list was taken away meanwhile */
async function addUser(tree: string, id: string, folder: string): Promise<boolean> {
  // Not what is above it, where a tree would be.
  await mkdir(usersOf(tree), { mode: 0o711 }).catch(unless('EEXIST'));
  try {
    await symlink(folder, join(usersOf(tree), id));
    return true;
  } catch (error) {
    if (errnoOf(error) === 'EEXIST') return true;
    if (errnoOf(error) === 'ENOENT') return false;
    throw error;
  }
}

const unless =
  (...codes: readonly string[]) =>
  (error: unknown): undefined => {
    if (!codes.includes(errnoOf(error) ?? '')) throw error;
  };

/** Takes back what useTree has noted. Idempotent. */
export async function leaveTree(tree: string, id: string): Promise<void> {
  await rm(join(usersOf(tree), id), { force: true });
  await removeList(tree);
}

/** Whether anyone uses a tree; forgets those that are gone. */
export async function isTreeUsed(tree: string): Promise<boolean> {
  for (const id of (await readdir(usersOf(tree)).catch(unless('ENOENT'))) ?? []) {
    const link = join(usersOf(tree), id);
    if (await leadsSomewhere(link)) return true;
    await rm(link, { force: true });
  }
  await removeList(tree);
  return false;
}

async function leadsSomewhere(link: string): Promise<boolean> {
  try {
    await stat(await readlink(link));
    return true;
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes(errnoOf(error) ?? '')) return false;
    throw error;
  }
}

async function removeList(tree: string): Promise<void> {
  await rmdir(usersOf(tree)).catch(unless('ENOTEMPTY', 'EEXIST', 'ENOENT'));
}
