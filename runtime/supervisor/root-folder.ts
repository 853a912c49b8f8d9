import { constants } from 'node:fs';
import { cp, lchown, lstat, mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';

/**
 * Makes a container's root folder: a copy of its image's tree, modes and owners included, or empty.
 * @param tree undefined: the image has none
 */
export async function makeRootFolder(root: string, tree: string | undefined): Promise<void> {
  if (tree === undefined) {
    await mkdir(root, { mode: 0o755 });
    return;
  }
  await cp(tree, root, { recursive: true, verbatimSymlinks: true, mode: constants.COPYFILE_FICLONE });
  // Others than root cannot have unpacked what belongs to someone else.
  if (process.geteuid?.() === 0) await copyOwners(tree, root);
}

/** cp gives everything to whoever copies. */
async function copyOwners(source: string, target: string): Promise<void> {
  const stats = await lstat(source);
  if (stats.uid !== 0 || stats.gid !== 0) await lchown(target, stats.uid, stats.gid);
  if (!stats.isDirectory()) return;
  for (const name of await readdir(source)) await copyOwners(join(source, name), join(target, name));
}
