import { mkdir, open, stat } from 'node:fs/promises';
import type { Stats } from 'node:fs';
import { ignoreMissing, WasmletError } from '../../base/errors.ts';
import type { VolumeType } from './volume.ts';

const FOLDER_MODE = 0o755;
const FILE_MODE = 0o644;

/** What each type asks for, and in the kubelet's words what the path then is not. */
const CHECKS: Readonly<Record<string, readonly [is: (stats: Stats) => boolean, what: string]>> = {
  Directory: [(stats) => stats.isDirectory(), 'a directory'],
  File: [(stats) => stats.isFile(), 'a file'],
};

/** Types whose content no guest can open: WASI has no devices, and sockets are not reached by path. */
export const HOST_PATH_TYPES_WITHOUT_USE: readonly string[] = ['Socket', 'CharDevice', 'BlockDevice'];

/**
 * hostPath: a folder or file of the node itself (pkg/volume/hostpath). As under a kubelet it is not restricted here: who
 * may create pods with it is decided by the cluster (Pod Security admission). Nothing of it is removed with the pod.
 */
export function hostPathVolume(): VolumeType {
  return {
    field: 'hostPath',
    pluginName: 'kubernetes.io/host-path',
    readOnly: false,
    dirOf: ({ hostPath }) => hostPath?.path ?? '',
    // What the path is may have changed: it is looked at each time.
    isSetUp: () => Promise.resolve(false),
    setUp: async ({ volume: { hostPath } }) => check(hostPath?.path ?? '', hostPath?.type ?? ''),
    tearDown: () => Promise.resolve(),
  };
}

async function check(path: string, type: string): Promise<void> {
  if (path.split('/').includes('..')) {
    throw new WasmletError('InvalidArgument', `invalid HostPath \`${path}\`: must not contain '..'`);
  }
  // Links are followed: the path is the node's.
  const stats = await stat(path).catch(ignoreMissing);
  if (stats === undefined && (type === '' || type === 'DirectoryOrCreate')) {
    // Without a type the kubelet leaves it to the container runtime, which does the same.
    await mkdir(path, { recursive: true, mode: FOLDER_MODE });
    return;
  }
  if (stats === undefined && type === 'FileOrCreate') {
    await (await open(path, 'a', FILE_MODE)).close();
    return;
  }
  const wanted = CHECKS[type.replace('OrCreate', '')];
  if (wanted === undefined) return;
  const [is, what] = wanted;
  if (stats !== undefined && is(stats)) return;
  throw new WasmletError('FailedPrecondition', `hostPath type check failed: ${path} is not ${what}`);
}
