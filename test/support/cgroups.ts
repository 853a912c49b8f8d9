/** What agents of tests leave below their cgroupRoot when they and their pods are killed. */
import { readdir, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { errnoOf } from '../../base/errors.ts';

const MOUNT = '/sys/fs/cgroup';
/** A group is busy until the kernel is done with a process that was killed. */
const ATTEMPTS = 50;
const PAUSE_MS = 20;

/** Removes a control group with all below it, in each hierarchy of version 1 or in the one of version 2. */
export async function removeControlGroups(root: string): Promise<void> {
  const hierarchies = await readdir(MOUNT, { withFileTypes: true }).catch(() => []);
  const folders = hierarchies.filter((entry) => entry.isDirectory()).map(({ name }) => join(MOUNT, name));
  for (const hierarchy of [MOUNT, ...folders]) await removeTree(join(hierarchy, root));
}

async function removeTree(path: string): Promise<void> {
  const entries = await readdir(path, { withFileTypes: true }).catch(() => undefined);
  if (!entries) return;
  for (const entry of entries) if (entry.isDirectory()) await removeTree(join(path, entry.name));
  for (let attempt = 1; ; attempt++) {
    try {
      await rmdir(path);
      return;
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return;
      if (errnoOf(error) !== 'EBUSY' || attempt === ATTEMPTS) throw error;
    }
    await delay(PAUSE_MS);
  }
}
