import { hasCode, WasmletError } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import { RuntimeConnection } from './connection.ts';
import type { Method, Params, Result } from './protocol.ts';
import type { ContainerEvent, ExecSyncResult, GuestControlService, RuntimeService } from './service.ts';
import type { UserIds } from './sandbox/confinement/user-ids.ts';
import type { ConfinementMode } from './sandbox/confinement/select.ts';
import { startSupervisor } from './spawn-supervisor.ts';

export interface RuntimeHandlerConfig {
  readonly engine: 'v8' | 'interpreter';
  readonly isolation: 'process' | 'shared';
}

export interface ConnectRuntimeOptions {
  /** The runtime's state folder: `<root>` of the agent's config. */
  readonly root: string;
  /** Path of the supervisor's Unix socket. */
  readonly socket: string;
  /** Start a supervisor (detached, so that it outlives the agent) when none answers on the socket. */
  readonly spawn: boolean;
  /** Given to a supervisor that is started; runtime class handler names to how they run. */
  readonly handlers: Readonly<Record<string, RuntimeHandlerConfig>>;
  /** Which of them runs pods without a runtime class. */
  readonly defaultHandler: string;
  /** Whether guests may import wasmlet_posix_v1 (docs/wasi-posix.md); default: they may. */
  readonly posixExtension?: boolean;
  /** Containers that share one host process at the most, where their handler's isolation is 'shared'; default 250. */
  readonly maxContainersPerHost?: number;
  /** How far hosts have to be confined (docs/confinement.md); default: as far as the machine allows. */
  readonly confinement?: ConfinementMode;
  /** Ids for hosts' own users; default: those that nobody is given (defaultUserIds). */
  readonly userIds?: UserIds;
  /** Where CNI's configuration and plugins are (docs/network.md); without it pods share the node's network. */
  readonly cni?: { readonly confDir: string; readonly binDir: string };
  /** Leaves the supervisor configured as it is: for who only looks, or acts on what runs. Default false. */
  readonly keepConfiguration?: boolean;
  readonly logger: Logger;
  /** Put before the command of a supervisor that is started: what starts it elsewhere than beside this process. */
  readonly launcher?: readonly string[];
  /** File of the supervisor that is started; default: the one of this release. */
  readonly supervisor?: string;
}

/** As the kubelet's runtimeRequestTimeout. */
const REQUEST_TIMEOUT_MS = 120_000;

/** Creating a container copies its image's tree; starting waits for the host (see START_TIMEOUT_MS there). */
const LONG_REQUEST_TIMEOUT_MS = 240_000;

/** containerd's maxExecSyncSize: bytes of each stream that ExecSync gives back. */
const MAX_EXEC_SYNC_BYTES = 16 * 1024 * 1024;

const OPEN_ATTEMPTS = 3;

/**
 * Connects to the supervisor; connects again (and starts it again) whenever it was lost, at the next call.
 * @throws WasmletError Unavailable when there is none and none can be started
 */
export async function connectRuntime(options: ConnectRuntimeOptions): Promise<RuntimeService & GuestControlService> {
  const client = new RuntimeClient(options);
  await client.connect();
  return client;
}

class RuntimeClient implements RuntimeService, GuestControlService {
  readonly #options: ConnectRuntimeOptions;
  #connecting: Promise<RuntimeConnection> | undefined;
  #closed = false;

  constructor(options: ConnectRuntimeOptions) {
    this.#options = options;
  }

  /** The connection, made (and the supervisor started) if there is none. Calls at the same time share one attempt. */
  async connect(): Promise<RuntimeConnection> {
    if (this.#closed) throw new WasmletError('Cancelled', 'the runtime client is closed');
    this.#connecting ??= this.#open();
    const attempt = this.#connecting;
    try {
      const connection = await attempt;
      if (!connection.closed) return connection;
    } catch (error) {
      if (this.#connecting === attempt) this.#connecting = undefined;
      throw error;
    }
    if (this.#connecting === attempt) this.#connecting = undefined;
    return await this.connect();
  }

  /** A supervisor that is being killed may still accept, and answer nothing: then the next attempt finds the next. */
  async #open(): Promise<RuntimeConnection> {
    for (let attempt = 1; ; attempt++) {
      const connection = await this.#reach();
      try {
        if (this.#options.keepConfiguration !== true) await this.#configure(connection);
        return connection;
      } catch (error) {
        connection.close();
        if (attempt === OPEN_ATTEMPTS || !hasCode(error, 'Unavailable')) throw error;
      }
    }
  }

  async #configure(connection: RuntimeConnection): Promise<void> {
    const { handlers, defaultHandler, posixExtension = true, confinement = 'preferred' } = this.#options;
    const { maxContainersPerHost, userIds, cni } = this.#options;
    const configuration = {
      handlers: { ...handlers },
      ...{ defaultHandler, posixExtension, confinement },
      ...(maxContainersPerHost === undefined ? {} : { maxContainersPerHost }),
      ...(userIds ? { userIds } : {}),
      ...(cni ? { cni } : {}),
    };
    await connection.request('configure', [configuration], REQUEST_TIMEOUT_MS);
  }

  async #reach(): Promise<RuntimeConnection> {
    const { socket, spawn } = this.#options;
    const connection = await RuntimeConnection.open(socket);
    if (connection) return connection;
    if (spawn) return await startSupervisor(this.#options);
    throw new WasmletError('Unavailable', `no runtime supervisor answers on ${socket}; start one: wasmlet runtime`);
  }

  async #call<M extends Method>(method: M, params: Params<M>, timeoutMs = REQUEST_TIMEOUT_MS): Promise<Result<M>> {
    return await (await this.connect()).request(method, params, timeoutMs);
  }

  /** A call without a result. */
  async #order<M extends Method>(method: M, params: Params<M>, timeoutMs?: number): Promise<void> {
    await this.#call(method, params, timeoutMs);
  }

  version: RuntimeService['version'] = () => this.#call('version', []);
  status: RuntimeService['status'] = () => this.#call('status', []);

  runPodSandbox: RuntimeService['runPodSandbox'] = (config, handler) =>
    this.#call('runPodSandbox', [config, handler], LONG_REQUEST_TIMEOUT_MS);
  stopPodSandbox: RuntimeService['stopPodSandbox'] = (id) =>
    this.#order('stopPodSandbox', [id], LONG_REQUEST_TIMEOUT_MS);
  removePodSandbox: RuntimeService['removePodSandbox'] = (id) =>
    this.#order('removePodSandbox', [id], LONG_REQUEST_TIMEOUT_MS);
  podSandboxStatus: RuntimeService['podSandboxStatus'] = (id) => this.#call('podSandboxStatus', [id]);
  listPodSandbox: RuntimeService['listPodSandbox'] = (filter = {}) => this.#call('listPodSandbox', [filter]);

  createContainer: RuntimeService['createContainer'] = (id, config) =>
    this.#call('createContainer', [id, config], LONG_REQUEST_TIMEOUT_MS);
  startContainer: RuntimeService['startContainer'] = (id) =>
    this.#order('startContainer', [id], LONG_REQUEST_TIMEOUT_MS);
  stopContainer: RuntimeService['stopContainer'] = (id, timeoutSeconds) =>
    this.#order('stopContainer', [id, timeoutSeconds], REQUEST_TIMEOUT_MS + timeoutSeconds * 1000);
  removeContainer: RuntimeService['removeContainer'] = (id) => this.#order('removeContainer', [id]);
  containerStatus: RuntimeService['containerStatus'] = (id) => this.#call('containerStatus', [id]);
  listContainers: RuntimeService['listContainers'] = (filter = {}) => this.#call('listContainers', [filter]);
  listContainerStats: RuntimeService['listContainerStats'] = (filter = {}) =>
    this.#call('listContainerStats', [filter]);

  pauseContainer: GuestControlService['pauseContainer'] = (id) => this.#order('pauseContainer', [id]);
  resumeContainer: GuestControlService['resumeContainer'] = (id) => this.#order('resumeContainer', [id]);
  containerStack: GuestControlService['containerStack'] = (id) => this.#call('containerStack', [id]);
  async profileContainer(id: string, milliseconds: number): Promise<Uint8Array> {
    const data = await this.#call('profileContainer', [id, milliseconds], REQUEST_TIMEOUT_MS + milliseconds);
    return Buffer.from(data, 'base64');
  }
  checkpointContainer: GuestControlService['checkpointContainer'] = (id, location) =>
    this.#order('checkpointContainer', [id, location]);

  async execSync(
    containerId: string,
    command: readonly string[],
    timeoutSeconds: number,
    signal?: AbortSignal,
  ): Promise<ExecSyncResult> {
    const connection = await this.connect();
    const written = { stdout: [] as Buffer[], stderr: [] as Buffer[] };
    const request = { command: [...command], timeoutSeconds, maxOutputBytes: MAX_EXEC_SYNC_BYTES };
    const { exitCode } = await connection.exec([containerId, request], {
      timeoutMs: timeoutSeconds === 0 ? Infinity : LONG_REQUEST_TIMEOUT_MS + timeoutSeconds * 1000,
      signal,
      onOutput: ({ stream, data }) => void written[stream].push(Buffer.from(data, 'base64')),
    });
    return { stdout: Buffer.concat(written.stdout), stderr: Buffer.concat(written.stderr), exitCode };
  }

  containerEvents(signal: AbortSignal): AsyncIterable<ContainerEvent> {
    const subscribed = this.connect().then((connection) => connection.events(signal, REQUEST_TIMEOUT_MS));
    // Told to whoever reads the stream.
    subscribed.catch(() => undefined);
    return (async function* () {
      yield* await subscribed;
    })();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    const connection = await this.#connecting?.catch(() => undefined);
    connection?.close();
  }
}
