import { mkdir, rm, rmdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { errnoOf, messageOf, WasmletError } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import type { KubeClient } from '../kube/client.ts';
import type { ObjectCache } from '../kube/objects.ts';
import type { Pod, Volume } from '../kube/types.ts';
import { configMapVolume } from './config-map.ts';
import { makeContainerMounts, type MountedVolume } from './container-mounts.ts';
import { downwardAPIVolume } from './downward-api.ts';
import { emptyDirVolume } from './empty-dir.ts';
import { hostPathVolume } from './host-path.ts';
import type { VolumeManager } from './manager.ts';
import { escapePluginName, listFolder, listPodsWithVolumes, podPaths, volumeDir, type PodPaths } from './paths.ts';
import { projectedVolume } from './projected.ts';
import { secretVolume } from './secret.ts';
import { createTokenManager } from './service-account-token.ts';
import { supportedVolumeTypes, volumeTypeOf, whyUnsupported } from './supported.ts';
import type { VolumeType } from './volume.ts';

export { supportedVolumeTypes, volumeTypeOf, whyUnsupported };

export interface VolumeManagerOptions {
  /** The agent's state; volumes are below `<rootDir>/pods/<namespace>/<uid>`. */
  readonly rootDir: string;
  /** For service account tokens. */
  readonly client: Pick<KubeClient, 'create'>;
  readonly objects: ObjectCache;
  readonly node: {
    /** Quantities as in the Node's status, which limits in the downward API default to. */
    allocatable(): Readonly<Record<string, string>>;
  };
  readonly logger: Logger;
  /**
   * Told of a volume in use that could not be brought up to date, in the kubelet's words for a FailedMount event. The
   * pod keeps the content that it has, as under the kubelet.
   */
  readonly onRefreshFailed?: (pod: Pod, message: string) => void;
}

/**
 * The volumes of this node's pods. Calls for one pod come one after the other (from its worker); those for different
 * pods may run side by side.
 */
export function createVolumeManager(options: VolumeManagerOptions): VolumeManager {
  const types = volumeTypes(options);
  const byField = new Map(types.map((type) => [type.field, type]));
  const byFolder = new Map(types.map((type) => [escapePluginName(type.pluginName), type]));

  const mountedVolume = (paths: PodPaths, volume: Volume): MountedVolume => {
    const refusal = whyUnsupported(volume);
    const type = byField.get(volumeTypeOf(volume));
    if (refusal !== undefined || !type) throw new WasmletError('FailedPrecondition', refusal ?? volume.name);
    return { type, dir: type.dirOf?.(volume) ?? volumeDir(paths, type.pluginName, volume.name) };
  };

  const pathsOf = (pod: Pod): PodPaths =>
    podPaths(options.rootDir, pod.metadata?.namespace ?? 'default', pod.metadata?.uid ?? '');

  /** Gives the failure back instead of throwing it, so that the other volumes are set up all the same. */
  const setUp = async (pod: Pod, volume: Volume, signal: AbortSignal): Promise<WasmletError | undefined> => {
    let inUse = false;
    try {
      signal.throwIfAborted();
      const { type, dir } = mountedVolume(pathsOf(pod), volume);
      inUse = await type.isSetUp(dir);
      if (!type.dirOf) await mkdir(dirname(dir), { recursive: true, mode: 0o750 });
      await type.setUp({ pod, volume, dir, signal, logger: options.logger });
      return undefined;
    } catch (cause) {
      if (signal.aborted)
        return new WasmletError('Cancelled', `mounting volume "${volume.name}" was given up`, { cause });
      const failure = mountFailure(volume, cause);
      if (!inUse) return failure;
      options.logger.warn('a volume in use could not be brought up to date', {
        namespace: pod.metadata?.namespace,
        pod: pod.metadata?.name,
        error: failure.message,
      });
      options.onRefreshFailed?.(pod, failure.message);
      return undefined;
    }
  };

  return {
    async mountPod(pod, signal) {
      const volumes = pod.spec?.volumes ?? [];
      const failures = await Promise.all(volumes.map((volume) => setUp(pod, volume, signal)));
      throwFailures(failures.filter((failure) => failure !== undefined));
    },

    async containerMounts(pod, container, env) {
      const paths = pathsOf(pod);
      const volumes = new Map((pod.spec?.volumes ?? []).map((volume) => [volume.name, mountedVolume(paths, volume)]));
      const { logger } = options;
      return makeContainerMounts({ container, env, volumes, subPathsDir: paths.subPathsDir, logger });
    },

    async unmountPod(podUid, namespace) {
      const paths = podPaths(options.rootDir, namespace, podUid);
      await rm(paths.subPathsDir, { recursive: true, force: true });
      for (const folder of await listFolder(paths.volumesDir)) {
        for (const name of await listFolder(join(paths.volumesDir, folder))) {
          await byFolder.get(folder)?.tearDown(join(paths.volumesDir, folder, name), podUid);
        }
      }
      // What is left is empty folders, or a volume of a type that only another release knows.
      await rm(paths.volumesDir, { recursive: true, force: true });
      await removeIfEmpty(paths.podDir);
      await removeIfEmpty(dirname(paths.podDir));
    },

    listPodsOnDisk: () => listPodsWithVolumes(options.rootDir),
  };
}

function volumeTypes({ client, objects, node, logger }: VolumeManagerOptions): readonly VolumeType[] {
  const allocatable = () => node.allocatable();
  const tokens = createTokenManager(client, logger);
  return [
    emptyDirVolume(),
    hostPathVolume(),
    configMapVolume(objects),
    secretVolume(objects),
    downwardAPIVolume(allocatable),
    projectedVolume({ objects, tokens, allocatable }),
  ];
}

/** The kubelet's text of a FailedMount event (volume/util/operationexecutor, GenerateError). */
function mountFailure(volume: Volume, cause: unknown): WasmletError {
  const code = cause instanceof WasmletError ? cause.code : 'Internal';
  return new WasmletError(code, `MountVolume.SetUp failed for volume "${volume.name}" : ${messageOf(cause)}`, {
    cause,
  });
}

/** One failure as it is; of several one error that tells of each. */
function throwFailures(failures: readonly WasmletError[]): void {
  const first = failures.find(({ code }) => code === 'Cancelled') ?? failures[0];
  if (!first) return;
  if (first.code === 'Cancelled' || failures.length === 1) throw first;
  throw new WasmletError(first.code, failures.map(messageOf).join('; '), { cause: new AggregateError(failures) });
}

/** A pod's folder is shared with other rooms of the agent and the runtime: whoever is last removes it. */
async function removeIfEmpty(dir: string): Promise<void> {
  try {
    await rmdir(dir);
  } catch (error) {
    if (!['ENOENT', 'ENOTEMPTY', 'EEXIST'].includes(errnoOf(error) ?? '')) throw error;
  }
}
