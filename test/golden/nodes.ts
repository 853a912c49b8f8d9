import { randomBytes } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Node } from '../../agent/kube/types.ts';
import type { ClusterAccess } from '../cluster/access.ts';
import { TestAgent } from '../support/agent.ts';
import type { Api } from '../support/api.ts';
import { createScratch } from '../support/watchdog.ts';
import { startKubeletOverWasmlet } from './kubelet-over-wasmlet.ts';
import type { GoldenNode } from './stage.ts';

/** A node of our agent, Ready; disposed, it and its Node object are gone. */
export async function startAgentNode(cluster: ClusterAccess, api: Api): Promise<GoldenNode & AsyncDisposable> {
  const nodeName = `golden-agent-${randomBytes(3).toString('hex')}`;
  await using stack = new AsyncDisposableStack();
  const kubeconfig = await cluster.nodeKubeconfig(nodeName);
  const { folder } = stack.use(await createScratch('wasmlet-golden-'));
  const staticPodPath = join(folder, 'manifests');
  await mkdir(staticPodPath);
  const agent = stack.use(await TestAgent.start({ nodeName, kubeconfig, config: { ...NODE_CONFIG, staticPodPath } }));
  await untilReady(api, nodeName);
  return ownedNode({ nodeName, rootDir: agent.rootDir, staticPodPath }, api, stack.move());
}

const NODE_CONFIG = { kubeAPIQPS: 500, kubeAPIBurst: 1000 };

export async function untilReady(api: Api, nodeName: string): Promise<void> {
  const isReady = ({ status }: Node): boolean =>
    status?.conditions?.some(({ type, status: value }) => type === 'Ready' && value === 'True') ?? false;
  await api.waitFor<Node>('/api/v1/nodes', isReady, { fieldSelector: `metadata.name=${nodeName}` });
}

function ownedNode(node: GoldenNode, api: Api, stack: AsyncDisposableStack): GoldenNode & AsyncDisposable {
  return {
    ...node,
    [Symbol.asyncDispose]: async () => {
      await stack.disposeAsync();
      await api.request('DELETE', `/api/v1/nodes/${node.nodeName}`);
    },
  };
}

/**
 * Many cases at a time are not one after the other slowed down by the kubelet's own limits: what it does about a lack of
 * turns, such as `failed to sync configmap cache`, is not the cases' subject. Nor is a cluster without a DNS service.
 */
const KUBELET_CONFIG = {
  kubeAPIQPS: 500,
  kubeAPIBurst: 1000,
  eventRecordQPS: 500,
  eventBurst: 1000,
  registryPullQPS: 0,
  serializeImagePulls: false,
  clusterDNS: ['10.0.0.10'],
  clusterDomain: 'cluster.local',
};

/** A node of a real kubelet over our runtime, Ready; disposed, it is gone with all its processes and files. */
export async function startKubeletNode(cluster: ClusterAccess): Promise<GoldenNode & AsyncDisposable> {
  const nodeName = `golden-kubelet-${randomBytes(3).toString('hex')}`;
  return startKubeletOverWasmlet({ nodeName, cluster, config: KUBELET_CONFIG });
}
