import { join } from 'node:path';
import { diskUsage } from '../../../base/disk-usage.ts';
import type { RuntimeService } from '../../../runtime/service.ts';
import type { Config } from '../../config/schema.ts';
import type { Pod, Volume } from '../../kube/types.ts';
import { podPaths, volumeDir } from '../../volumes/paths.ts';
import { CONTAINER_NAME, POD_UID } from '../labels.ts';
import { podLogDir } from '../logs.ts';
import { identityOf } from '../spec.ts';
import type { LocalStorageUsage } from './local-storage.ts';

export interface UsageSource {
  readonly config: Pick<Config, 'rootDir' | 'podLogsDir'>;
  readonly runtime: Pick<RuntimeService, 'listContainerStats'>;
}

/**
 * Measures what a pod has stored on the node.
 * @throws WasmletError Unavailable when the runtime is away
 */
export async function localStorageUsage({ config, runtime }: UsageSource, pod: Pod): Promise<LocalStorageUsage> {
  const identity = identityOf(pod);
  const paths = podPaths(config.rootDir, identity.namespace, identity.uid);
  const volumes = new Map<string, number>();
  for (const volume of pod.spec?.volumes ?? []) {
    const plugin = pluginOf(volume);
    if (plugin === undefined) continue;
    volumes.set(volume.name, (await diskUsage(volumeDir(paths, plugin, volume.name))).usedBytes);
  }
  const containers = new Map<string, number>();
  for (const { labels, writableLayer } of await runtime.listContainerStats({
    labelSelector: { [POD_UID]: identity.uid },
  })) {
    const name = labels[CONTAINER_NAME] ?? '';
    const logs = await diskUsage(join(podLogDir(config.podLogsDir, identity), name));
    containers.set(name, logs.usedBytes + (writableLayer?.usedBytes ?? 0));
  }
  return { volumes, containers };
}

/** Of volumes whose content is the pod's own and on this node. */
function pluginOf({ emptyDir, configMap }: Volume): string | undefined {
  if (emptyDir) return 'kubernetes.io/empty-dir';
  return configMap ? 'kubernetes.io/configmap' : undefined;
}
