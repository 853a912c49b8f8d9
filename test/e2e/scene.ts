/**
 * What an end-to-end test stands on: the cluster and registry of the run, one agent per test file with a node of its
 * own, namespaces, and waiting for what a watch shows.
 */
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { afterAll, beforeAll } from 'vitest';
import type { ContainerStatus, CoreEvent, KubeObject, Pod } from '../../agent/kube/types.ts';
import { chartConfig, isChartWanted } from '../charts/chart-agent.ts';
import { PROJECT, TestAgent } from '../support/agent.ts';
import type { Api } from '../support/api.ts';
import { createNamespace, describeOnCluster, useCluster } from '../support/fixture.ts';
import type { TestCluster, TestNamespace } from '../support/fixture.ts';
import type { GuestName } from '../support/guests.ts';
import { buildGuest } from '../support/guests.ts';
import type { Flavour } from '../support/push.ts';
import { pushImage } from '../support/push.ts';

/** Milliseconds that a test waits for a change before it fails and shows what it saw last. */
const WAIT_MS = 120_000;
/** A label that this agent's node carries alone, so that the scheduler can be told by nodeSelector. */
export const NODE_LABEL = 'wasmlet.example.com/agent';

export interface PodOptions {
  readonly name: string;
  readonly image: string;
  readonly args?: readonly string[];
  readonly command?: readonly string[];
  readonly restartPolicy?: 'Always' | 'OnFailure' | 'Never';
  /** Merged into the container. */
  readonly container?: Readonly<Record<string, unknown>>;
  /** Merged into the spec. */
  readonly spec?: Readonly<Record<string, unknown>>;
  readonly labels?: Readonly<Record<string, string>>;
}

/** One namespace of a test; deleted with all that is in it when it is disposed. */
export class Namespace implements AsyncDisposable {
  readonly name: string;
  readonly #namespace: TestNamespace;
  readonly #scene: Scene;

  constructor(namespace: TestNamespace, scene: Scene) {
    this.name = namespace.name;
    this.#namespace = namespace;
    this.#scene = scene;
  }

  /** kubectl in this namespace; resolves to what it printed. @throws Error with its stderr when it fails */
  async kubectl(...args: string[]): Promise<string> {
    return this.#scene.kubectl(['-n', this.name, ...args]);
  }

  /** `kubectl apply -f -` of an object. */
  async apply(object: KubeObject): Promise<void> {
    await this.#scene.kubectl(['-n', this.name, 'apply', '-f', '-'], JSON.stringify(object));
  }

  /** A pod for this scene's node, as users write it: a runtime class and nothing else. */
  pod(options: PodOptions): Pod {
    return {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: options.name, ...(options.labels ? { labels: { ...options.labels } } : {}) },
      spec: this.podSpec(options),
    };
  }

  podSpec(options: Omit<PodOptions, 'labels'>): NonNullable<Pod['spec']> {
    return {
      runtimeClassName: 'wasm',
      nodeSelector: { [NODE_LABEL]: this.#scene.agent.nodeName },
      restartPolicy: options.restartPolicy ?? 'Never',
      containers: [
        {
          name: options.name,
          image: options.image,
          ...(options.args ? { args: [...options.args] } : {}),
          ...(options.command ? { command: [...options.command] } : {}),
          ...options.container,
        },
      ],
      ...options.spec,
    };
  }

  async getPod(name: string): Promise<Pod> {
    return (await this.#scene.api.request<Pod>('GET', `${this.#namespace.path}/pods/${name}`)).body;
  }

  /** Waits on a watch until the pod is as wished; resolves to it. */
  async waitForPod(name: string, wished: (pod: Pod) => boolean, timeoutMs = WAIT_MS): Promise<Pod> {
    return this.#scene.waitFor<Pod>(`${this.#namespace.path}/pods`, name, wished, timeoutMs);
  }

  /** Every state that a pod's watch shows until it is as wished. */
  async watchPod(name: string, until: (pod: Pod) => boolean, timeoutMs = WAIT_MS): Promise<Pod[]> {
    const seen: Pod[] = [];
    await this.waitForPod(name, (pod) => (seen.push(pod), until(pod)), timeoutMs);
    return seen;
  }

  /** The events about an object, oldest first. */
  async events(name: string): Promise<CoreEvent[]> {
    const selector = `fieldSelector=involvedObject.name%3D${name}`;
    const { items } = (
      await this.#scene.api.request<{ items: CoreEvent[] }>('GET', `${this.#namespace.path}/events?${selector}`)
    ).body;
    const time = (event: CoreEvent) => Date.parse(event.firstTimestamp ?? event.eventTime ?? '') || 0;
    return items.toSorted(
      (a, b) => time(a) - time(b) || Number(a.metadata.resourceVersion) - Number(b.metadata.resourceVersion),
    );
  }

  /** Waits until an event about the object is as wished. */
  async waitForEvent(name: string, wished: (event: CoreEvent) => boolean, timeoutMs = WAIT_MS): Promise<CoreEvent> {
    const options = { fieldSelector: `involvedObject.name=${name}`, timeoutMs };
    return this.#scene.api.waitFor<CoreEvent>(`${this.#namespace.path}/events`, wished, options);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#namespace[Symbol.asyncDispose]();
  }
}

export class Scene {
  readonly cluster: TestCluster;
  readonly agent: TestAgent;
  readonly api: Api;

  constructor(cluster: TestCluster, agent: TestAgent, api: Api) {
    this.cluster = cluster;
    this.agent = agent;
    this.api = api;
  }

  async kubectl(args: readonly string[], input?: string): Promise<string> {
    return this.cluster.kubectl.ok(args, input === undefined ? {} : { input });
  }

  /** A namespace of its own, ready to take pods. */
  async namespace(): Promise<Namespace> {
    return new Namespace(await createNamespace('test', this.cluster), this);
  }

  /** Builds a guest, pushes it in a flavour, and resolves to the reference. */
  async image(guest: GuestName, flavour: Flavour = 'cncf'): Promise<string> {
    const { reference } = await pushImage({
      registry: this.cluster.registry,
      repository: `test/${guest}-${flavour}`,
      tag: '1',
      flavour,
      wasm: await buildGuest(guest),
    });
    return reference;
  }

  /** Waits on a watch until an object of a list is as wished. @throws WasmletError that shows the last one seen */
  async waitFor<T extends KubeObject>(
    path: string,
    name: string,
    wished: (object: T) => boolean,
    timeoutMs = WAIT_MS,
  ): Promise<T> {
    return this.api.waitFor<T>(path, wished, { fieldSelector: `metadata.name=${name}`, timeoutMs });
  }
}

/** The only container status of a pod. */
export function containerStatus(pod: Pod, index = 0): ContainerStatus | undefined {
  return pod.status?.containerStatuses?.[index];
}

/** Whether a pod or node has condition Ready. */
export const isReady = (
  object: KubeObject & { status?: { conditions?: { type: string; status: string }[] } },
): boolean => object.status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') ?? false;

export const isEnded = (pod: Pod): boolean => pod.status?.phase === 'Succeeded' || pod.status?.phase === 'Failed';

let agents = 0;

/** Starts an agent and waits until its node is Ready. */
export async function startScene(
  cluster: TestCluster,
  config: Readonly<Record<string, unknown>> = {},
  command?: readonly string[],
): Promise<Scene & AsyncDisposable> {
  const nodeName = `wasm-${process.pid}-${(agents += 1)}-${randomBytes(2).toString('hex')}`;
  const api = await cluster.api();
  await cluster.kubectl.ok(['apply', '-f', join(PROJECT, 'manifests/runtimeclasses.yaml')]);
  const nodeLabels = { [NODE_LABEL]: nodeName };
  const agent = await TestAgent.start({
    nodeName,
    ...(isChartWanted()
      ? { config, configFor: (started) => chartConfig(cluster, started, nodeLabels) }
      : { config: { nodeLabels, ...config }, kubeconfig: await cluster.nodeKubeconfig(nodeName) }),
    ...(command ? { command } : {}),
  });
  const scene = Object.assign(new Scene(cluster, agent, api), {
    async [Symbol.asyncDispose](): Promise<void> {
      await agent[Symbol.asyncDispose]();
      await api.request('DELETE', `/api/v1/nodes/${nodeName}`);
    },
  });
  try {
    await scene.waitFor('/api/v1/nodes', nodeName, isReady);
    return scene;
  } catch (error) {
    await scene[Symbol.asyncDispose]();
    throw error;
  }
}

/**
 * A suite on the cluster with an agent of its own; skipped, visibly, where there can be no cluster.
 * @param body gets a function that gives the scene; call it inside a test
 */
export function describeScene(
  name: string,
  body: (scene: () => Scene) => void,
  config: Readonly<Record<string, unknown>> = {},
): void {
  describeOnCluster(name, () => {
    let scene: (Scene & AsyncDisposable) | undefined;
    beforeAll(async () => {
      scene = await startScene(useCluster(), config);
    });
    afterAll(async () => {
      await scene?.[Symbol.asyncDispose]();
    });
    body(() => {
      if (!scene) throw new Error('the scene is there inside tests only');
      return scene;
    });
  });
}
