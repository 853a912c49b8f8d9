import { hasCode, messageOf, WasmletError } from '../../base/errors.ts';
import type * as service from '../service.ts';
import type { CriContext } from './context.ts';
import { sandboxId } from './ids.ts';
import type {
  ByPodSandboxId,
  Filtered,
  Nothing,
  PodSandbox,
  PodSandboxConfig,
  PodSandboxFilter,
  PodSandboxStatus,
  PodSandboxStatusRequest,
  PodSandboxStatusResponse,
  RunPodSandboxRequest,
} from './messages.ts';
import { nanoseconds } from './time.ts';

/** CRI's methods on pod sandboxes. */
export const sandboxMethods = (context: CriContext) => ({
  async runPodSandbox({ config, runtimeHandler }: RunPodSandboxRequest): Promise<ByPodSandboxId> {
    const podSandboxId = await context.runtime.runPodSandbox(sandboxConfig(config, context.hostname), runtimeHandler);
    return { podSandboxId };
  },

  async stopPodSandbox({ podSandboxId }: ByPodSandboxId): Promise<Nothing> {
    await unlessGone(async () => context.runtime.stopPodSandbox(await sandboxId(context, podSandboxId)));
    return {};
  },

  async removePodSandbox({ podSandboxId }: ByPodSandboxId): Promise<Nothing> {
    await unlessGone(async () => context.runtime.removePodSandbox(await sandboxId(context, podSandboxId)));
    return {};
  },

  async podSandboxStatus({ podSandboxId, verbose }: PodSandboxStatusRequest): Promise<PodSandboxStatusResponse> {
    const status = await context.runtime.podSandboxStatus(await sandboxId(context, podSandboxId));
    return {
      status: sandboxStatus(context, status),
      info: verbose ? { info: JSON.stringify({ runtimeHandler: status.runtimeHandler, network: status.network }) } : {},
    };
  },

  async listPodSandbox({ filter }: Filtered<PodSandboxFilter>): Promise<{ readonly items: readonly PodSandbox[] }> {
    return { items: await listSandboxes(context, filter) };
  },
});

/** CRI wants stopping and removing to succeed where there is nothing (any more). */
export async function unlessGone(work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (!hasCode(error, 'NotFound')) throw error;
  }
}

/** A sandbox as the runtime is told to make it. */
function sandboxConfig(config: PodSandboxConfig | null, machineName: string): service.PodSandboxConfig {
  if (!config?.metadata) throw new WasmletError('InvalidArgument', 'the sandbox config has no metadata');
  const { metadata, hostname, logDirectory, dnsConfig, portMappings, labels, annotations } = config;
  return {
    metadata,
    hostname: hostname || machineName,
    logDirectory,
    ...(dnsConfig ? { dnsConfig } : {}),
    portMappings,
    hostNetwork: config.linux?.securityContext?.namespaceOptions?.network === 'NODE',
    labels,
    annotations,
  };
}

export async function listSandboxes(
  context: CriContext,
  filter: PodSandboxFilter | null,
): Promise<readonly PodSandbox[]> {
  const sandboxes = await context.runtime.listPodSandbox(filter ? await sandboxFilter(context, filter) : {});
  return sandboxes.map(sandboxSummary);
}

async function sandboxFilter(context: CriContext, filter: PodSandboxFilter): Promise<service.PodSandboxFilter> {
  const { id, state, labelSelector } = filter;
  return {
    ...(id === '' ? {} : { id: await knownOr(id, () => sandboxId(context, id)) }),
    ...(state ? { state: state.state } : {}),
    labelSelector,
  };
}

/** In a filter, an id that nothing has matches nothing. */
export async function knownOr(id: string, find: () => Promise<string>): Promise<string> {
  try {
    return await find();
  } catch (error) {
    if (hasCode(error, 'NotFound', 'InvalidArgument')) return id;
    throw new WasmletError('Unavailable', messageOf(error), { cause: error });
  }
}

function sandboxSummary(sandbox: service.PodSandbox): PodSandbox {
  const { id, metadata, state, createdAt, labels, annotations, runtimeHandler } = sandbox;
  return { id, metadata, state, createdAt: nanoseconds(createdAt), labels, annotations, runtimeHandler };
}

/**
 * A sandbox's status. The kubelet makes a new sandbox where the network's mode is not what the pod asks for, and where
 * a pod that does not share the host's network has no address: such pods have the node's.
 */
export function sandboxStatus(context: CriContext, status: service.PodSandboxStatus): PodSandboxStatus {
  const hostNetwork = status.hostNetwork ?? false;
  const own = [status.network.ip, ...status.network.additionalIps].filter((ip) => ip !== '');
  const [ip, ...additional] = own.length > 0 ? own : context.podIPs;
  return {
    ...sandboxSummary(status),
    ...(hostNetwork || ip === undefined
      ? {}
      : { network: { ip, additionalIps: additional.map((address) => ({ ip: address })) } }),
    linux: { namespaces: { options: { network: hostNetwork ? 'NODE' : 'POD' } } },
  };
}
