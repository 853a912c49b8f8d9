import type { Config } from '../config/schema.ts';
import { KubeApiError, type KubeClient } from '../kube/client.ts';
import type { Node, NodeStatus } from '../kube/types.ts';
import { defaultLabels, outdatedDefaultLabels } from './labels.ts';

export type RegistrationConfig = Pick<Config, 'nodeName' | 'nodeLabels' | 'registerWithTaints' | 'providerID'>;

/** The labels that the Node object is to have: the default ones under the configured ones. */
export const wantedLabels = ({ nodeName, nodeLabels }: RegistrationConfig): Record<string, string> => ({
  ...defaultLabels(nodeName),
  ...nodeLabels,
});

/** The Node object as it is first created (pkg/kubelet, initialNode). */
export function initialNode(config: RegistrationConfig, status: NodeStatus): Node {
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name: config.nodeName, labels: wantedLabels(config) },
    spec: {
      taints: config.registerWithTaints.map(({ key, value, effect }) => ({
        key,
        effect,
        ...(value === '' ? {} : { value }),
      })),
      ...(config.providerID === '' ? {} : { providerID: config.providerID }),
    },
    status,
  };
}

/**
 * Creates the Node object, or takes over the one that is there (pkg/kubelet, tryRegisterWithAPIServer): its default
 * labels are set right, its taints stay as they are, since NodeRestriction lets no node change them.
 * @throws KubeApiError as the API server answered
 */
export async function createOrAdopt(
  client: KubeClient,
  node: Node,
  signal: AbortSignal,
): Promise<{ node: Node; created: boolean }> {
  try {
    return { node: await client.create<Node>('/api/v1/nodes', node, { signal }), created: true };
  } catch (error) {
    // Forbidden: this identity may not create nodes, but its own may be there already.
    if (!(error instanceof KubeApiError) || (error.reason !== 'AlreadyExists' && error.status !== 403)) throw error;
    const existing = await client.get<Node>(nodePath(node), { signal }).catch(() => Promise.reject(error));
    const labels = outdatedDefaultLabels(node.metadata?.labels ?? {}, existing.metadata?.labels ?? {});
    if (Object.keys(labels).length === 0) return { node: existing, created: false };
    const patch = { metadata: { labels } };
    return {
      node: await client.patch<Node>(`${nodePath(node)}/status`, 'strategic', patch, { signal }),
      created: false,
    };
  }
}

const nodePath = (node: Node): string => `/api/v1/nodes/${node.metadata?.name ?? ''}`;
