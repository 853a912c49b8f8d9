import { randomUUID } from 'node:crypto';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { configSchema } from '../../agent/config/schema.ts';
import { silentLogger } from '../../base/log.ts';
import {
  connectRuntime,
  type LinuxContainerResources,
  type Mount,
  type RuntimeService,
} from '../../runtime/service.ts';
import { buildGuest, type GuestName } from '../support/guests.ts';

/** When the parts of one run came to pass, in milliseconds from its begin. */
export interface ContainerRun {
  readonly started: number;
  readonly ended: number;
  readonly logPath: string;
}

interface Supervisor {
  readonly stop: () => void;
  readonly ended: Promise<void>;
}

/** A runtime without an agent or Kubernetes, in a folder of its own. */
export class BareRuntime implements AsyncDisposable {
  readonly #service: RuntimeService;
  readonly #folder: string;
  readonly #supervisor: Supervisor;
  readonly #tree: string | undefined;

  private constructor(service: RuntimeService, folder: string, supervisor: Supervisor, tree: string | undefined) {
    this.#tree = tree;
    this.#service = service;
    this.#folder = folder;
    this.#supervisor = supervisor;
  }

  /**
   * @param more options of the supervisor
   * @param tree of the image of all containers; undefined: it has none
   */
  static async start(more: { readonly poolSize?: number } = {}, tree?: string): Promise<BareRuntime> {
    const folder = await mkdtemp(join(tmpdir(), 'wasmlet-bench-'));
    const config = configSchema.parse({});
    const options = {
      root: folder,
      socket: join(folder, 'runtime.sock'),
      handlers: config.runtimeHandlers,
      defaultHandler: config.defaultRuntimeHandler,
      logger: silentLogger,
      ...more,
    };
    const supervisor = new AbortController();
    // In this process, so that it ends with the benchmark; the hosts are processes as ever.
    const { runSupervisor } = await import('../../runtime/supervisor/run.ts');
    const ready = Promise.withResolvers<undefined>();
    const ended = runSupervisor(options, supervisor.signal, () => ready.resolve(undefined));
    ended.catch((error: unknown) => ready.reject(error as Error));
    try {
      await ready.promise;
      const service = await connectRuntime({ ...options, spawn: false });
      return new BareRuntime(service, folder, { stop: () => supervisor.abort(), ended }, tree);
    } catch (error) {
      supervisor.abort();
      await rm(folder, { recursive: true, force: true });
      throw error;
    }
  }

  /**
   * Starts so many containers, each in a pod sandbox of its own.
   * @returns removes them
   */
  async startMany(guest: GuestName, count: number, handler: string): Promise<() => Promise<void>> {
    const module = await buildGuest(guest);
    const sandboxes: string[] = [];
    for (let index = 0; index < count; index++) {
      const uid = randomUUID();
      const sandbox = await this.#service.runPodSandbox(sandboxConfig(uid, join(this.#folder, 'logs', uid)), handler);
      sandboxes.push(sandbox);
      await this.#service.startContainer(
        await this.#service.createContainer(sandbox, containerConfig(guest, module, [])),
      );
    }
    return async () => {
      for (const sandbox of sandboxes) await this.#service.removePodSandbox(sandbox);
    };
  }

  /** Starts a container in a shared host, in a pod sandbox of its own, which is removed when it is disposed of. */
  async start(
    guest: GuestName,
    args: readonly string[],
    resources: LinuxContainerResources,
  ): Promise<AsyncDisposable & { readonly id: string; readonly logPath: string }> {
    const module = await buildGuest(guest);
    const uid = randomUUID();
    const logDirectory = join(this.#folder, 'logs', uid);
    const sandbox = await this.#service.runPodSandbox(sandboxConfig(uid, logDirectory), 'wasm-shared');
    const config = { ...containerConfig(guest, module, args), resources };
    const id = await this.#service.createContainer(sandbox, config);
    await this.#service.startContainer(id);
    const remove = () => this.#service.removePodSandbox(sandbox);
    return { id, logPath: join(logDirectory, LOG_PATH), [Symbol.asyncDispose]: remove };
  }

  /** CPU time of a container. */
  async cpuSeconds(id: string): Promise<number> {
    const [stats] = await this.#service.listContainerStats({ id });
    return (stats?.cpuUsageCoreNanoSeconds ?? NaN) / 1e9;
  }

  /** Runs a container in a pod sandbox of its own to its end, and removes both. */
  async run(
    guest: GuestName,
    args: readonly string[] = [],
    handler = 'wasm',
    mounts: readonly Mount[] = [],
  ): Promise<ContainerRun> {
    const module = await buildGuest(guest);
    const uid = randomUUID();
    const logDirectory = join(this.#folder, 'logs', uid);
    await mkdir(join(logDirectory, 'app'), { recursive: true });
    const begin = performance.now();
    const stop = new AbortController();
    const ended = this.#end(uid, stop.signal);
    const sandbox = await this.#service.runPodSandbox(sandboxConfig(uid, logDirectory), handler);
    try {
      const config = containerConfig(guest, module, args);
      const image = this.#tree === undefined ? config.image : { ...config.image, tree: this.#tree };
      const id = await this.#service.createContainer(sandbox, { ...config, image, mounts });
      await this.#service.startContainer(id);
      const started = performance.now() - begin;
      const endedAt = (await this.#hasEnded(id)) ? performance.now() : await ended;
      return { started, ended: endedAt - begin, logPath: join(logDirectory, LOG_PATH) };
    } finally {
      stop.abort();
      await this.#service.removePodSandbox(sandbox);
    }
  }

  async #hasEnded(id: string): Promise<boolean> {
    return (await this.#service.containerStatus(id)).state === 'CONTAINER_EXITED';
  }

  async #end(uid: string, signal: AbortSignal): Promise<number> {
    try {
      for await (const event of this.#service.containerEvents(signal)) {
        if (event.podSandboxMetadata.uid === uid && event.type === 'CONTAINER_STOPPED_EVENT') return performance.now();
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    }
    return NaN;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#service[Symbol.asyncDispose]();
    this.#supervisor.stop();
    await this.#supervisor.ended;
    await rm(this.#folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

const LOG_PATH = 'app/0.log';

const sandboxConfig = (uid: string, logDirectory: string) => ({
  metadata: { name: 'bench', namespace: 'bench', uid, attempt: 0 },
  hostname: 'bench',
  logDirectory,
  portMappings: [],
  hostNetwork: true,
  labels: {},
  annotations: {},
});

const containerConfig = (guest: string, module: string, args: readonly string[]) => ({
  metadata: { name: 'app', attempt: 0 },
  image: { userSpecifiedImage: guest, imageRef: `sha256:${'0'.repeat(64)}`, module },
  args: [guest, ...args],
  workingDir: '/',
  envs: [],
  mounts: [],
  labels: {},
  annotations: {},
  logPath: LOG_PATH,
  logLimits: { maxSize: 2 ** 30, maxFiles: 5 },
  stdin: false,
  stdinOnce: false,
  tty: false,
  resources: { cpuPeriod: 0, cpuQuota: 0, cpuShares: 0, memoryLimitInBytes: 0 },
});
