import { execFile } from 'node:child_process';
import { readdir, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const TIMEOUT_MS = 10_000;

/** Whether another file system begins at the folder; false where there is none. */
export async function isMountPoint(dir: string): Promise<boolean> {
  const [own, parent] = await Promise.all([dir, dirname(dir)].map((path) => stat(path).catch(() => undefined)));
  return own !== undefined && parent !== undefined && own.dev !== parent.dev;
}

/**
 * Mounts a tmpfs on an empty folder with mount(8), as the kubelet does (k8s.io/mount-utils).
 * @param sizeBytes what it holds at most; without it half of the machine's memory, the kernel's default
 * @throws Error without the right to mount
 */
export async function mountTmpfs(dir: string, sizeBytes: number | undefined): Promise<void> {
  if ((await readdir(dir)).length > 0) throw new Error(`${dir} is not empty: a mount would hide what it holds`);
  // Its root keeps the kernel's default mode of 1777, as the kubelet leaves it.
  const options = ['nosuid', 'nodev', ...(sizeBytes === undefined ? [] : [`size=${sizeBytes}`])];
  await run('mount', ['-t', 'tmpfs', '-o', options.join(','), 'tmpfs', dir], { timeout: TIMEOUT_MS });
}

/** Undoes mountTmpfs; nothing where nothing is mounted. @throws Error when the file system is in use */
export async function unmount(dir: string): Promise<void> {
  if (await isMountPoint(dir)) await run('umount', [dir], { timeout: TIMEOUT_MS });
}
