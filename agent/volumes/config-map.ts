import type { ObjectCache } from '../kube/objects.ts';
import { configMapPayload, DEFAULT_MODE } from './payload.ts';
import { projectionVolume } from './projection-volume.ts';
import type { VolumeType } from './volume.ts';

/** configMap: its keys as files, `data` and `binaryData` alike. */
export function configMapVolume(objects: ObjectCache): VolumeType {
  return projectionVolume('configMap', 'kubernetes.io/configmap', ({ pod, volume, signal }) =>
    configMapPayload(
      objects,
      {
        namespace: pod.metadata?.namespace ?? 'default',
        name: volume.configMap?.name ?? '',
        items: volume.configMap?.items,
        defaultMode: volume.configMap?.defaultMode ?? DEFAULT_MODE,
        optional: volume.configMap?.optional ?? false,
      },
      signal,
    ),
  );
}
