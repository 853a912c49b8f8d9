import { randomBytes } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { isDeepStrictEqual } from 'node:util';
import { messageOf, WasmletError } from '../../base/errors.ts';
import { VERSION } from '../../base/version.ts';
import { timeNow } from '../host/timestamp.ts';
import type { ConfinementMode } from '../sandbox/confinement/select.ts';
import { defaultUserIds } from '../sandbox/confinement/user-ids.ts';
import type { UserIds } from '../sandbox/confinement/user-ids.ts';
import type { CniSettings } from '../sandbox/network/pod-networks.ts';
import type {
  ContainerConfig,
  ContainerFilter,
  ContainerStats,
  PodSandboxConfig,
  PodSandboxFilter,
  RuntimeCondition,
  RuntimeStatus,
  RuntimeVersion,
} from '../service.ts';
import { ContainerEntry } from './container.ts';
import type { SupervisorContext } from './context.ts';
import { bootId } from '../../base/process.ts';
import type { ControlledContainer } from './guest-control.ts';
import { matchesContainer, matchesSandbox } from './filters.ts';
import { containerDirectory, sandboxDirectory } from './records.ts';
import { SandboxEntry } from './sandbox.ts';
import { DEFAULT_MAX_PER_HOST } from './shared/placement.ts';

/** How a runtime handler runs its pods (see RuntimeHandlerConfig in client.ts). */
export interface Handlers {
  readonly handlers: Readonly<
    Record<string, { readonly engine: 'v8' | 'interpreter'; readonly isolation: 'process' | 'shared' }>
  >;
  readonly defaultHandler: string;
  /** Containers of one shared host at the most. */
  readonly maxContainersPerHost?: number;
  /** Whether guests may import wasmlet_posix_v1; by default they may. */
  readonly posixExtension?: boolean;
  /** Default: preferred. */
  readonly confinement?: ConfinementMode;
  /** Ids for hosts' own users; default: those that nobody is given. */
  readonly userIds?: UserIds;
  /** Without it pods share the node's network. */
  readonly cni?: CniSettings;
}

/** The version of service.ts. */
const SERVICE_VERSION = '1';

/** As containerd's: 64 hexadecimal digits, which is what log shippers look for in the names of the legacy links. */
const newId = (): string => randomBytes(32).toString('hex');

/** The sandboxes and containers of one node, and what CRI lets be done with them. */
export class Runtime {
  readonly sandboxes = new Map<string, SandboxEntry>();
  readonly containers = new Map<string, ContainerEntry>();
  readonly context: SupervisorContext;
  #handlers: Handlers;
  /** Sandboxes that are being created, by name, so that the same name is not given twice. */
  readonly #reserved = new Map<string, Promise<SandboxEntry>>();

  constructor(context: SupervisorContext, handlers: Handlers) {
    this.context = context;
    this.#handlers = handlers;
    this.#configureSharing(handlers);
  }

  #configureSharing({ cni, maxContainersPerHost = DEFAULT_MAX_PER_HOST }: Handlers): void {
    this.context.networks.configure(cni, maxContainersPerHost);
    this.context.sharedHosts.maxPerHost = maxContainersPerHost;
  }

  version(): RuntimeVersion {
    return { version: SERVICE_VERSION, runtimeName: 'wasmlet', runtimeVersion: VERSION };
  }

  async status(): Promise<RuntimeStatus> {
    const failure = this.context.pool.failure;
    const features = { recursiveReadOnlyMounts: false, userNamespaces: false };
    return {
      conditions: [
        {
          type: 'RuntimeReady',
          status: failure === undefined,
          reason: failure === undefined ? '' : 'HostStartFailed',
          message: failure ?? '',
        },
        await this.context.networks.condition(),
        confinementCondition(this.context.pool.confinement.missing),
        limitsCondition(this.context.cgroups?.failure ?? (this.context.cgroups ? undefined : NO_CGROUPS)),
      ],
      runtimeHandlers: ['', ...Object.keys(this.#handlers.handlers)].map((name) => ({ name, features })),
    };
  }

  /** Sandboxes that run go on as they began. */
  configure(handlers: Handlers): void {
    this.#handlers = handlers;
    this.context.policy.posixExtension = handlers.posixExtension ?? true;
    this.context.pool.giveUsers(handlers.userIds ?? defaultUserIds());
    this.context.confine(handlers.confinement ?? 'preferred');
    this.#configureSharing(handlers);
  }

  async runPodSandbox(config: PodSandboxConfig, runtimeHandler: string): Promise<string> {
    const { name, namespace, uid, attempt } = config.metadata;
    const key = [name, namespace, uid, attempt].join('_');
    const existing =
      this.#reserved.get(key) ??
      [...this.sandboxes.values()].find((entry) => isDeepStrictEqual(entry.metadata, config.metadata));
    if (existing) return sameSandbox(await existing, config, runtimeHandler);
    const created = this.#createSandbox(config, runtimeHandler);
    this.#reserved.set(key, created);
    try {
      return (await created).id;
    } finally {
      this.#reserved.delete(key);
    }
  }

  async #createSandbox(config: PodSandboxConfig, runtimeHandler: string): Promise<SandboxEntry> {
    const handlerName = runtimeHandler === '' ? this.#handlers.defaultHandler : runtimeHandler;
    const handler = Object.hasOwn(this.#handlers.handlers, handlerName)
      ? this.#handlers.handlers[handlerName]
      : undefined;
    if (!handler) {
      throw new WasmletError('InvalidArgument', `no runtime for ${JSON.stringify(handlerName)} is configured`);
    }
    const id = newId();
    const directory = sandboxDirectory(this.context.root, config.metadata, id);
    const { engine, isolation } = handler;
    const record = { id, config, runtimeHandler, engine, isolation, createdAt: timeNow(), bootId: bootId() };
    const entry = new SandboxEntry({ ...record, state: 'SANDBOX_READY' }, directory, this.context);
    try {
      await entry.create();
    } catch (error) {
      await entry
        .remove(() => this.#isLast(entry))
        .catch((failure: unknown) => {
          this.context.logger.error('a pod sandbox cannot be removed', { sandbox: id, error: messageOf(failure) });
          // As one that is not ready, so that whoever made it sees what there is to remove.
          this.sandboxes.set(id, entry);
        });
      throw error;
    }
    this.sandboxes.set(id, entry);
    return entry;
  }

  /** A container whose guest is to be stopped or looked into. @throws WasmletError NotFound */
  controlled(id: string): ControlledContainer {
    return { container: this.container(id), runDirectory: this.context.runDirectory };
  }

  async stopPodSandbox(id: string): Promise<void> {
    await this.sandboxes.get(id)?.stop();
  }

  async removePodSandbox(id: string): Promise<void> {
    const entry = this.sandboxes.get(id);
    if (!entry) return;
    await entry.remove(() => this.#isLast(entry));
    for (const container of entry.containers.values()) this.#forget(container);
    if (this.sandboxes.delete(id)) this.context.events.emit('CONTAINER_DELETED_EVENT', id, entry.metadata);
  }

  /** Whether a pod has no sandbox but this one, nor is one being created for it. */
  #isLast(entry: SandboxEntry): boolean {
    const { name, namespace, uid } = entry.metadata;
    const isOfPod = (other: SandboxEntry): boolean => other !== entry && other.metadata.uid === uid;
    if ([...this.sandboxes.values()].some(isOfPod)) return false;
    return ![...this.#reserved.keys()].some((key) => key.startsWith(`${name}_${namespace}_${uid}_`));
  }

  sandbox(id: string): SandboxEntry {
    const entry = this.sandboxes.get(id);
    if (!entry) throw new WasmletError('NotFound', `no pod sandbox ${id}`);
    return entry;
  }

  listPodSandbox(filter: PodSandboxFilter): SandboxEntry[] {
    return [...this.sandboxes.values()].filter((entry) => matchesSandbox(entry.summary(), filter));
  }

  createContainer(sandboxId: string, config: ContainerConfig): Promise<string> {
    const sandbox = this.sandbox(sandboxId);
    return sandbox.queue.run(async () => {
      if (!sandbox.ready) throw new WasmletError('FailedPrecondition', `pod sandbox ${sandboxId} is stopped`);
      const { name, attempt } = config.metadata;
      const existing = [...sandbox.containers.values()].find((entry) =>
        isDeepStrictEqual(entry.config.metadata, config.metadata),
      );
      if (existing) {
        // The answer to the same request was lost; anything else is a mistake, and containerd's wording for it.
        if (existing.state === 'CONTAINER_CREATED' && isDeepStrictEqual(existing.config, config)) return existing.id;
        throw new WasmletError(
          'AlreadyExists',
          `failed to reserve container name "${name}" (attempt ${attempt}): name is reserved for "${existing.id}"`,
        );
      }
      return await this.#createContainer(sandbox, config);
    });
  }

  async #createContainer(sandbox: SandboxEntry, config: ContainerConfig): Promise<string> {
    const id = newId();
    const directory = containerDirectory(sandbox.directory, id);
    const entry = new ContainerEntry(sandbox, { id, createdAt: timeNow(), config }, directory, this.context);
    try {
      await entry.create();
    } catch (error) {
      await rm(directory, { recursive: true, force: true });
      await entry.root.leaveImage();
      throw error;
    }
    sandbox.containers.set(id, entry);
    this.containers.set(id, entry);
    return id;
  }

  async startContainer(id: string): Promise<void> {
    await this.container(id).start();
  }

  async stopContainer(id: string, timeoutSeconds: number): Promise<void> {
    await this.containers.get(id)?.stop(timeoutSeconds);
  }

  async removeContainer(id: string): Promise<void> {
    const entry = this.containers.get(id);
    if (!entry) return;
    await entry.remove();
    this.#forget(entry);
  }

  #forget(entry: ContainerEntry): void {
    this.sandboxes.get(entry.owner.id)?.containers.delete(entry.id);
    if (!this.containers.delete(entry.id)) return;
    this.context.events.emit('CONTAINER_DELETED_EVENT', entry.id, entry.owner.metadata);
  }

  container(id: string): ContainerEntry {
    const entry = this.containers.get(id);
    if (!entry) throw new WasmletError('NotFound', `no container ${id}`);
    return entry;
  }

  listContainers(filter: ContainerFilter): ContainerEntry[] {
    return [...this.containers.values()].filter((entry) => matchesContainer(entry.summary(), filter));
  }

  async listContainerStats(filter: ContainerFilter): Promise<ContainerStats[]> {
    const stats = await Promise.all(
      this.listContainers(filter).map(async (entry): Promise<ContainerStats | undefined> => {
        const usage = await entry.usage();
        const { metadata, labels } = entry.config;
        if (!usage) return undefined;
        const writableLayer = await entry.root.usage();
        const { fuelUsed } = entry;
        const fuel = fuelUsed === undefined ? {} : { fuelUsed };
        return { id: entry.id, metadata, labels, timestamp: timeNow(), ...usage, writableLayer, ...fuel };
      }),
    );
    return stats.filter((entry) => entry !== undefined);
  }
}

const NO_CGROUPS = 'the machine has no control groups with the controllers memory and cpu';

/** Not CRI's: whether limits of CPU, memory and processes are held by the kernel. */
const limitsCondition = (failure: string | undefined): RuntimeCondition => ({
  type: 'ControlGroupsReady',
  status: failure === undefined,
  reason: failure === undefined ? '' : 'NoControlGroups',
  message: failure ?? '',
});

/** Not CRI's: whether hosts are confined by all means that there are. */
const confinementCondition = (missing: readonly string[]): RuntimeCondition => ({
  type: 'HostsConfined',
  status: missing.length === 0,
  reason: missing.length === 0 ? 'AllMeans' : 'MeansMissing',
  message: missing.length === 0 ? 'hosts are confined by all means' : missing.join('; '),
});

function sameSandbox(entry: SandboxEntry, config: PodSandboxConfig, runtimeHandler: string): string {
  const same = isDeepStrictEqual(entry.record.config, config) && entry.record.runtimeHandler === runtimeHandler;
  if (same && entry.ready) return entry.id;
  const { name, namespace, attempt } = config.metadata;
  throw new WasmletError(
    'AlreadyExists',
    `failed to reserve sandbox name "${namespace}/${name}" (attempt ${attempt}): name is reserved for "${entry.id}"`,
  );
}
