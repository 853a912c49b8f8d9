/** A release of the chart on the test cluster: Helm's commands, the nodes that it makes, and pods on them. */
import { randomBytes } from 'node:crypto';
import { mkdtempDisposable } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'vitest';
import type { KubeObject, Node, Pod } from '../../agent/kube/types.ts';
import { containerStatus, isReady } from '../e2e/scene.ts';
import { PROJECT } from '../support/agent.ts';
import type { Api } from '../support/api.ts';
import { createNamespace, useCluster, type TestCluster } from '../support/fixture.ts';
import { buildGuest } from '../support/guests.ts';
import { pushImage } from '../support/push.ts';
import { CHART, createHelm, objectsOf, type Helm } from './helm.ts';

/** Of what a test waits for, where much else runs. */
const WAIT_MS = 300_000;

export class ChartRelease implements AsyncDisposable {
  readonly name = `wasmlet-${randomBytes(3).toString('hex')}`;
  readonly cluster: TestCluster;
  readonly api: Api;
  readonly helm: Helm;
  readonly namespace: string;
  readonly #stack: AsyncDisposableStack;
  /** Values of each command, as JSON by their path. */
  readonly #values: Readonly<Record<string, unknown>>;

  private constructor(
    made: Pick<ChartRelease, 'cluster' | 'api' | 'helm' | 'namespace'>,
    values: Readonly<Record<string, unknown>>,
    stack: AsyncDisposableStack,
  ) {
    this.cluster = made.cluster;
    this.api = made.api;
    this.helm = made.helm;
    this.namespace = made.namespace;
    this.#values = values;
    this.#stack = stack;
  }

  /** A namespace for it, and Helm; nothing is installed yet. */
  static async prepare(values: Readonly<Record<string, unknown>> = {}): Promise<ChartRelease> {
    await using stack = new AsyncDisposableStack();
    const cluster = useCluster();
    const folder = stack.use(await mkdtempDisposable(join(tmpdir(), 'wasmlet-helm-')));
    const helm = await createHelm(folder.path, cluster.facts.kubeconfig);
    const { name: namespace } = stack.use(await createNamespace('chart', cluster));
    await cluster.kubectl.ok(['apply', '-f', join(PROJECT, 'manifests/runtimeclasses.yaml')]);
    return new ChartRelease({ cluster, api: await cluster.api(), helm, namespace }, values, stack.move());
  }

  /** A command of Helm's on the release; `install` and `upgrade` with values, as JSON by their path. */
  async command(
    name: 'install' | 'upgrade' | 'test' | 'rollback' | 'uninstall',
    values: Readonly<Record<string, unknown>> = {},
  ): Promise<string> {
    const chart = name === 'install' || name === 'upgrade' ? [CHART, ...this.#sets(values)] : [];
    const revision = name === 'rollback' ? ['1'] : [];
    return this.helm.ok([name, this.name, ...revision, ...chart, ...this.#where, '--timeout', '9m']);
  }

  /** What it consists of. */
  async template(values: Readonly<Record<string, unknown>> = {}): Promise<KubeObject[]> {
    return objectsOf(await this.helm.ok(['template', this.name, CHART, ...this.#sets(values), ...this.#where]));
  }

  #sets(values: Readonly<Record<string, unknown>>): string[] {
    // The cluster's runtime classes are those of the other tests.
    const all = { 'runtimeClasses.create': false, ...this.#values, ...values };
    return Object.entries(all).flatMap(([key, value]) => ['--set-json', `${key}=${JSON.stringify(value)}`]);
  }

  /** Waits until every pod of the workload is that of the last command, and Ready. */
  async rolledOut(kind: 'daemonset' | 'statefulset'): Promise<void> {
    const status = ['rollout', 'status', `${kind}/${this.name}`, '--timeout=5m'];
    await this.cluster.kubectl.ok(['-n', this.namespace, ...status], { timeoutMs: WAIT_MS });
  }

  get #where(): string[] {
    return ['--namespace', this.namespace];
  }

  /** What its nodes carry. */
  get label(): Record<string, string> {
    return { 'wasmlet.dev/release': `${this.namespace}.${this.name}` };
  }

  /** Names of its nodes. */
  async nodes(): Promise<(string | undefined)[]> {
    const selector = encodeURIComponent(Object.entries(this.label).flat().join('='));
    const { body } = await this.api.request<{ items: Node[] }>('GET', `/api/v1/nodes?labelSelector=${selector}`);
    return body.items.map(({ metadata }) => metadata?.name).toSorted();
  }

  /** Waits until a node is Ready. */
  async node(name: string): Promise<Node> {
    const options = { fieldSelector: `metadata.name=${name}`, timeoutMs: WAIT_MS };
    return this.api.waitFor<Node>('/api/v1/nodes', isReady, options);
  }

  /** A Deployment that counts, ten numbers a second, on the release's nodes. */
  async deployTicker(replicas: number): Promise<void> {
    const { reference } = await pushImage({
      registry: this.cluster.registry,
      repository: 'test/ticker-chart',
      tag: '1',
      flavour: 'cncf',
      wasm: await buildGuest('ticker'),
    });
    const matchLabels = { app: 'ticker' };
    const spec = {
      runtimeClassName: 'wasm',
      nodeSelector: this.label,
      terminationGracePeriodSeconds: 1,
      topologySpreadConstraints: [
        {
          maxSkew: 1,
          topologyKey: 'kubernetes.io/hostname',
          whenUnsatisfiable: 'DoNotSchedule',
          // A cordoned node is none to spread to.
          nodeTaintsPolicy: 'Honor',
          labelSelector: { matchLabels },
        },
      ],
      containers: [{ name: 'ticker', image: reference, args: ['100', '1000000'] }],
    };
    const deployment = {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name: 'ticker', namespace: this.namespace },
      spec: { replicas, selector: { matchLabels }, template: { metadata: { labels: matchLabels }, spec } },
    };
    await this.cluster.kubectl.ok(['apply', '-f', '-'], { input: JSON.stringify(deployment) });
  }

  async tickers(): Promise<Pod[]> {
    const path = `/api/v1/namespaces/${this.namespace}/pods?labelSelector=app%3Dticker`;
    return (await this.api.request<{ items: Pod[] }>('GET', path)).body.items;
  }

  /** Waits until so many of them run on some nodes, and returns these. */
  async running(count: number, on: readonly string[]): Promise<Pod[]> {
    let found: Pod[] = [];
    const check = async () => {
      found = (await this.tickers()).filter(
        ({ metadata, spec, status }) =>
          metadata?.deletionTimestamp === undefined && status?.phase === 'Running' && on.includes(spec?.nodeName ?? ''),
      );
      return found.length;
    };
    await expect.poll(check, { timeout: WAIT_MS, interval: 500 }).toBe(count);
    return found;
  }

  /** Expects of tickers that each of their numbers is logged once. */
  async expectWholeLogs(pods: readonly Pod[]): Promise<void> {
    for (const { metadata } of pods) {
      const log = await this.cluster.kubectl.ok(['-n', this.namespace, 'logs', metadata?.name ?? '']);
      const numbers = log.trimEnd().split('\n').map(Number);
      expect(numbers).toEqual(numbers.map((_, index) => index + 1));
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack[Symbol.asyncDispose]();
  }
}

/** Of each pod's only container. */
export const containerIds = (pods: readonly Pod[]): (string | undefined)[] =>
  pods.map((pod) => containerStatus(pod)?.containerID).toSorted();
