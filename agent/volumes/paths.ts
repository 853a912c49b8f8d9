import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { errnoOf, WasmletError } from '../../base/errors.ts';

/** Where the volumes of pods are, below `<rootDir>/pods/<namespace>/<uid>`, with the kubelet's names beneath that. */
export interface PodPaths {
  /** All of the pod: other rooms keep their parts here too. */
  readonly podDir: string;
  readonly volumesDir: string;
  /** What containers that mount a subPath were given, as the kubelet's folder of this name. */
  readonly subPathsDir: string;
}

/** @throws WasmletError InvalidArgument when the namespace or uid is no plain name, and so could leave the folder */
export function podPaths(rootDir: string, namespace: string, uid: string): PodPaths {
  const podDir = join(rootDir, 'pods', pathSegment('namespace', namespace), pathSegment('uid', uid));
  return { podDir, volumesDir: join(podDir, 'volumes'), subPathsDir: join(podDir, 'volume-subpaths') };
}

/** `<volumesDir>/kubernetes.io~configmap/<name>`, as the kubelet escapes plugin names. */
export function volumeDir(paths: PodPaths, pluginName: string, volumeName: string): string {
  return join(paths.volumesDir, escapePluginName(pluginName), pathSegment('volume name', volumeName));
}

export const escapePluginName = (pluginName: string): string => pluginName.replaceAll('/', '~');

/** Pods that have a volumes folder. */
export async function listPodsWithVolumes(rootDir: string): Promise<{ namespace: string; uid: string }[]> {
  const pods: { namespace: string; uid: string }[] = [];
  const podsDir = join(rootDir, 'pods');
  for (const namespace of await listFolder(podsDir)) {
    for (const uid of await listFolder(join(podsDir, namespace))) {
      const names = await listFolder(join(podsDir, namespace, uid));
      if (names.includes('volumes') || names.includes('volume-subpaths')) pods.push({ namespace, uid });
    }
  }
  return pods;
}

/** Names in a folder, sorted; none when there is no such folder. */
export async function listFolder(path: string): Promise<string[]> {
  try {
    return (await readdir(path)).sort();
  } catch (error) {
    const code = errnoOf(error);
    if (code === 'ENOENT' || code === 'ENOTDIR') return [];
    throw error;
  }
}

/** The API server has validated these names; a check that costs nothing keeps a path inside all the same. */
function pathSegment(what: string, value: string): string {
  if (value === '' || value === '.' || value === '..' || /[/\0]/.test(value)) {
    throw new WasmletError('InvalidArgument', `${what} ${JSON.stringify(value)} cannot be part of a path`);
  }
  return value;
}
