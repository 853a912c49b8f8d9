import { open } from 'node:fs/promises';
import { WasmletError } from '../../base/errors.ts';
import { containerConfig } from './container-config.ts';
import { containerStatus, listContainers } from './container-status.ts';
import type { CriContext } from './context.ts';
import { UnimplementedError } from './errors.ts';
import { containerId, sandboxId } from './ids.ts';
import type {
  ByContainerId,
  Container,
  ContainerFilter,
  ContainerStatusRequest,
  ContainerStatusResponse,
  CreateContainerRequest,
  Filtered,
  Nothing,
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

  updateContainerResources: (): Promise<Nothing> =>
    Promise.reject(new UnimplementedError('wasmlet changes no resources of a container: create it anew')),
});

const LOG_MODE = 0o640;
