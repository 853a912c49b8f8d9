import { chownSync, mkdirSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createConnection } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { KubeObject, Pod } from '../../agent/kube/types.ts';
import type { ClusterAccess } from '../cluster/access.ts';
import type { Api } from '../support/api.ts';
import type { Container, ContainerMount, LinuxMachine } from './linux-machine.ts';

export interface PodOnMachineOptions {
  readonly cluster: ClusterAccess;
  readonly api: Api;
  readonly machine: LinuxMachine;
  /** The folders of an image, the topmost first, by its reference. */
  readonly images: ReadonlyMap<string, readonly string[]>;
  readonly pod: Pod;
}

type PodSpec = NonNullable<Pod['spec']>;
type ContainerSpec = PodSpec['containers'][number];
type Volume = NonNullable<PodSpec['volumes']>[number];

interface Claim extends KubeObject {
  readonly spec: { readonly volumeName?: string };
}

interface PersistentVolume extends KubeObject {
  readonly spec: { readonly nfs?: { readonly path: string } };
}

/** Of the node and, since they are on its network, of its pods. */
export const ADDRESS = '127.0.0.1';
/** What the Dockerfile names. */
const ENTRYPOINT = ['/usr/local/bin/node', '/opt/wasmlet/cli.mjs'];
const POLL_MS = 250;
/** Of a container that ended by itself. */
const BACK_OFF_MS = 1000;
const DEFAULT_GRACE_S = 30;

/** A pod of the chart and its containers, from its start to its end. */
export class PodOnMachine {
  readonly pod: Pod;
  readonly #options: PodOnMachineOptions;
  readonly #containers = new Map<string, Container>();
  readonly #restarts = new Map<string, number>();
  readonly #volumes = new Map<string, string>();
  readonly #ending = new AbortController();
  readonly #work: Promise<unknown>[] = [];
  #end: Promise<void> | undefined;

  constructor(options: PodOnMachineOptions) {
    this.#options = options;
    this.pod = options.pod;
  }

  get path(): string {
    const { namespace = '', name = '' } = this.pod.metadata ?? {};
    return `/api/v1/namespaces/${namespace}/pods/${name}`;
  }

  /** A container that runs. @throws Error when it does not */
  container(name: string): Container {
    const container = this.#containers.get(name);
    if (!container) throw new Error(`container ${name} of ${this.path} does not run`);
    return container;
  }

  /** Whether all its containers run and their ports are open. */
  async isReady(): Promise<boolean> {
    return (await Promise.all(this.#spec.containers.map((spec) => this.#isReady(spec)))).every(Boolean);
  }

  /** How often a container was started again. */
  restarts(name: string): number {
    return this.#restarts.get(name) ?? 0;
  }

  start(): void {
    this.#do(this.#run());
  }

  /** Ends the containers as a kubelet does, the sidecars last, and lets go of the pod. */
  end(): Promise<void> {
    this.#end ??= this.#endInOrder();
    return this.#end;
  }

  /** Ends all at once, untold. */
  async kill(): Promise<void> {
    this.#ending.abort();
    await Promise.all([...this.#containers.values()].map((container) => container.kill('SIGKILL')));
    await Promise.all(this.#work);
  }

  /** What goes wrong is told at once: the test itself only sees that something does not come. */
  #do(work: Promise<unknown>): void {
    this.#work.push(
      work.catch((error: unknown) => {
        if (!this.#ending.signal.aborted) process.stderr.write(`${this.path}: ${String(error)}\n`);
      }),
    );
  }

  get #spec(): PodSpec {
    if (!this.pod.spec) throw new Error(`${this.path} has no spec`);
    return this.pod.spec;
  }

  get #sidecars(): ContainerSpec[] {
    return (this.#spec.initContainers ?? []).filter(({ restartPolicy }) => restartPolicy === 'Always');
  }

  async #run(): Promise<void> {
    for (const volume of this.#spec.volumes ?? []) this.#volumes.set(volume.name, await this.#makeVolume(volume));
    for (const init of this.#spec.initContainers ?? []) {
      if (init.restartPolicy === 'Always') await this.#startSidecar(init);
      else await this.#runInit(init);
    }
    const { restartPolicy, containers } = this.#spec;
    if (restartPolicy === 'Never') {
      const codes = await Promise.all(containers.map(async (spec) => (await this.#begin(spec)).ended));
      await this.#report(codes.every((code) => code === 0) ? 'Succeeded' : 'Failed', false);
      return;
    }
    for (const spec of containers) this.#do(this.#keepRunning(spec));
    await this.#tellReadiness();
  }

  async #runInit(spec: ContainerSpec): Promise<void> {
    while (!this.#ending.signal.aborted) {
      const container = await this.#begin(spec);
      if ((await container.ended) === 0) return;
      process.stderr.write(`${this.path}: ${spec.name} failed:\n${container.log}\n`);
      await delay(BACK_OFF_MS);
    }
  }

  async #startSidecar(spec: ContainerSpec): Promise<void> {
    this.#do(this.#keepRunning(spec));
    const probe = spec.startupProbe?.exec?.command;
    while (probe && this.#containers.get(spec.name)?.exec(probe) !== true) {
      this.#ending.signal.throwIfAborted();
      await delay(POLL_MS);
    }
  }

  /** A container that is started again whenever it ends, until the pod does. */
  async #keepRunning(spec: ContainerSpec): Promise<void> {
    while (!this.#ending.signal.aborted) {
      const container = await this.#begin(spec);
      const code = await container.ended;
      this.#containers.delete(spec.name);
      if (code !== 0 && !container.wasKilled) {
        process.stderr.write(`${this.path}: ${spec.name} failed:\n${container.log}\n`);
      }
      this.#restarts.set(spec.name, this.restarts(spec.name) + 1);
      await delay(BACK_OFF_MS, undefined, { signal: this.#ending.signal }).catch(() => undefined);
    }
  }

  async #begin(spec: ContainerSpec): Promise<Container> {
    const { machine, images } = this.#options;
    const image = images.get(spec.image ?? '');
    if (!image) throw new Error(`there is no image ${spec.image ?? ''}`);
    const user = this.#spec.securityContext?.runAsUser;
    const container = await machine.run({
      name: spec.name,
      image,
      command: [...(spec.command ?? ENTRYPOINT), ...(spec.args ?? [])],
      env: this.#environment(spec),
      mounts: this.#mounts(spec),
      hostPID: this.#spec.hostPID ?? false,
      ...(user === undefined ? {} : { user }),
    });
    this.#containers.set(spec.name, container);
    if (this.#ending.signal.aborted) await container.kill('SIGKILL');
    return container;
  }

  #environment({ env = [] }: ContainerSpec): Record<string, string> {
    const { hostname, port } = new URL(this.#options.cluster.server);
    const made: Record<string, string> = { KUBERNETES_SERVICE_HOST: hostname, KUBERNETES_SERVICE_PORT: port };
    const fields: Record<string, string | undefined> = {
      'metadata.name': this.pod.metadata?.name,
      'spec.nodeName': this.#spec.nodeName,
      'status.hostIP': ADDRESS,
      'status.podIP': ADDRESS,
    };
    for (const { name, value, valueFrom } of env) {
      const field = fields[valueFrom?.fieldRef?.fieldPath ?? ''];
      const expanded = value?.replace(/\$\((\w+)\)/g, (whole, variable: string) => made[variable] ?? whole);
      made[name] = field ?? expanded ?? '';
    }
    return made;
  }

  #mounts({ volumeMounts = [] }: ContainerSpec): ContainerMount[] {
    return volumeMounts.map(({ name, mountPath, readOnly, mountPropagation }) => ({
      source: this.#volumes.get(name) ?? '',
      target: mountPath,
      readOnly: readOnly ?? false,
      shared: mountPropagation === 'Bidirectional',
    }));
  }

  /** @returns its folder on the machine */
  async #makeVolume({ name, hostPath, configMap, projected, persistentVolumeClaim }: Volume): Promise<string> {
    const { machine, api, cluster } = this.#options;
    const { uid = '', namespace = '' } = this.pod.metadata ?? {};
    if (hostPath) {
      mkdirSync(machine.path(hostPath.path), { recursive: true });
      return hostPath.path;
    }
    const folder = persistentVolumeClaim
      ? await this.#claimed(namespace, persistentVolumeClaim.claimName)
      : join(machine.folder, 'pods', uid, name);
    mkdirSync(folder, { recursive: true });
    const files: Record<string, string> = {};
    if (configMap) {
      const path = `/api/v1/namespaces/${namespace}/configmaps/${configMap.name ?? ''}`;
      const { body } = await api.request<KubeObject & { data: Record<string, string> }>('GET', path);
      Object.assign(files, body.data);
    }
    if (projected) {
      const account = this.#spec.serviceAccountName ?? 'default';
      files['token'] = (await cluster.kubectl.ok(['-n', namespace, 'create', 'token', account])).trim();
      files['ca.crt'] = await readFile(cluster.caFile, 'utf8');
      files['namespace'] = namespace;
    }
    for (const [file, content] of Object.entries(files)) writeFileSync(join(folder, file), content);
    const { fsGroup } = this.#spec.securityContext ?? {};
    if (fsGroup !== undefined) chownSync(folder, fsGroup, fsGroup);
    return folder;
  }

  /** The folder of the volume that a claim is bound to: of a server that every machine reaches. */
  async #claimed(namespace: string, claimName: string): Promise<string> {
    const { api } = this.#options;
    const claim = `/api/v1/namespaces/${namespace}/persistentvolumeclaims/${claimName}`;
    const { volumeName = '' } = (await api.request<Claim>('GET', claim)).body.spec;
    const volume = `/api/v1/persistentvolumes/${volumeName}`;
    const { nfs } = (await api.request<PersistentVolume>('GET', volume)).body.spec;
    if (!nfs) throw new Error(`claim ${claimName} is not bound to a volume of a server`);
    return nfs.path;
  }

  /** Reports that it runs, and whether its ports are open, until it ends. */
  async #tellReadiness(): Promise<void> {
    let told: string | undefined;
    while (!this.#ending.signal.aborted) {
      const ready = await this.isReady();
      const state = JSON.stringify([ready, [...this.#restarts]]);
      if (state !== told) await this.#report('Running', ready);
      told = state;
      await delay(POLL_MS, undefined, { signal: this.#ending.signal }).catch(() => undefined);
    }
  }

  async #isReady({ name, readinessProbe, ports = [] }: ContainerSpec): Promise<boolean> {
    if (!this.#containers.has(name)) return false;
    const wished = readinessProbe?.tcpSocket?.port;
    const port = ports.find((each) => each.name === wished)?.containerPort;
    return port === undefined || isOpen(port);
  }

  async #report(phase: 'Running' | 'Succeeded' | 'Failed', ready: boolean): Promise<void> {
    const is = (type: string, yes: boolean) => ({ type, status: yes ? 'True' : 'False' });
    const state = phase === 'Running' ? { running: {} } : { terminated: { exitCode: phase === 'Failed' ? 1 : 0 } };
    const status = {
      phase,
      hostIP: ADDRESS,
      podIP: ADDRESS,
      conditions: [is('Initialized', true), is('ContainersReady', ready), is('Ready', ready)],
      containerStatuses: this.#spec.containers.map(({ name, image }) => ({
        ...{ name, image, imageID: image, ready, state },
        restartCount: this.restarts(name),
      })),
    };
    await this.#options.api.request(
      'PATCH',
      `${this.path}/status`,
      { status },
      'application/strategic-merge-patch+json',
    );
  }

  async #endInOrder(): Promise<void> {
    this.#ending.abort();
    const grace = AbortSignal.timeout((this.#spec.terminationGracePeriodSeconds ?? DEFAULT_GRACE_S) * 1000);
    const sidecars = new Set(this.#sidecars.map(({ name }) => name));
    const [first, last] = [false, true].map((late) =>
      [...this.#containers].filter(([name]) => sidecars.has(name) === late).map(([, container]) => container),
    );
    for (const containers of [first ?? [], last ?? []]) {
      await Promise.all(
        containers.map(async (container) => {
          const killed = () => void container.kill('SIGKILL');
          grace.addEventListener('abort', killed);
          await container.kill('SIGTERM');
          grace.removeEventListener('abort', killed);
        }),
      );
    }
    await Promise.all(this.#work);
    await this.remove();
  }

  /** Lets go of the pod's object, and of no other by its name. */
  async remove(): Promise<void> {
    const { uid = '' } = this.pod.metadata ?? {};
    const options = { apiVersion: 'v1', kind: 'DeleteOptions', gracePeriodSeconds: 0, preconditions: { uid } };
    await this.#options.api.request('DELETE', this.path, options);
  }
}

function isOpen(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection({ host: ADDRESS, port });
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });
}
