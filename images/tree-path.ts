import { lstat, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import { errnoOf } from '../base/errors.ts';

const MAX_SYMLINKS = 40;

/**
 * The host path of a file in an unpacked tree, its symlinks followed as if the tree were the root, so that no image can
 * name a file of the node. Whoever opens a path of an image by name (the entrypoint's module) goes through this.
 * @param tree Image.tree
 * @param path in the image, absolute or relative to its root
 * @returns undefined where there is no such file
 */
export async function resolveInTree(tree: string, path: string): Promise<string | undefined> {
  let current: string[] = [];
  const pending = path.split('/').reverse();
  let links = 0;
  for (let name = pending.pop(); name !== undefined; name = pending.pop()) {
    if (name === '' || name === '.') continue;
    if (name === '..') {
      current.pop();
      continue;
    }
    const host = join(tree, ...current, name);
    const target = await linkTarget(host);
    if (target === undefined) return undefined;
    if (target === null) {
      current.push(name);
      continue;
    }
    if (++links > MAX_SYMLINKS) return undefined;
    if (target.startsWith('/')) current = [];
    pending.push(...target.split('/').reverse());
  }
  return join(tree, ...current);
}

/** A symlink's target, null for what is no symlink, undefined for what is not there. */
async function linkTarget(path: string): Promise<string | null | undefined> {
  try {
    return (await lstat(path)).isSymbolicLink() ? await readlink(path) : null;
  } catch (error) {
    if (['ENOENT', 'ENOTDIR', 'ENAMETOOLONG'].includes(errnoOf(error) ?? '')) return undefined;
    throw error;
  }
}
