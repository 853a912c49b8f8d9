import { mkdir, stat } from 'node:fs/promises';
import { errnoOf, messageOf, WasmletError } from '../../base/errors.ts';
import { resolveProcess } from '../../images/process.ts';
import type { Image } from '../../images/service.ts';
import { imageUser } from '../../images/user.ts';
import type * as service from '../service.ts';
import type { CriContext } from './context.ts';
import type { ContainerConfig, LinuxContainerResources, LinuxContainerSecurityContext } from './messages.ts';
import type { RequestedMount } from './messages.ts';
import { signalFromCri } from './signal.ts';

/** The kubelet rotates logs itself, and says so by ReopenContainerLog. */
const ROTATED_BY_CALLER: service.LogLimits = { maxSize: 0, maxFiles: 0 };

/**
 * A container as the runtime is told to make it: what is asked for, completed by its image as containerd does.
 * @param hostname of the pod
 * @throws WasmletError InvalidArgument; NotFound for an image that was not pulled; FailedPrecondition for a mount
 */
export async function containerConfig(
  context: CriContext,
  config: ContainerConfig | null,
  hostname: string,
): Promise<service.ContainerConfig> {
  if (!config?.metadata) throw new WasmletError('InvalidArgument', 'the container config has no metadata');
  if (!config.image) throw new WasmletError('InvalidArgument', 'the container config has no image');
  const image = await findImage(context, config.image.image);
  const userSpecifiedImage = config.image.userSpecifiedImage || config.image.image;
  return {
    metadata: config.metadata,
    image: {
      userSpecifiedImage,
      imageRef: image.id,
      ...(image.module === undefined ? {} : { module: image.module }),
      ...(image.tree === undefined ? {} : { tree: image.tree }),
    },
    ...resolveProcess(image, {
      command: config.command,
      args: config.args,
      workingDir: config.workingDir,
      envs: config.envs.map(({ key, value }) => ({ key, value: value.toString('utf8') })),
      hostname,
      stopSignal: signalFromCri(config.stopSignal),
      reference: userSpecifiedImage,
    }),
    mounts: await Promise.all(config.mounts.map(prepareMount)),
    labels: config.labels,
    annotations: config.annotations,
    logPath: config.logPath,
    logLimits: ROTATED_BY_CALLER,
    stdin: config.stdin,
    stdinOnce: config.stdinOnce,
    tty: config.tty,
    resources: resourcesOf(config.linux?.resources),
    securityContext: securityContextOf(config.linux?.securityContext, image),
  };
}

async function findImage({ images }: CriContext, name: string): Promise<Image> {
  const image = await images.imageStatus(name);
  if (image) return image;
  throw new WasmletError('NotFound', `failed to resolve image ${JSON.stringify(name)}: pull it first`);
}

const resourcesOf = (resources: LinuxContainerResources | null | undefined): service.LinuxContainerResources => ({
  cpuPeriod: resources?.cpuPeriod ?? 0,
  cpuQuota: resources?.cpuQuota ?? 0,
  cpuShares: resources?.cpuShares ?? 0,
  memoryLimitInBytes: resources?.memoryLimitInBytes ?? 0,
});

/** Who is named neither by number nor by name is the image's user: a kubelet names one always, crictl need not. */
function securityContextOf(
  context: LinuxContainerSecurityContext | null | undefined,
  image: Image,
): service.LinuxContainerSecurityContext {
  const { runAsUser, runAsGroup, runAsUsername = '', supplementalGroups = [], readonlyRootfs = false } = context ?? {};
  const asked = runAsUser ? { uid: runAsUser.value } : { username: runAsUsername };
  const user = 'username' in asked && asked.username === '' ? imageUser(image) : asked;
  return {
    ...('uid' in user ? { runAsUser: user.uid } : { runAsUsername: user.username }),
    ...(runAsGroup ? { runAsGroup: runAsGroup.value } : {}),
    supplementalGroups,
    readonlyRootfs,
  };
}

/** As containerd: a host path that is not there becomes a folder. */
async function prepareMount(mount: RequestedMount): Promise<service.Mount> {
  const { containerPath, hostPath, readonly } = mount;
  if (mount.image && mount.image.image !== '') {
    // The kubelet knows it by the first word (cri-api/pkg/errors).
    const message = `ImageVolumeMountFailed: ${containerPath}: wasmlet mounts no images as volumes`;
    throw new WasmletError('InvalidArgument', message);
  }
  if (mount.recursiveReadOnly) {
    // Status says so of every handler: a kubelet does not ask for it.
    throw new WasmletError('InvalidArgument', `mount ${containerPath}: recursive read-only mounts are not supported`);
  }
  try {
    await stat(hostPath).catch(async (error: unknown) => {
      if (errnoOf(error) !== 'ENOENT') throw error;
      await mkdir(hostPath, { recursive: true });
    });
  } catch (cause) {
    const message = `mount ${containerPath}: failed to stat ${JSON.stringify(hostPath)}: ${messageOf(cause)}`;
    throw new WasmletError('FailedPrecondition', message, { cause });
  }
  return { containerPath, hostPath, readonly };
}
