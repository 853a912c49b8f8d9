import { WasmletError } from '../../../base/errors.ts';
import type {
  ContainerConfig,
  ContainerEvent,
  ContainerFilter,
  ContainerStatus,
  PodSandboxConfig,
  PodSandboxFilter,
  PodSandboxStatus,
  ExecSyncResult,
  RuntimeService,
} from '../../../runtime/service.ts';

type Mutable<T> = { -readonly [Key in keyof T]: T[Key] };
type FakeContainer = Mutable<ContainerStatus> & { config: ContainerConfig };

/** How the containers of one name behave. */
export interface Behaviour {
  /** Ends at once with this code; undefined: runs until it is stopped. */
  readonly exitCode?: number;
  readonly startError?: string;
  /** Milliseconds until it has ended after SIGTERM; Infinity: only by SIGKILL. */
  readonly stopsAfterMs?: number;
}

/** A runtime in memory that tells of every call, and fails where it is told to. */
export class FakeRuntime implements RuntimeService {
  readonly sandboxes = new Map<string, Mutable<PodSandboxStatus>>();
  readonly containers = new Map<string, FakeContainer>();
  readonly behaviours = new Map<string, Behaviour>();
  /** Calls that change something, as 'method argument'. */
  readonly calls: string[] = [];
  /** Methods that throw, until removed. */
  readonly faults = new Map<string, Error>();
  readonly #listeners = new Set<(event: ContainerEvent) => void>();
  #count = 0;

  version = () => Promise.resolve({ version: '1', runtimeName: 'wasmlet', runtimeVersion: '0' } as const);
  status = () => Promise.resolve({ conditions: [], runtimeHandlers: [] });
  listContainerStats = () => Promise.resolve([]);

  /** Commands that were run, and what each of them ends with. */
  readonly execs: (readonly [id: string, ...command: string[]])[] = [];
  execResult: () => Promise<ExecSyncResult> = () =>
    Promise.resolve({ stdout: new Uint8Array(0), stderr: new Uint8Array(0), exitCode: 0 });

  execSync(containerId: string, command: readonly string[]): Promise<ExecSyncResult> {
    this.execs.push([containerId, ...command]);
    return this.execResult();
  }

  [Symbol.asyncDispose] = () => Promise.resolve();

  runPodSandbox(config: PodSandboxConfig, runtimeHandler: string): Promise<string> {
    return this.#call('runPodSandbox', config.metadata.name, () => {
      const id = `sandbox-${++this.#count}`;
      const { metadata, labels, annotations } = config;
      this.sandboxes.set(id, {
        id,
        metadata,
        state: 'SANDBOX_READY',
        createdAt: this.#now(),
        runtimeHandler,
        labels,
        annotations,
        network: { ip: '', additionalIps: [] },
      });
      return id;
    });
  }

  stopPodSandbox(id: string): Promise<void> {
    return this.#call('stopPodSandbox', id, () => {
      const sandbox = this.sandboxes.get(id);
      if (sandbox) sandbox.state = 'SANDBOX_NOTREADY';
      for (const container of this.containers.values()) if (container.podSandboxId === id) this.exit(container.id, 137);
    });
  }

  removePodSandbox(id: string): Promise<void> {
    return this.#call('removePodSandbox', id, () => {
      this.sandboxes.delete(id);
      for (const [key, { podSandboxId }] of this.containers) if (podSandboxId === id) this.containers.delete(key);
    });
  }

  podSandboxStatus(id: string): Promise<PodSandboxStatus> {
    return this.#read('podSandboxStatus', () => ({ ...this.#find(this.sandboxes, id) }));
  }

  listPodSandbox(filter: PodSandboxFilter = {}): Promise<readonly PodSandboxStatus[]> {
    return this.#read('listPodSandbox', () => [...this.sandboxes.values()].filter((one) => matches(one, filter)));
  }

  createContainer(podSandboxId: string, config: ContainerConfig): Promise<string> {
    return this.#call('createContainer', config.metadata.name, () => {
      const id = `container-${++this.#count}`;
      this.containers.set(id, {
        id,
        podSandboxId,
        config,
        metadata: config.metadata,
        image: config.image,
        state: 'CONTAINER_CREATED',
        createdAt: this.#now(),
        labels: config.labels,
        annotations: config.annotations,
        reason: '',
        message: '',
        logPath: '',
        mounts: config.mounts,
      });
      return id;
    });
  }

  startContainer(id: string): Promise<void> {
    return this.#call('startContainer', this.#find(this.containers, id).metadata.name, () => {
      const container = this.#find(this.containers, id);
      const { exitCode, startError } = this.behaviours.get(container.metadata.name) ?? {};
      container.startedAt = this.#now();
      if (startError !== undefined) {
        this.#end(container, 128, 'StartError');
        throw new WasmletError('FailedPrecondition', startError);
      }
      container.state = 'CONTAINER_RUNNING';
      if (exitCode !== undefined) this.exit(id, exitCode);
    });
  }

  async stopContainer(id: string, timeoutSeconds: number): Promise<void> {
    const container = this.containers.get(id);
    await this.#call('stopContainer', `${container?.metadata.name ?? id} ${timeoutSeconds}`, () => undefined);
    if (container?.state !== 'CONTAINER_RUNNING') return;
    const { stopsAfterMs = 0 } = this.behaviours.get(container.metadata.name) ?? {};
    const waitMs = Math.min(stopsAfterMs, timeoutSeconds * 1000);
    if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs));
    this.exit(id, stopsAfterMs > timeoutSeconds * 1000 ? 137 : 143);
  }

  removeContainer(id: string): Promise<void> {
    return this.#call('removeContainer', this.containers.get(id)?.metadata.name ?? id, () => {
      this.containers.delete(id);
    });
  }

  containerStatus(id: string): Promise<ContainerStatus> {
    return this.#read('containerStatus', () => ({ ...this.#find(this.containers, id) }));
  }

  listContainers(filter: ContainerFilter = {}): Promise<readonly ContainerStatus[]> {
    return this.#read('listContainers', () => [...this.containers.values()].filter((one) => matches(one, filter)));
  }

  async *containerEvents(signal: AbortSignal): AsyncIterable<ContainerEvent> {
    const queue: ContainerEvent[] = [];
    let wake = Promise.withResolvers<undefined>();
    const listener = (event: ContainerEvent): void => {
      queue.push(event);
      wake.resolve(undefined);
    };
    const end = (): void => wake.resolve(undefined);
    this.#listeners.add(listener);
    signal.addEventListener('abort', end);
    try {
      while (!signal.aborted) {
        for (let event = queue.shift(); event; event = queue.shift()) yield event;
        await wake.promise;
        wake = Promise.withResolvers<undefined>();
      }
    } finally {
      this.#listeners.delete(listener);
      signal.removeEventListener('abort', end);
    }
  }

  /** Ends a container as if its program had. */
  exit(id: string, exitCode: number): void {
    const container = this.containers.get(id);
    if (container?.state === 'CONTAINER_RUNNING')
      this.#end(container, exitCode, exitCode === 0 ? 'Completed' : 'Error');
  }

  /** The newest container of a name. */
  latest(name: string): ContainerStatus | undefined {
    return [...this.containers.values()].filter(({ metadata }) => metadata.name === name).at(-1);
  }

  #end(container: FakeContainer, exitCode: number, reason: string): void {
    Object.assign(container, { state: 'CONTAINER_EXITED', exitCode, reason, finishedAt: this.#now() });
    const podSandboxMetadata = this.#find(this.sandboxes, container.podSandboxId).metadata;
    for (const listener of this.#listeners) {
      listener({
        type: 'CONTAINER_STOPPED_EVENT',
        containerId: container.id,
        createdAt: this.#now(),
        podSandboxMetadata,
      });
    }
  }

  #now(): string {
    return new Date().toISOString();
  }

  #find<T>(map: ReadonlyMap<string, T>, id: string): T {
    const found = map.get(id);
    if (!found) throw new WasmletError('NotFound', `no ${id}`);
    return found;
  }

  async #call<T>(method: string, argument: string, work: () => T): Promise<T> {
    this.calls.push(`${method} ${argument}`);
    return this.#read(method, work);
  }

  async #read<T>(method: string, work: () => T): Promise<T> {
    await Promise.resolve();
    const fault = this.faults.get(method);
    if (fault) throw fault;
    return work();
  }
}

function matches(
  { labels }: { readonly labels: Readonly<Record<string, string>> },
  { labelSelector = {} }: { readonly labelSelector?: Readonly<Record<string, string>> },
): boolean {
  return Object.entries(labelSelector).every(([key, value]) => labels[key] === value);
}
