/**
 * A release of the chart on the test cluster, whose Linux nodes are missing: what would run in its pods is run here,
 * with the pod's arguments, configuration and service account. The controllers and Helm see no difference.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { parse } from 'yaml';
import type { ContainerStatus, KubeObject, Pod } from '../../agent/kube/types.ts';
import { PROJECT, TestAgent } from '../support/agent.ts';
import type { Api } from '../support/api.ts';
import { run } from '../support/command.ts';
import type { TestCluster } from '../support/fixture.ts';
import { freePort } from '../support/ports.ts';
import { writeAccountKubeconfig } from './chart-agent.ts';

const CLI = [process.execPath, join(PROJECT, 'agent/cli.ts')];
const LOOK_MS = 200;

interface ConfigMap extends KubeObject {
  readonly data: Readonly<Record<string, string>>;
}

/** Agent and runtime of one replica: its two containers. */
export interface Replica {
  /** Of the replica's pod. */
  readonly uid: string;
  readonly agent: TestAgent;
  readonly runtime: ChildProcess;
}

export interface ReleaseOptions {
  readonly cluster: TestCluster;
  readonly api: Api;
  readonly namespace: string;
  /** Configuration that a test needs beside the chart's: ports that are free, addresses of this machine. */
  readonly config?: Readonly<Record<string, unknown>>;
}

/** Runs what the pods of a namespace would, until it is disposed of. */
export class Release implements AsyncDisposable {
  readonly #options: ReleaseOptions;
  readonly #replicas = new Map<string, Replica>();
  readonly #done = new Set<string>();
  readonly #ended = new AbortController();
  readonly #looking: Promise<void>;

  constructor(options: ReleaseOptions) {
    this.#options = options;
    this.#looking = this.#look();
    // Thrown when it is disposed of; until then the test fails for want of what it waits for.
    this.#looking.catch(() => undefined);
  }

  replica(name: string): Replica {
    const replica = this.#replicas.get(name);
    if (!replica) throw new Error(`there is no replica ${name}`);
    return replica;
  }

  async #look(): Promise<void> {
    while (!this.#ended.signal.aborted) {
      const pods = await this.#pods();
      for (const [name, replica] of this.#replicas) {
        if (!pods.some(({ metadata }) => metadata?.uid === replica.uid)) await this.#end(name, replica, 'SIGTERM');
      }
      for (const pod of pods) await this.#run(pod);
      await delay(LOOK_MS, undefined, { signal: this.#ended.signal }).catch(() => undefined);
    }
  }

  async #pods(): Promise<Pod[]> {
    const { api, namespace } = this.#options;
    const { items } = (await api.request<{ items: Pod[] }>('GET', `/api/v1/namespaces/${namespace}/pods`)).body;
    return items;
  }

  async #run(pod: Pod): Promise<void> {
    const { name = '', uid = '', deletionTimestamp } = pod.metadata ?? {};
    if (deletionTimestamp !== undefined || this.#done.has(uid) || pod.spec?.runtimeClassName !== undefined) return;
    this.#done.add(uid);
    const args = pod.spec?.containers[0]?.args ?? [];
    if (args[0] === 'nodes') await this.#runToEnd(pod, args);
    else this.#replicas.set(name, await this.#start(pod));
  }

  /** A pod that ends: its container's arguments, as its service account. */
  async #runToEnd(pod: Pod, args: readonly string[]): Promise<void> {
    const { name = '' } = pod.metadata ?? {};
    const env = { ...process.env, KUBECONFIG: await this.#kubeconfigOf(pod) };
    const [program = '', ...rest] = CLI;
    const { exitCode, stderr } = await run(program, [...rest, ...args], { env, timeoutMs: 600_000 });
    if (exitCode !== 0) process.stderr.write(`${name}: ${args.join(' ')}: exit code ${exitCode}\n${stderr}`);
    await this.#report(pod, exitCode === 0 ? 'Succeeded' : 'Failed', exitCode);
  }

  async #report(pod: Pod, phase: string, exitCode: number): Promise<void> {
    const { name = '', namespace = '' } = pod.metadata ?? {};
    const statuses: Partial<ContainerStatus>[] = (pod.spec?.containers ?? []).map((container) => ({
      name: container.name,
      image: container.image ?? '',
      imageID: '',
      ready: false,
      restartCount: 0,
      state: { terminated: { exitCode, reason: exitCode === 0 ? 'Completed' : 'Error' } },
    }));
    const status = { phase, containerStatuses: statuses };
    const path = `/api/v1/namespaces/${namespace}/pods/${name}/status`;
    await this.#options.api.request('PATCH', path, { status }, 'application/strategic-merge-patch+json');
  }

  /** A kubeconfig with a token of the pod's service account, as the pod has one mounted. */
  async #kubeconfigOf({ metadata, spec }: Pod): Promise<string> {
    const { cluster, namespace } = this.#options;
    const path = join(cluster.facts.folder, `${metadata?.uid ?? ''}.kubeconfig`);
    return writeAccountKubeconfig(cluster, namespace, spec?.serviceAccountName ?? '', path);
  }

  /** The two containers of a replica: the runtime, then the agent. */
  async #start(pod: Pod): Promise<Replica> {
    const { namespace, api, config = {} } = this.#options;
    const { name = '', uid = '' } = pod.metadata ?? {};
    const mapName = pod.spec?.volumes?.find(({ configMap }) => configMap)?.configMap?.name ?? '';
    const path = `/api/v1/namespaces/${namespace}/configmaps/${mapName}`;
    const { data } = (await api.request<ConfigMap>('GET', path)).body;
    // Where the pod would have its volume, the agent has a folder of its own.
    const places = ['rootDir', 'podLogsDir', 'containerLogsDir'];
    const chart = Object.entries(parse(data['config.yaml'] ?? '') as Record<string, unknown>);
    const settings = {
      ...Object.fromEntries(chart.filter(([key]) => !places.includes(key))),
      bootstrapKubeconfig: await this.#kubeconfigOf(pod),
      port: await freePort(),
      ...config,
    };
    let runtime: ChildProcess | undefined;
    const agent = await TestAgent.start({
      nodeName: name,
      config: settings,
      prepare: async ({ rootDir, folder }) => {
        runtime = await startRuntime(folder, { ...settings, nodeName: name, rootDir });
      },
    });
    if (!runtime) throw new Error('the runtime was not started');
    return { uid, agent, runtime };
  }

  /** Ends the containers as a kubelet does: the agent, and when it has ended the sidecar. */
  async #end(name: string, { agent, runtime }: Replica, signal: NodeJS.Signals): Promise<void> {
    this.#replicas.delete(name);
    if (agent.isRunning) await agent.kill(signal);
    if (runtime.exitCode === null && runtime.signalCode === null) {
      const gone = once(runtime, 'exit');
      runtime.kill(signal);
      await gone;
    }
    await agent[Symbol.asyncDispose]();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ended.abort();
    await this.#looking.catch(() => undefined);
    for (const [name, replica] of this.#replicas) await this.#end(name, replica, 'SIGKILL');
  }
}

/** `wasmlet runtime`, the container beside the agent's. */
async function startRuntime(
  folder: string,
  config: { readonly rootDir: string; readonly nodeName: string },
): Promise<ChildProcess> {
  await mkdir(config.rootDir, { recursive: true });
  const file = join(folder, 'runtime.json');
  await writeFile(file, JSON.stringify(config));
  const [program = '', ...args] = CLI;
  const runtime = spawn(program, [...args, 'runtime', '--config', file], {
    cwd: config.rootDir,
    env: Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('WASMLET_'))),
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  await once(runtime, 'spawn');
  while (!existsSync(join(config.rootDir, 'runtime.sock'))) await delay(LOOK_MS);
  return runtime;
}
