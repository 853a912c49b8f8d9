import type { CriContext } from './context.ts';
import type { Nothing, StatusRequest, StatusResponse, VersionResponse } from './messages.ts';

/** Version of the kubelet's runtime API that a kubelet expects in answers to Version, whatever CRI's own. */
const KUBELET_API_VERSION = '0.1.0';
const CRI_VERSION = 'v1';

/** What CRI asks of the runtime as a whole. */
export const nodeMethods = (context: CriContext) => ({
  async version(): Promise<VersionResponse> {
    const { runtimeName, runtimeVersion } = await context.runtime.version();
    return { version: KUBELET_API_VERSION, runtimeName, runtimeVersion, runtimeApiVersion: CRI_VERSION };
  },

  async status({ verbose }: StatusRequest): Promise<StatusResponse> {
    const { conditions, runtimeHandlers } = await context.runtime.status();
    const config = { podIPs: context.podIPs, runtimeHandlers: runtimeHandlers.map(({ name }) => name) };
    return {
      status: { conditions },
      info: verbose ? { config: JSON.stringify(config) } : {},
      runtimeHandlers,
      features: { supplementalGroupsPolicy: false },
    };
  },

  /** No cgroup driver: wasmlet makes no cgroups, and the kubelet then goes by its own configuration. */
  runtimeConfig: (): Promise<Nothing> => Promise.resolve({}),

  /** Tells the pods' address range, which a runtime without a pod network has no use for. */
  updateRuntimeConfig: (): Promise<Nothing> => Promise.resolve({}),
});
