import { randomUUID } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { constants } from 'node:os';
import { join } from 'node:path';
import { WasmletError } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import { isSettledWithin } from '../../base/within.ts';
import { findLayout } from '../sandbox/cgroup-layout.ts';
import { Cgroups } from '../sandbox/cgroup.ts';
import { findConfinement } from '../sandbox/confinement/find-confinement.ts';
import { selectConfinement, type ConfinementMode } from '../sandbox/confinement/select.ts';
import type { ContainerConfig, PodSandboxConfig } from '../service.ts';
import type { HostExec } from '../host/protocol.ts';
import { guestStart } from '../supervisor/guest-start.ts';
import { hostCode } from '../supervisor/host-code.ts';
import { ChildHost, hostRootPath, pooledErrorPath, signalHost, type HostEnd } from '../supervisor/hosts.ts';
import { whyNodeUsers } from '../supervisor/host-users.ts';
import { lastWords } from '../supervisor/exits.ts';
import { MemoryWatch } from '../supervisor/memory-watch.ts';
import { removeHostFiles } from '../supervisor/pool.ts';
import { rootPath, runDirectory } from '../supervisor/records.ts';
import { makeRootFolder } from '../supervisor/root-folder.ts';
import { makeSandboxFiles } from '../supervisor/sandbox-files.ts';

export interface ForegroundOptions {
  /** An empty folder of its own; whoever made it removes it. */
  readonly root: string;
  readonly engine: 'v8' | 'interpreter';
  readonly container: ContainerConfig;
  readonly hostname: string;
  readonly dnsConfig?: PodSandboxConfig['dnsConfig'];
  readonly confinement: ConfinementMode;
  readonly posixExtension: boolean;
  /** Whether the guest reads what this process would from its descriptor 0; without it, it has no input. */
  readonly inheritsStdin: boolean;
  /** Takes what the guest writes; where it returns a promise, the guest is held up until that has resolved. */
  readonly output: (stream: 'stdout' | 'stderr', data: Buffer) => Promise<undefined> | undefined;
  readonly logger: Logger;
}

/** How a guest in the foreground ended. */
export interface ForegroundEnd {
  /** 0-255; 128 + the number of the signal that ended it. */
  readonly exitCode: number;
  /** What there is to say of it, '' for nothing: that it had too much memory, a fault of the engine. */
  readonly message: string;
}

/** A guest that runs for as long as this process waits for it. */
export interface ForegroundGuest extends AsyncDisposable {
  /** The host process. */
  readonly pid: number;
  /** Resolves when the guest has ended and all that it wrote was taken. */
  readonly ended: Promise<ForegroundEnd>;
  /** SIGTERM, then SIGKILL after `timeoutSeconds`; resolves when it has ended. */
  stop(timeoutSeconds: number): Promise<void>;
}

const START_TIMEOUT_MS = 120_000;
const LONG_MS = 2 ** 30;

/**
 * Runs one container in the foreground, without a supervisor: its guest is started as a command in a container is, in a
 * host that is confined and limited as any pod's, and its output comes here as it is written. It ends with whoever
 * waits for it.
 * @throws WasmletError FailedPrecondition when the guest cannot be started; InvalidArgument for a user that the image
 *   does not know
 */
export async function startForeground(options: ForegroundOptions, signal: AbortSignal): Promise<ForegroundGuest> {
  const { root, container, logger } = options;
  await using stack = new AsyncDisposableStack();
  // A host keeps no supervisor from ending, but somebody waits for this one.
  const waiting = setInterval(() => undefined, LONG_MS);
  stack.defer(() => clearInterval(waiting));
  const directory = join(root, 'container');
  const run = runDirectory(root);
  await mkdir(directory, { mode: 0o700 });
  await mkdir(run, { recursive: true, mode: 0o700 });
  await makeSandboxFiles(root, sandboxConfig(options));
  await makeRootFolder(rootPath(directory), container.image.tree);
  const request = requestOf(options, directory);
  const code = await hostCode(run);
  const possible = await findConfinement({ code, rootPath: hostRootPath(run) }, signal);
  const confinement = selectConfinement(options.confinement, possible, code);
  if (confinement.refusal !== undefined) throw new WasmletError('FailedPrecondition', confinement.refusal);
  for (const missing of confinement.missing) logger.debug('the guest is less confined than it could be', { missing });
  const stdin = options.inheritsStdin ? 'inherit' : 'ignore';
  const users = whyNodeUsers({ guest: request, netns: undefined }, confinement) === undefined ? 'own' : 'node';
  const host = ChildHost.spawn({ confinement, runDirectory: run, reach: request, users, stdin });
  const held: Limits[] = [];
  stack.defer(async () => {
    signalHost(host, 'SIGKILL');
    await host.ended;
    host.release();
    removeHostFiles(run, host.id);
    for (const limits of held) await limits.release();
  });
  const limits = await hold(host, options);
  held.push(limits);
  const guest = new Guest(host, limits, pooledErrorPath(run, host.id));
  await guest.start(request, options.output);
  const owned = stack.move();
  return {
    pid: host.identity.pid,
    ended: guest.ended,
    stop: (timeoutSeconds) => guest.stop(timeoutSeconds),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

function sandboxConfig({ hostname, dnsConfig, container, root }: ForegroundOptions): PodSandboxConfig {
  return {
    metadata: { name: container.metadata.name, uid: randomUUID(), namespace: 'foreground', attempt: 0 },
    hostname,
    logDirectory: root,
    ...(dnsConfig ? { dnsConfig } : {}),
    portMappings: [],
    hostNetwork: true,
    labels: {},
    annotations: {},
  };
}

/** What the host is told: the same as for a container of a pod. */
function requestOf(options: ForegroundOptions, directory: string): Omit<HostExec, 'v' | 'type'> {
  const { root, container, engine, hostname, dnsConfig, posixExtension, inheritsStdin } = options;
  const { metadata } = sandboxConfig(options);
  const owner = {
    ...{
      id: metadata.uid,
      metadata,
      logDirectory: root,
      directory: root,
      hostname,
      dnsConfig,
      engine,
      ready: true,
      annotations: {},
    },
    ...{ isolation: 'process' as const, cgroupParent: undefined, netns: undefined, guestAddresses: undefined },
  };
  const started = { config: container, owner, directory, logPath: join(root, 'log'), policy: { posixExtension } };
  const guest = guestStart(started, container.args);
  const { module } = container.image;
  const { network = { listeners: [] }, stopSignal } = container;
  return {
    ...guest,
    ...(guest.network ? { network: { ...guest.network, listeners: network.listeners } } : {}),
    ...(module === undefined ? {} : { module }),
    ...(stopSignal === undefined ? {} : { stopSignal }),
    inheritsStdin,
  };
}

interface Limits {
  wasExceeded(): Promise<boolean>;
  /** Nothing runs under them any more. */
  release(): Promise<void>;
}

/** Puts a host under the container's limits: a control group where this process may make one, else a watch. */
async function hold(host: ChildHost, { container, logger }: ForegroundOptions): Promise<Limits> {
  const { resources } = container;
  const layout = findLayout();
  if (layout && process.geteuid?.() === 0) {
    const cgroups = new Cgroups(layout);
    const path = `/wasmlet/pod-run-${host.id}`;
    await host.ready;
    try {
      await cgroups.make(path, { ...resources, pidsLimit: 0 });
      await cgroups.add(path, host.identity.pid);
      return {
        wasExceeded: async () => (await cgroups.oomKills(path)) > 0,
        release: async () => {
          await cgroups.remove(path);
        },
      };
    } catch (error) {
      await cgroups.remove(path).catch(() => undefined);
      logger.debug('the guest has no control group', { error });
    }
  }
  if (resources.cpuQuota > 0) logger.warn('CPU is not limited: there is no control group that this user may make');
  if (resources.memoryLimitInBytes === 0) {
    return { wasExceeded: () => Promise.resolve(false), release: () => Promise.resolve() };
  }
  const watch = new MemoryWatch(host.identity, resources.memoryLimitInBytes, () => signalHost(host, 'SIGKILL'));
  return {
    wasExceeded: () => Promise.resolve(watch.exceeded),
    release: () => {
      watch[Symbol.dispose]();
      return Promise.resolve();
    },
  };
}

/** The guest of one host. */
class Guest {
  readonly #host: ChildHost;
  readonly #limits: Limits;
  readonly #errorPath: string;
  readonly #end = Promise.withResolvers<ForegroundEnd>();
  #sent: NodeJS.Signals | undefined;

  constructor(host: ChildHost, limits: Limits, errorPath: string) {
    this.#host = host;
    this.#limits = limits;
    this.#errorPath = errorPath;
    // Told to who waits for it.
    this.#end.promise.catch(() => undefined);
  }

  get ended(): Promise<ForegroundEnd> {
    return this.#end.promise;
  }

  async start(request: Omit<HostExec, 'v' | 'type'>, output: ForegroundOptions['output']): Promise<void> {
    const { promise: answered, resolve, reject } = Promise.withResolvers<undefined>();
    const late = setTimeout(() => {
      reject(new WasmletError('DeadlineExceeded', 'the host process did not answer in time'));
    }, START_TIMEOUT_MS);
    const said = this.#host.exec(request, (message) => {
      if (message.type === 'output') return output(message.stream, Buffer.from(message.data, 'base64'));
      if (message.type === 'started') resolve(undefined);
      if (message.type === 'startFailed') reject(new WasmletError('FailedPrecondition', message.message));
      return undefined;
    });
    void this.#finish(said).then(this.#end.resolve, this.#end.reject);
    this.ended.then(
      ({ message }) => reject(new WasmletError('FailedPrecondition', message || 'the host ended without an answer')),
      reject,
    );
    try {
      await answered;
    } finally {
      clearTimeout(late);
    }
  }

  async #finish(said: Promise<void>): Promise<ForegroundEnd> {
    await said;
    const end = await this.#host.ended;
    if (end.signal === 'SIGKILL' && this.#sent !== 'SIGKILL' && (await this.#limits.wasExceeded())) {
      return { exitCode: exitCodeOf(end), message: 'the guest was ended: it had more memory than its limit' };
    }
    const words = end.signal === null || end.signal === this.#sent ? '' : lastWords(this.#errorPath);
    return { exitCode: exitCodeOf(end), message: words };
  }

  async stop(timeoutSeconds: number): Promise<void> {
    if (timeoutSeconds > 0) {
      this.#signal('SIGTERM');
      if (await isSettledWithin(this.#host.ended, timeoutSeconds * 1000)) return;
    }
    this.#signal('SIGKILL');
    await this.#host.ended;
  }

  #signal(signal: NodeJS.Signals): void {
    if (signalHost(this.#host, signal)) this.#sent = signal;
  }
}

const exitCodeOf = ({ code, signal }: HostEnd): number =>
  signal === null ? (code ?? 1) : 128 + constants.signals[signal];
