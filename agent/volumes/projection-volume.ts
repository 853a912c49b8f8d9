import { rm } from 'node:fs/promises';
import { hasContent, writeAtomically, type FileProjection } from './atomic-writer.ts';
import { setUpFolder } from './empty-dir.ts';
import { makeNestedMountPoints } from './nested-mount-points.ts';
import { setVolumeOwnership } from './ownership.ts';
import type { SetUpRequest, VolumeType } from './volume.ts';

/**
 * A volume type whose files are made from the API and replaced atomically: all of configMap, secret, downwardAPI and
 * projected but what the files are.
 * @param collect the files; when it fails, what an earlier call wrote stays as it is
 */
export function projectionVolume(
  field: string,
  pluginName: string,
  collect: (request: SetUpRequest) => Promise<ReadonlyMap<string, FileProjection>>,
): VolumeType {
  return {
    field,
    pluginName,
    readOnly: true,
    isSetUp: hasContent,
    async setUp(request) {
      const payload = await collect(request);
      await setUpFolder(request.dir);
      await makeNestedMountPoints(request.dir, request.volume.name, request.pod);
      // All of the volume and not only what is new: the first time, its folder too.
      await writeAtomically(request.dir, payload, () => setVolumeOwnership({ ...request, readOnly: true }));
    },
    async tearDown(dir) {
      await rm(dir, { recursive: true, force: true });
    },
  };
}
