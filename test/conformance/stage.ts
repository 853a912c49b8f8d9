/** What the suite runs against: a real cluster, a registry with the stand-ins, and agents that take ordinary pods. */
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { startCluster } from '../cluster/cluster.ts';
import { startRegistry } from '../cluster/registry.ts';
import { PROJECT, TestAgent } from '../support/agent.ts';
import { createApi } from '../support/api.ts';
import { buildTools } from '../support/tools.ts';
import { createScratch } from '../support/watchdog.ts';
import type { StandIn } from './images.ts';
import { imageEnvironment, pushStandIns } from './images.ts';

export interface StageOptions {
  readonly nodes: number;
  readonly rename: boolean;
  /** Configuration of the agents beyond what the suite needs. */
  readonly agentConfig: Readonly<Record<string, unknown>>;
  /** Programs to be served under the names of the suite's images. */
  readonly standIns: () => Promise<readonly StandIn[]>;
  readonly report: (line: string) => void;
  readonly signal?: AbortSignal;
}

export interface Stage extends AsyncDisposable {
  readonly tools: { readonly conformance: string; readonly ginkgo: string; readonly kubectl: string };
  readonly kubeconfig: string;
  /** Environment of the suite. */
  readonly env: NodeJS.ProcessEnv;
  /** A new folder, gone with the stage. */
  readonly folder: string;
  readonly agents: readonly TestAgent[];
}

/** Configuration of an agent by which its pods have a network of their own. */
export interface PodNetwork {
  readonly cniConfDir: string;
  readonly cniBinDir: string;
}

const NODE_READY_MS = 60_000;

type Progress = Pick<StageOptions, 'report' | 'signal'>;

/**
 * Everything that a stage needs and that is built from source, where the cache has none.
 * @throws WasmletError FailedPrecondition without Go
 */
export function buildStageTools({ report, signal }: Progress) {
  const names = ['conformance', 'ginkgo', 'etcd', 'kubeApiserver', 'kubectl', 'controlPlane', 'registry'] as const;
  return buildTools(names, { report, ...(signal ? { signal } : {}) });
}

/** @throws WasmletError FailedPrecondition without Go; Unavailable when a part does not start */
export async function openStage(options: StageOptions): Promise<Stage> {
  const { report, signal } = options;
  const building = { report, ...(signal ? { signal } : {}) };
  const tools = await buildStageTools(options);
  const standIns = await options.standIns();
  await using stack = new AsyncDisposableStack();
  const scratch = stack.use(await createScratch('wasmlet-conformance-'));
  const cluster = stack.use(await startCluster(building));
  const registry = stack.use(await startRegistry(building));
  const source = { ...tools, registry: registry.address, folder: scratch.folder, rename: options.rename };
  const imageEnv = await imageEnvironment(source);
  const pushed = await pushStandIns(source, imageEnv, standIns);
  report(`${pushed.length} images are served by stand-ins: ${standIns.map(({ name }) => name).join(', ')}`);
  await cluster.kubectl.ok(['apply', '-f', join(PROJECT, 'manifests/runtimeclasses.yaml')]);
  const api = await createApi(cluster.kubeconfig);
  const agents: TestAgent[] = [];
  for (let index = 1; index <= options.nodes; index += 1) {
    const nodeName = `conformance-${index}-${randomBytes(2).toString('hex')}`;
    const kubeconfig = await cluster.nodeKubeconfig(nodeName);
    agents.push(stack.use(await TestAgent.start({ nodeName, kubeconfig, config: agentConfig(options) })));
    await api.waitFor<NodeWithConditions>('/api/v1/nodes', isReady, {
      fieldSelector: `metadata.name=${nodeName}`,
      timeoutMs: NODE_READY_MS,
    });
  }
  report(`${agents.length === 1 ? 'the node is' : `${agents.length} nodes are`} ready`);
  const owned = stack.move();
  return {
    tools,
    kubeconfig: cluster.kubeconfig,
    env: { ...process.env, ...scratch.env, ...imageEnv },
    folder: scratch.folder,
    agents,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** The suite's pods name no runtime class, tolerate no taint, and some select nodes by these labels. */
function agentConfig({ agentConfig }: StageOptions): Record<string, unknown> {
  return {
    nodeLabels: { 'kubernetes.io/os': 'linux', 'kubernetes.io/arch': 'amd64' },
    registerWithTaints: [],
    // The API server proxies to no loopback address: the agent finds one of the machine's.
    nodeIP: [],
    address: '0.0.0.0',
    ...agentConfig,
  };
}

interface NodeWithConditions {
  readonly metadata: { readonly name: string };
  readonly status?: { readonly conditions?: readonly { readonly type: string; readonly status: string }[] };
}

const isReady = (node: NodeWithConditions): boolean =>
  node.status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') ?? false;
