import type { ObjectCache } from '../kube/objects.ts';
import { DEFAULT_MODE, secretPayload } from './payload.ts';
import { projectionVolume } from './projection-volume.ts';
import type { VolumeType } from './volume.ts';

/** secret: its keys as files. */
export function secretVolume(objects: ObjectCache): VolumeType {
  return projectionVolume('secret', 'kubernetes.io/secret', ({ pod, volume, signal }) =>
    secretPayload(
      objects,
      {
        namespace: pod.metadata?.namespace ?? 'default',
        name: volume.secret?.secretName ?? '',
        items: volume.secret?.items,
        defaultMode: volume.secret?.defaultMode ?? DEFAULT_MODE,
        optional: volume.secret?.optional ?? false,
      },
      signal,
    ),
  );
}
