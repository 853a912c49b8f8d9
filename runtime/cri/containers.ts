import { mkdir, open, stat } from 'node:fs/promises';
import { errnoOf, messageOf, WasmletError } from '../../base/errors.ts';
import { resolveProcess } from '../../images/process.ts';
import type { Image } from '../../images/service.ts';
import type * as service from '../service.ts';
import { containerStatus, listContainers } from './container-status.ts';
import type { CriContext } from './context.ts';
import { containerId, sandboxId } from './ids.ts';
import type {
  ByContainerId,
  Container,
  ContainerConfig,
  ContainerFilter,
  ContainerStatusRequest,
  ContainerStatusResponse,
  CreateContainerRequest,
  Filtered,
  LinuxContainerResources,
  LinuxContainerSecurityContext,
  Nothing,
  RequestedMount,
  StopContainerRequest,
} from './messages.ts';
import { unlessGone } from './sandboxes.ts';

/** CRI's methods on containers. */
export const containerMethods = (context: CriContext) => ({
  async createContainer({ podSandboxId, config, sandboxConfig }: CreateContainerRequest): Promise<ByContainerId> {
    const sandbox = await sandboxId(context, podSandboxId);
    const hostname = sandboxConfig?.hostname || context.hostname;
    const wanted = await containerConfig(context, config, hostname);
    return { containerId: await context.runtime.createContainer(sandbox, wanted) };
  },

  async startContainer(request: ByContainerId): Promise<Nothing> {
    await context.runtime.startContainer(await containerId(context, request.containerId));
    return {};
  },

  async stopContainer(request: StopContainerRequest): Promise<Nothing> {
    await unlessGone(async () => {
      await context.runtime.stopContainer(
        await containerId(context, request.containerId),
        Math.max(0, request.timeout),
      );
    });
    return {};
  },

  async removeContainer(request: ByContainerId): Promise<Nothing> {
    await unlessGone(async () => context.runtime.removeContainer(await containerId(context, request.containerId)));
    return {};
  },

  async containerStatus({ containerId: id, verbose }: ContainerStatusRequest): Promise<ContainerStatusResponse> {
    const status = await context.runtime.containerStatus(await containerId(context, id));
    const { podSandboxId: sandboxID, image } = status;
    return {
      status: await containerStatus(context, status),
      info: verbose ? { info: JSON.stringify({ sandboxID, image, runtimeType: 'wasmlet' }) } : {},
    };
  },

  async listContainers({ filter }: Filtered<ContainerFilter>): Promise<{ readonly containers: readonly Container[] }> {
    return { containers: await listContainers(context, filter) };
  },

  /**
   * The kubelet has moved the log away. The container's host goes on in whatever file stands at the log's path as soon
   * as there is another one, so making one is all (host/log-file.ts).
   */
  async reopenContainerLog(request: ByContainerId): Promise<Nothing> {
    const { state, logPath, id } = await context.runtime.containerStatus(
      await containerId(context, request.containerId),
    );
    if (state !== 'CONTAINER_RUNNING') throw new WasmletError('FailedPrecondition', `container ${id} is not running`);
    await using _log = await open(logPath, 'a', LOG_MODE);
    return {};
  },
});

const LOG_MODE = 0o640;

/** The kubelet rotates logs itself, and says so by ReopenContainerLog. */
const ROTATED_BY_CALLER: service.LogLimits = { maxSize: 0, maxFiles: 0 };

/**
 * A container as the runtime is told to make it.
 * @throws WasmletError InvalidArgument, NotFound for an image that was not pulled
 */
async function containerConfig(
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
    ...securityContextOf(config.linux?.securityContext),
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

const securityContextOf = (
  context: LinuxContainerSecurityContext | null | undefined,
): Pick<service.ContainerConfig, 'securityContext'> => {
  if (!context) return {};
  const { runAsUser, runAsGroup, runAsUsername, supplementalGroups, readonlyRootfs } = context;
  return {
    securityContext: {
      ...(runAsUser ? { runAsUser: runAsUser.value } : {}),
      ...(runAsGroup ? { runAsGroup: runAsGroup.value } : {}),
      runAsUsername,
      supplementalGroups,
      readonlyRootfs,
    },
  };
};

/** As containerd: a host path that is not there becomes a folder. */
async function prepareMount(mount: RequestedMount): Promise<service.Mount> {
  const { containerPath, hostPath, readonly } = mount;
  if (mount.image && mount.image.image !== '') {
    const message = `ImageVolumeMountFailed: ${containerPath}: wasmlet mounts no images as volumes`;
    throw new WasmletError('InvalidArgument', message);
  }
  if (mount.recursiveReadOnly) {
    // What runtimeHandlers of Status says, so that no kubelet asks for it.
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
