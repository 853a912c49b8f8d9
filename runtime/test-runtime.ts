import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import wabt from 'wabt';
import { silentLogger } from '../base/log.ts';
import { connectRuntime } from './client.ts';
import type { ConnectRuntimeOptions } from './client.ts';
import type { ContainerConfig, ContainerEvent, ContainerStatus, PodSandboxConfig, RuntimeService } from './service.ts';
import { identityOf, isAlive } from '../base/process.ts';
import { pathsBelow, testFolder } from './test-folder.ts';

/** A runtime on a folder of its own, for tests: real processes, ended when it is disposed of. */
export class TestRuntime implements AsyncDisposable {
  readonly root: string;
  readonly options: ConnectRuntimeOptions;
  readonly #folder: ReturnType<typeof testFolder>;
  #service: RuntimeService;
  #sandboxes = 0;

  private constructor(folder: ReturnType<typeof testFolder>, options: ConnectRuntimeOptions, service: RuntimeService) {
    this.#folder = folder;
    this.root = options.root;
    this.options = options;
    this.#service = service;
  }

  get service(): RuntimeService {
    return this.#service;
  }

  /**
   * @param supervisor a bundled supervisor to run in place of the sources
   * @param change of how it is configured
   */
  static async start(supervisor?: string, change: Pick<ConnectRuntimeOptions, 'userIds'> = {}): Promise<TestRuntime> {
    const folder = testFolder();
    const root = join(folder.path, 'r');
    mkdirSync(root);
    const options: ConnectRuntimeOptions = {
      root,
      socket: join(root, 'runtime.sock'),
      spawn: true,
      handlers: {
        wasm: { engine: 'v8', isolation: 'process' },
        'wasm-shared': { engine: 'v8', isolation: 'shared' },
        'wasm-interpreter': { engine: 'interpreter', isolation: 'process' },
      },
      defaultHandler: 'wasm',
      logger: silentLogger,
      ...(supervisor === undefined ? {} : { supervisor }),
      ...change,
    };
    return new TestRuntime(folder, options, await connectRuntime(options));
  }

  /** Another client of the same supervisor. */
  connect(): Promise<RuntimeService> {
    return connectRuntime(this.options);
  }

  /** Does something while the supervisor has no client of this object's, and connects anew. */
  async withoutClient(act: () => Promise<void>): Promise<void> {
    await this.#service[Symbol.asyncDispose]();
    await act();
    this.#service = await this.connect();
  }

  get logs(): string {
    return join(this.#folder.path, 'logs');
  }

  /** The supervisors that live, also one that is about to find that there is another: who writes to this root's log. */
  supervisors(): number[] {
    const log = join(this.root, 'runtime', 'supervisor.log');
    return processes().filter((pid) => linkOf(`/proc/${pid}/fd/2`) === log);
  }

  /** The one supervisor. */
  async supervisor(): Promise<number> {
    await until(() => this.supervisors().length === 1);
    const [pid] = this.supervisors();
    if (pid === undefined) throw new Error('the supervisor has ended');
    return pid;
  }

  /** kill -9, and waits until the process is gone. */
  async killSupervisor(): Promise<void> {
    await this.#end(await this.supervisor(), 'SIGKILL');
  }

  /** Waits until the client has noticed that its supervisor is gone, and has another. */
  async answers(): Promise<void> {
    await until(async () => (await this.service.version().catch(() => undefined)) !== undefined);
  }

  async #end(pid: number, signal: NodeJS.Signals): Promise<void> {
    const identity = identityOf(pid);
    process.kill(pid, signal);
    await until(() => !isAlive(identity));
  }

  /** Host processes of this root that wait for a container: the stderr of others lies in their container's folder. */
  waitingHosts(): number[] {
    return processes().filter((pid) => linkOf(`/proc/${pid}/fd/2`)?.startsWith(join(this.root, 'run/')) === true);
  }

  /** All host processes of this root. */
  hosts(): number[] {
    const folders = ['run/', 'pods/'].map((name) => join(this.root, name));
    return processes().filter((pid) => folders.some((folder) => linkOf(`/proc/${pid}/fd/2`)?.startsWith(folder)));
  }

  /** The process of a container's host, from its record. */
  hostPid(id: string): number {
    return this.#host(id).pid;
  }

  /** The id of a container's host, from its record. */
  hostId(id: string): string {
    return this.#host(id).id;
  }

  #host(id: string): { readonly id: string; readonly pid: number } {
    const state = pathsBelow(this.root).find((path) => path.endsWith(join(id, 'state.json')));
    if (state === undefined) throw new Error(`container ${id} has no host`);
    const record = JSON.parse(readFileSync(join(this.root, state), 'utf8')) as {
      body: { host: { id: string; pid: number } };
    };
    return record.body.host;
  }

  sandboxConfig(name = `pod-${++this.#sandboxes}`): PodSandboxConfig {
    return {
      metadata: { name, uid: `uid-${name}`, namespace: 'default', attempt: 0 },
      hostname: name,
      logDirectory: join(this.logs, name),
      portMappings: [],
      hostNetwork: false,
      labels: { app: name },
      annotations: {},
    };
  }

  /** A container made from WebAssembly text. */
  async containerConfig(wat: string, change: Partial<ContainerConfig> = {}): Promise<ContainerConfig> {
    const module = join(this.#folder.path, `${createHash('sha256').update(wat).digest('hex').slice(0, 16)}.wasm`);
    if (!existsSync(module)) writeFileSync(module, await assemble(wat));
    return {
      metadata: { name: 'main', attempt: 0 },
      image: { userSpecifiedImage: 'test:1', imageRef: 'sha256:0', module },
      args: ['main'],
      workingDir: '',
      envs: [],
      mounts: [],
      labels: { part: 'main' },
      annotations: {},
      logPath: 'main/0.log',
      logLimits: { maxSize: 10 * 1024 * 1024, maxFiles: 5 },
      stdin: false,
      stdinOnce: false,
      tty: false,
      resources: { cpuPeriod: 0, cpuQuota: 0, cpuShares: 0, memoryLimitInBytes: 0 },
      ...change,
    };
  }

  /** Runs a sandbox with one container in it, started. */
  async run(
    wat: string,
    change: Partial<ContainerConfig> = {},
    handler = 'wasm',
  ): Promise<{ sandbox: string; container: string }> {
    const sandbox = await this.service.runPodSandbox(this.sandboxConfig(), handler);
    const container = await this.service.createContainer(sandbox, await this.containerConfig(wat, change));
    await this.service.startContainer(container);
    return { sandbox, container };
  }

  /** Waits, by events, until the container has ended. */
  async exited(id: string, service = this.service): Promise<ContainerStatus> {
    using watch = watchEvents(service);
    for (;;) {
      const status = await service.containerStatus(id);
      if (status.state === 'CONTAINER_EXITED') return status;
      await watch.next((event) => event.containerId === id);
    }
  }

  /** What the guest wrote, without the heads of the entries. */
  async output(id: string): Promise<string> {
    const { logPath } = await this.service.containerStatus(id);
    return readFileSync(logPath, 'utf8').replace(/^\S+ (stdout|stderr) [FP] /gm, '');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { id } of await this.service.listPodSandbox()) await this.service.removePodSandbox(id);
    await this.service[Symbol.asyncDispose]();
    await this.#end(await this.supervisor(), 'SIGTERM');
    this.#folder[Symbol.dispose]();
  }
}

const processes = (): number[] =>
  readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number);

function linkOf(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch {
    // The process has ended.
    return undefined;
  }
}

/** Events as they come, for waiting on one. */
export function watchEvents(service: RuntimeService) {
  const ended = new AbortController();
  const iterator = service.containerEvents(ended.signal)[Symbol.asyncIterator]();
  return {
    async next(matches: (event: ContainerEvent) => boolean): Promise<ContainerEvent> {
      for (;;) {
        const result = await iterator.next();
        if (result.done === true) throw new Error('the events have ended');
        if (matches(result.value)) return result.value;
      }
    },
    [Symbol.dispose]: () => ended.abort(),
  };
}

const POLL_MS = 5;

/** For what takes a moment on a machine that does nothing else. */
const PATIENCE_MS = 60_000;

/** Waits for what nothing tells of: a process that is no child, a file that another process writes. */
export async function until(condition: () => boolean | Promise<boolean>, timeoutMs = PATIENCE_MS): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`not within ${timeoutMs} ms: ${condition.toString()}`);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

export async function assemble(wat: string): Promise<Uint8Array> {
  const parsed = (await wabt()).parseWat('guest.wat', wat);
  try {
    return parsed.toBinary({ write_debug_names: true }).buffer;
  } finally {
    parsed.destroy();
  }
}
