import { isAbsolute, join, normalize } from 'node:path';
import { messageOf, WasmletError } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import type { Mount } from '../../runtime/service.ts';
import type { Container, VolumeMount } from '../kube/types.ts';
import { expand } from '../pods/expansion.ts';
import { resolveSubPath, validateSubPath } from './sub-path.ts';
import type { SubPathSource } from './sub-path.ts';
import type { VolumeType } from './volume.ts';

/** A pod's volume that is set up. */
export interface MountedVolume {
  readonly type: VolumeType;
  readonly dir: string;
}

export interface ContainerMountsRequest {
  readonly container: Container;
  readonly env: readonly { name: string; value: string }[];
  readonly volumes: ReadonlyMap<string, MountedVolume>;
  readonly subPathsDir: string;
  readonly logger: Logger;
}

/**
 * The mounts of a container as the kubelet makes them (pkg/kubelet/kubelet_pods.go, makeMounts), a mount before those
 * beneath it, as containerd sorts them.
 * @throws WasmletError InvalidArgument with the kubelet's text, for the waiting reason CreateContainerConfigError
 */
export async function makeContainerMounts(request: ContainerMountsRequest): Promise<Mount[]> {
  const device = request.container.volumeDevices?.[0];
  if (device) {
    throw new WasmletError(
      'InvalidArgument',
      `cannot find volume "${device.name}" to pass into container "${request.container.name}": wasmlet nodes offer no block devices`,
    );
  }
  const mounts: Mount[] = [];
  const taken = new Set<string>();
  for (const [index, mount] of (request.container.volumeMounts ?? []).entries()) {
    const made = await makeMount(request, mount, index);
    if (taken.has(made.containerPath)) {
      throw new WasmletError(
        'InvalidArgument',
        `container "${request.container.name}" mounts two volumes at "${made.containerPath}"; give each a path of its own`,
      );
    }
    taken.add(made.containerPath);
    mounts.push(made);
  }
  return mounts.sort((a, b) => depth(a.containerPath) - depth(b.containerPath));
}

async function makeMount(request: ContainerMountsRequest, mount: VolumeMount, index: number): Promise<Mount> {
  const volume = request.volumes.get(mount.name);
  if (!volume) {
    throw new WasmletError(
      'InvalidArgument',
      `cannot find volume "${mount.name}" to mount into container "${request.container.name}"`,
    );
  }
  const subPath = subPathOf(mount, request.env);
  if (subPath !== '') validateSubPath(subPath);
  checkPropagation(mount);
  checkRecursiveReadOnly(mount);
  return {
    containerPath: absolutePath(mount.mountPath),
    ...(subPath === '' ? { hostPath: volume.dir } : await subPathOnHost(request, volume, mount, subPath, index)),
    readonly: (mount.readOnly ?? false) || volume.type.readOnly,
  };
}

/** pkg/kubelet/container/helpers.go, ExpandContainerVolumeMounts: an empty value counts as missing. */
function subPathOf(mount: VolumeMount, env: readonly { name: string; value: string }[]): string {
  if (!mount.subPathExpr) return mount.subPath ?? '';
  const values = new Map(env.map(({ name, value }) => [name, value]));
  const missing = new Set<string>();
  const expanded = expand(mount.subPathExpr, (name) => {
    const value = values.get(name) ?? '';
    if (value === '') missing.add(name);
    return value;
  });
  if (missing.size > 0) {
    throw new WasmletError('InvalidArgument', `missing value for ${[...missing].sort().join(', ')}`);
  }
  return expanded;
}

/** The cause goes to the log and not to the pod: it tells of the host's files. */
async function subPathOnHost(
  request: ContainerMountsRequest,
  volume: MountedVolume,
  mount: VolumeMount,
  subPath: string,
  index: number,
): Promise<SubPathSource> {
  try {
    return await resolveSubPath({
      volumeDir: volume.dir,
      subPath,
      replaced: volume.type.readOnly,
      snapshotPath: join(request.subPathsDir, mount.name, request.container.name, String(index)),
    });
  } catch (cause) {
    const message = `failed to prepare subPath for volumeMount "${mount.name}" of container "${request.container.name}"`;
    request.logger.error(message, { subPath, error: messageOf(cause) });
    throw new WasmletError('InvalidArgument', message, { cause });
  }
}

/** A guest's mounts are its own view and no mounts of the host, so there is nothing to propagate. */
function checkPropagation(mount: VolumeMount): void {
  const mode = mount.mountPropagation ?? 'None';
  if (mode !== 'None') {
    throw new WasmletError(
      'InvalidArgument',
      `volume "${mount.name}" requested mount propagation "${mode}", which wasmlet nodes do not offer; use None`,
    );
  }
}

/** pkg/kubelet, resolveRecursiveReadOnly. Read-only is recursive here in any case: nothing is mounted inside. */
function checkRecursiveReadOnly(mount: VolumeMount): void {
  const mode = mount.recursiveReadOnly ?? 'Disabled';
  if (mode === 'Disabled') return;
  const invalid = (why: string) =>
    new WasmletError('InvalidArgument', `failed to resolve recursive read-only mode: ${why}`);
  if (!mount.readOnly) {
    throw invalid(`volume "${mount.name}" requested recursive read-only mode, but it is not read-only`);
  }
  if (mode !== 'IfPossible' && mode !== 'Enabled') throw invalid(`unknown recursive read-only mode "${mode}"`);
}

function absolutePath(path: string): string {
  const clean = normalize(isAbsolute(path) ? path : `/${path}`);
  return clean.length > 1 ? clean.replace(/\/+$/, '') : clean;
}

const depth = (path: string): number => (path === '/' ? 0 : path.split('/').length - 1);
