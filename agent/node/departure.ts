import { WasmletError } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import { sleep } from '../kube/backoff.ts';
import { KubeApiError, type KubeClient } from '../kube/client.ts';
import type { KubeObject, Node, Pod } from '../kube/types.ts';

/**
 * Waiting for nodes to come, and taking them out of a cluster, which they cannot do themselves: NodeRestriction lets no node delete itself or evict.
 * An administrator does it, or a Helm hook of the chart with an account of its own (docs/install.md).
 */

export interface DepartureOptions {
  readonly client: KubeClient;
  /** Which nodes, for example 'wasmlet.dev/release=wasm.wasmlet'. */
  readonly selector: string;
  /** Names of nodes that stay. */
  readonly except: readonly string[];
  /** How many nodes are waited for, where it is for them to come; default 1. */
  readonly count?: number;
  /** Milliseconds, for all of it. */
  readonly timeoutMs: number;
  readonly logger: Logger;
  readonly signal: AbortSignal;
}

const NODES = '/api/v1/nodes';
const POLL_MS = 1000;
/** What the API server answers where a PodDisruptionBudget says no. */
const TOO_MANY_REQUESTS = 429;

/**
 * Waits until at least `count` of the nodes are there, and all that are there are Ready.
 * @returns the names of the nodes
 * @throws WasmletError DeadlineExceeded with what is missing; KubeApiError
 */
export async function awaitNodes(options: DepartureOptions): Promise<string[]> {
  const { count = 1 } = options;
  let nodes: Node[] = [];
  await until(options, async () => {
    nodes = await selectedNodes(options);
    if (nodes.length < count) return `there are ${nodes.length} nodes of ${count}`;
    const waiting = nodes.filter((node) => !isReady(node)).map(nameOf);
    return waiting.length === 0 ? undefined : `nodes are not Ready: ${waiting.join(', ')}`;
  });
  return nodes.map(nameOf);
}

/**
 * Cordons the nodes and evicts their pods, as `kubectl drain --ignore-daemonsets --delete-emptydir-data --force` does,
 * and waits until they are gone.
 * @returns the names of the nodes
 * @throws WasmletError DeadlineExceeded with the pods that are left; KubeApiError
 */
export async function drainNodes(options: DepartureOptions): Promise<string[]> {
  const { client, logger, signal } = options;
  const nodes = await selectedNodes(options);
  for (const node of nodes) {
    const name = nameOf(node);
    if (node.spec?.unschedulable !== true) {
      await client.patch(`${NODES}/${name}`, 'merge', { spec: { unschedulable: true } }, { signal });
    }
    logger.info('the node is cordoned', { node: name });
  }
  const names = nodes.map(nameOf);
  await until(options, async () => {
    const left: string[] = [];
    for (const name of names) {
      for (const pod of await podsOf(client, name, signal)) {
        left.push(`${pod.metadata?.namespace ?? ''}/${pod.metadata?.name ?? ''} on ${name}`);
        if (pod.metadata?.deletionTimestamp === undefined) await evict(client, pod, logger, signal);
      }
    }
    return left.length === 0 ? undefined : `pods are still there: ${left.join(', ')}`;
  });
  return names;
}

/**
 * Deletes the Node objects whose agents have gone: those that are Ready are waited for, since an agent that runs would
 * make its node again.
 * @returns the names of the nodes
 * @throws WasmletError DeadlineExceeded with the nodes that are still Ready; KubeApiError
 */
export async function removeNodes(options: DepartureOptions): Promise<string[]> {
  const { client, logger, signal } = options;
  const removed: string[] = [];
  await until(options, async () => {
    const ready: string[] = [];
    for (const node of await selectedNodes(options)) {
      const name = nameOf(node);
      if (isReady(node)) {
        ready.push(name);
        continue;
      }
      await client.delete(`${NODES}/${name}`, undefined, { signal }).catch(ignoreNotFound);
      removed.push(name);
      logger.info('the node is removed', { node: name });
    }
    return ready.length === 0 ? undefined : `nodes are still Ready, so their agents run: ${ready.join(', ')}`;
  });
  return removed;
}

async function selectedNodes({ client, selector, except, signal }: DepartureOptions): Promise<Node[]> {
  const { items } = await client.list<Node>(NODES, { query: { labelSelector: selector }, signal });
  return items.filter((node) => !except.includes(nameOf(node)));
}

const nameOf = ({ metadata }: Node): string => metadata?.name ?? '';

const isReady = ({ status }: Node): boolean =>
  status?.conditions?.some(({ type, status: value }) => type === 'Ready' && value === 'True') ?? false;

/** Pods that a drain ends: not those of DaemonSets, which would come back, nor those of manifests on the node. */
async function podsOf(client: KubeClient, node: string, signal: AbortSignal): Promise<Pod[]> {
  const { items } = await client.list<Pod>('/api/v1/pods', {
    query: { fieldSelector: `spec.nodeName=${node}` },
    signal,
  });
  return items.filter(({ metadata }) => {
    const owner = metadata?.ownerReferences?.find(({ controller }) => controller === true);
    return owner?.kind !== 'DaemonSet' && metadata?.annotations?.['kubernetes.io/config.mirror'] === undefined;
  });
}

async function evict(client: KubeClient, pod: Pod, logger: Logger, signal: AbortSignal): Promise<void> {
  const { name = '', namespace = '' } = pod.metadata ?? {};
  const eviction: KubeObject = { apiVersion: 'policy/v1', kind: 'Eviction', metadata: { name, namespace } };
  try {
    await client.create(`/api/v1/namespaces/${namespace}/pods/${name}/eviction`, eviction, { signal });
    logger.info('the pod is evicted', { pod: `${namespace}/${name}` });
  } catch (error) {
    if (error instanceof KubeApiError && error.status === TOO_MANY_REQUESTS) {
      logger.info('the pod may not be evicted yet', { pod: `${namespace}/${name}`, because: error.message });
    } else ignoreNotFound(error);
  }
}

function ignoreNotFound(error: unknown): void {
  if (!(error instanceof KubeApiError && error.reason === 'NotFound')) throw error;
}

/** Asks time and again what is left to be waited for, until that is nothing. @throws WasmletError DeadlineExceeded */
async function until(options: DepartureOptions, leftOver: () => Promise<string | undefined>): Promise<void> {
  const deadline = performance.now() + options.timeoutMs;
  for (;;) {
    const left = await leftOver();
    if (left === undefined) return;
    if (performance.now() >= deadline) {
      throw new WasmletError('DeadlineExceeded', `after ${options.timeoutMs / 1000} s ${left}`);
    }
    if (!(await sleep(POLL_MS, options.signal))) throw new WasmletError('Cancelled', `given up while ${left}`);
  }
}
