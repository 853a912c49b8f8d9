import { randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { KubeObject, Pod } from '../../agent/kube/types.ts';
import { WasmletError } from '../../base/errors.ts';
import { startCluster, type Cluster } from '../cluster/cluster.ts';
import { startRegistry, type Registry } from '../cluster/registry.ts';
import { PROJECT, TestAgent } from '../support/agent.ts';
import { createApi, type Api } from '../support/api.ts';
import { runOrThrow } from '../support/command.ts';
import { buildGuest, type GuestName } from '../support/guests.ts';
import { pushImage } from '../support/push.ts';
import { PodWatch } from './pod-watch.ts';

const LOG_LINES = 40;

export type Report = (line: string) => void;

export interface PodOptions {
  readonly name: string;
  readonly image: string;
  readonly args?: readonly string[];
  /** Merged into the spec. */
  readonly spec?: Readonly<Record<string, unknown>>;
}

/** What the benchmarks on a cluster share: control plane, registry, and one agent as it is published. */
export class Stage implements AsyncDisposable {
  readonly cluster: Cluster;
  readonly agent: TestAgent;
  readonly api: Api;
  readonly namespace = `bench-${randomBytes(3).toString('hex')}`;
  readonly #registry: Registry;
  readonly #owned: AsyncDisposableStack;

  private constructor(
    parts: { cluster: Cluster; agent: TestAgent; api: Api; registry: Registry },
    owned: AsyncDisposableStack,
  ) {
    this.cluster = parts.cluster;
    this.agent = parts.agent;
    this.api = parts.api;
    this.#registry = parts.registry;
    this.#owned = owned;
  }

  static async open(report: Report): Promise<Stage> {
    await using stack = new AsyncDisposableStack();
    const command = await publishedAgent(stack, report);
    const cluster = stack.use(await startCluster({ auditLog: true, report }));
    const registry = stack.use(await startRegistry({ report }));
    const api = await createApi(cluster.kubeconfig);
    await cluster.kubectl.ok(['apply', '-f', join(PROJECT, 'manifests/runtimeclasses.yaml')]);
    const nodeName = 'bench';
    const agent = stack.use(
      await TestAgent.start({
        nodeName,
        kubeconfig: await cluster.nodeKubeconfig(nodeName),
        // 100 MB of log are read back whole: nothing is rotated away.
        config: { logLevel: 'info', containerLogMaxSize: '1Gi', maxPods: 6000 },
        command,
      }),
    );
    report('waiting for the node to be Ready');
    await api.waitFor<Node>('/api/v1/nodes', isReady, { fieldSelector: `metadata.name=${nodeName}` });
    const stage = new Stage({ cluster, agent, api, registry }, stack.move());
    await stage.#createNamespace();
    return stage;
  }

  async #createNamespace(): Promise<void> {
    await this.request('POST', '/api/v1/namespaces', { metadata: { name: this.namespace } });
    const fieldSelector = 'metadata.name=default';
    await this.api.waitFor(`/api/v1/namespaces/${this.namespace}/serviceaccounts`, () => true, { fieldSelector });
    // The root certificates are part of every pod's token volume.
    const root = { fieldSelector: 'metadata.name=kube-root-ca.crt' };
    await this.api.waitFor(`/api/v1/namespaces/${this.namespace}/configmaps`, () => true, root);
  }

  get podsPath(): string {
    return `/api/v1/namespaces/${this.namespace}/pods`;
  }

  /** One request that must succeed. */
  async request<T = KubeObject>(method: string, path: string, body?: object): Promise<T> {
    const answer = await this.api.request<T>(method, path, body);
    if (answer.status >= 300) {
      throw new WasmletError('Internal', `${method} ${path}: HTTP ${answer.status} ${JSON.stringify(answer.body)}`);
    }
    return answer.body;
  }

  /** Builds a guest, pushes it, and has the node pull it by a first pod; resolves to the image's reference. */
  async presentImage(guest: GuestName, args: readonly string[] = []): Promise<string> {
    const wasm = await buildGuest(guest);
    const { reference } = await pushImage({ registry: this.#registry.address, repository: `bench/${guest}`, wasm });
    await using pods = this.watchPods();
    const name = `pull-${guest}`;
    await this.create(this.pod({ name, image: reference, args }));
    await pods.until(name, ({ status }) => status?.phase !== undefined && status.phase !== 'Pending');
    await this.delete(name, pods);
    return reference;
  }

  /** A pod bound to the node. */
  pod(options: PodOptions): Pod {
    return this.unboundPod({ ...options, spec: { nodeName: this.agent.nodeName, ...options.spec } });
  }

  /** A pod for the scheduler. */
  unboundPod({ name, image, args, spec }: PodOptions): Pod {
    const container = { name: 'app', image, imagePullPolicy: 'IfNotPresent', ...(args ? { args: [...args] } : {}) };
    return {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name },
      spec: {
        runtimeClassName: 'wasm',
        restartPolicy: 'Never',
        terminationGracePeriodSeconds: 1,
        containers: [container],
        ...spec,
      },
    };
  }

  async create(pod: Pod): Promise<Pod> {
    return await this.request<Pod>('POST', this.podsPath, pod);
  }

  /** Deletes a pod and waits until it is gone. */
  async delete(name: string, pods: PodWatch): Promise<void> {
    await this.request('DELETE', `${this.podsPath}/${name}`);
    await pods.untilGone(name);
  }

  /** Deletes a pod at once, whatever its node does. */
  async deleteNow(name: string): Promise<void> {
    await this.api.request('DELETE', `${this.podsPath}/${name}?gracePeriodSeconds=0`);
  }

  /** Says as the administrator what a node would say. */
  async setStatus(pod: Pod, status: object): Promise<void> {
    await this.request('PUT', `${this.podsPath}/${pod.metadata?.name ?? ''}/status`, { ...pod, status });
  }

  /** Watches the pods of the benchmark. */
  watchPods(): PodWatch {
    return new PodWatch(this.api, this.podsPath);
  }

  /** Starts so many pods and waits until all run. */
  async runPods(count: number, prefix: string, image: string, pods: PodWatch): Promise<string[]> {
    const names = Array.from({ length: count }, (_, index) => `${prefix}-${index}`);
    await Promise.all(names.map((name) => this.create(this.pod({ name, image }))));
    await Promise.all(names.map((name) => pods.until(name, isRunning)));
    return names;
  }

  async deleteAll(names: readonly string[], pods: PodWatch): Promise<void> {
    await Promise.all(names.map((name) => this.delete(name, pods)));
  }

  /** The end of the agent's log. */
  async agentLog(): Promise<string> {
    return (await readFile(this.agent.logFile, 'utf8')).split('\n').slice(-LOG_LINES).join('\n');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#owned.disposeAsync();
  }
}

interface Node extends KubeObject {
  status?: { conditions?: { type: string; status: string }[] };
}

const isReady = ({ status }: Node): boolean =>
  status?.conditions?.some(({ type, status: value }) => type === 'Ready' && value === 'True') ?? false;

export const isRunning = ({ status }: Pod): boolean => status?.phase === 'Running';

/** What users run: the bundle, made anew. */
async function publishedAgent(stack: AsyncDisposableStack, report: Report): Promise<string[]> {
  report('bundling the agent');
  const folder = await mkdtemp(join(tmpdir(), 'wasmlet-bench-'));
  stack.defer(() => rm(folder, { recursive: true, force: true }));
  const bundle = join(PROJECT, 'build/bundle.ts');
  await runOrThrow(process.execPath, [bundle, folder], { cwd: PROJECT, timeoutMs: 120_000 });
  return [process.execPath, join(folder, 'cli.mjs')];
}
