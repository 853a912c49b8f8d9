import { mkdir } from 'node:fs/promises';
import { join, normalize } from 'node:path';
import type { Container, Pod } from '../kube/types.ts';

/**
 * Makes folders inside a read-only volume for other volumes that a container mounts beneath it, so that they show when
 * the folder is listed (pkg/volume/util/nested_volumes.go). A mount beneath such a mount is not this volume's concern.
 */
export async function makeNestedMountPoints(dir: string, volumeName: string, pod: Pod): Promise<void> {
  const containers: readonly Pick<Container, 'volumeMounts'>[] = [
    ...(pod.spec?.initContainers ?? []),
    ...(pod.spec?.containers ?? []),
    ...(pod.spec?.ephemeralContainers ?? []),
  ];
  for (const path of new Set(containers.flatMap((container) => nestedMountPoints(volumeName, container)))) {
    await mkdir(join(dir, path), { recursive: true, mode: 0o755 });
  }
}

function nestedMountPoints(volumeName: string, container: Pick<Container, 'volumeMounts'>): string[] {
  const mounts = container.volumeMounts ?? [];
  const all = mounts.map((mount) => cleaned(mount.mountPath)).sort();
  const own = mounts.filter((mount) => mount.name === volumeName).map((mount) => `${cleaned(mount.mountPath)}/`);
  return own.flatMap((parent) => {
    const beneath = all.filter((path) => path.startsWith(parent));
    return beneath
      .filter((path) => !beneath.some((other) => path.startsWith(`${other}/`)))
      .map((path) => path.slice(parent.length));
  });
}

const cleaned = (path: string): string => normalize(path).replace(/\/+$/, '');
