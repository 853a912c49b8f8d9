import { chmod, mkdir, rm, stat } from 'node:fs/promises';
import { ignoreMissing, messageOf } from '../../base/errors.ts';
import { parseBytes } from '../config/quantity.ts';
import type { Pod, Volume } from '../kube/types.ts';
import { setVolumeOwnership } from './ownership.ts';
import { isMountPoint, mountTmpfs, unmount } from './tmpfs.ts';
import type { SetUpRequest, VolumeType } from './volume.ts';

/** The kubelet's mode for emptyDir: any user of the pod may write. */
const EMPTY_DIR_MODE = 0o777;

/**
 * emptyDir: a folder that lives as long as the pod. Medium Memory is a tmpfs where the agent may mount one; elsewhere it
 * is a plain folder, and that its content reaches the disk is logged.
 */
export function emptyDirVolume(): VolumeType {
  return {
    field: 'emptyDir',
    pluginName: 'kubernetes.io/empty-dir',
    readOnly: false,
    isSetUp: isFolder,
    async setUp(request) {
      const { pod, logger } = request;
      const isNew = !(await isFolder(request.dir));
      await setUpFolder(request.dir);
      // Also when the folder is an old one: a tmpfs is gone after the machine has started anew.
      const isMounted = request.volume.emptyDir?.medium === 'Memory' && (await setUpMemory(request, isNew));
      // Once: later it may hold what guests are changing.
      if (isNew || isMounted) await setVolumeOwnership({ dir: request.dir, pod, readOnly: false, logger });
    },
    async tearDown(dir) {
      await unmount(dir);
      await rm(dir, { recursive: true, force: true });
    },
  };
}

/** @returns whether a tmpfs was mounted now */
async function setUpMemory({ pod, volume, dir, logger }: SetUpRequest, isNew: boolean): Promise<boolean> {
  if (await isMountPoint(dir)) return false;
  try {
    await mountTmpfs(dir, memorySize(pod, volume));
    return true;
  } catch (error) {
    if (isNew) {
      logger.info('emptyDir with medium Memory is kept on disk: no tmpfs could be mounted', {
        namespace: pod.metadata?.namespace,
        pod: pod.metadata?.name,
        volume: volume.name,
        error: messageOf(error),
      });
    }
    return false;
  }
}

/** The least of the volume's limit and what the pod's containers may have together, where each has a limit (KEP-1967). */
function memorySize(pod: Pod, { emptyDir }: Volume): number | undefined {
  const limits = (pod.spec?.containers ?? []).map(({ resources }) => resources?.limits?.['memory']);
  const podLimit = limits.every((limit) => limit !== undefined)
    ? limits.reduce((total, limit) => total + parseBytes(limit), 0)
    : Infinity;
  const sizeLimit = emptyDir?.sizeLimit === undefined ? Infinity : parseBytes(emptyDir.sizeLimit) || Infinity;
  const size = Math.min(podLimit, sizeLimit);
  return Number.isFinite(size) ? size : undefined;
}

/** Makes the folder of a volume, open to every user whatever the process' umask is. */
export async function setUpFolder(dir: string): Promise<void> {
  await mkdir(dir, { recursive: true });
  const { mode } = await stat(dir);
  if ((mode & 0o777) !== EMPTY_DIR_MODE) await chmod(dir, EMPTY_DIR_MODE);
}

const isFolder = async (path: string): Promise<boolean> =>
  (await stat(path).catch(ignoreMissing))?.isDirectory() ?? false;
