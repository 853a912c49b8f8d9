import { chmod, mkdir, rm, stat } from 'node:fs/promises';
import { errnoOf } from '../../base/errors.ts';
import { setVolumeOwnership } from './ownership.ts';
import type { VolumeType } from './volume.ts';

/** The kubelet's mode for emptyDir: any user of the pod may write. */
const EMPTY_DIR_MODE = 0o777;

/**
 * emptyDir: a folder that lives as long as the pod. Medium Memory is a plain folder too: a tmpfs needs the right to
 * mount, and a guest can only tell by its file system's type; that its content reaches the disk is logged.
 */
export function emptyDirVolume(): VolumeType {
  return {
    field: 'emptyDir',
    pluginName: 'kubernetes.io/empty-dir',
    readOnly: false,
    isSetUp: isFolder,
    async setUp({ pod, volume, dir, logger }) {
      const isNew = !(await isFolder(dir));
      await setUpFolder(dir);
      // Once: later it may hold what guests are changing.
      if (isNew) await setVolumeOwnership({ dir, pod, readOnly: false, logger });
      if (isNew && volume.emptyDir?.medium === 'Memory') {
        logger.info('emptyDir with medium Memory is kept on disk: this node mounts no tmpfs', {
          namespace: pod.metadata?.namespace,
          pod: pod.metadata?.name,
          volume: volume.name,
        });
      }
    },
    async tearDown(dir) {
      await rm(dir, { recursive: true, force: true });
    },
  };
}

/** Makes the folder of a volume, open to every user whatever the process' umask is. */
export async function setUpFolder(dir: string): Promise<void> {
  await mkdir(dir, { recursive: true });
  const { mode } = await stat(dir);
  if ((mode & 0o777) !== EMPTY_DIR_MODE) await chmod(dir, EMPTY_DIR_MODE);
}

async function isFolder(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return false;
    throw error;
  }
}
