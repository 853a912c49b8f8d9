import { closeSync } from 'node:fs';
import { mkdir, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf } from '../../base/errors.ts';
import { mountOverlay } from '../sandbox/linux/overlay.ts';

/**
 * Finds out whether containers' roots can be overlay mounts: by making one, and doing there what not every file system
 * can be the upper layer for.
 * @param folder on the file system that containers' files are on; the trial leaves nothing in it
 * @returns why they cannot; undefined: they can
 */
export async function missingOverlay(folder: string): Promise<string | undefined> {
  const trial = join(folder, 'overlay-trial');
  try {
    await rm(trial, { recursive: true, force: true });
    try {
      await tryOut(trial);
      return undefined;
    } finally {
      await rm(trial, { recursive: true, force: true });
    }
  } catch (error) {
    return messageOf(error);
  }
}

/** @throws Error with what fails */
async function tryOut(trial: string): Promise<void> {
  const [lower, upper, work] = [join(trial, 'lower'), join(trial, 'upper'), join(trial, 'work')];
  for (const path of [join(lower, 'folder'), join(lower, 'gone'), upper, work]) await mkdir(path, { recursive: true });
  await writeFile(join(lower, 'folder', 'file'), 'text');
  const mount = mountOverlay({ lower, upper, work }, 0);
  try {
    const root = `/proc/self/fd/${mount}`;
    // It needs extended attributes, and a device file in the place of what is deleted.
    await rename(join(root, 'folder'), join(root, 'renamed'));
    await rm(join(root, 'gone'), { recursive: true });
    const found = [...(await readdir(root)), ...(await readdir(join(root, 'renamed')))].join();
    if (found !== 'renamed,file') throw new Error(`an overlay mount shows ${found} in the place of renamed,file`);
  } finally {
    closeSync(mount);
  }
}
