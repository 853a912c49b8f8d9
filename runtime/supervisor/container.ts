import { existsSync } from 'node:fs';
import { mkdir, rename, rm } from 'node:fs/promises';
import { dirname, join, posix } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { messageOf, WasmletError } from '../../base/errors.ts';
import { isEnding } from '../../base/process.ts';
import { isSettledWithin } from '../../base/within.ts';
import type { ContainerExit } from '../host/exit-record.ts';
import type { HostAnswer } from '../host/protocol.ts';
import { readFuel } from '../host/fuel-file.ts';
import { timeNow } from '../host/timestamp.ts';
import { DEFAULT_STOP_SIGNAL } from '../stop-signal.ts';
import type { Container, ContainerConfig, ContainerState, ContainerStatus } from '../service.ts';
import { addUsage, Commands } from './commands.ts';
import { ContainerLimits } from './container-limits.ts';
import type { ContainerOwner } from './container-owner.ts';
import { ContainerRoot } from './container-root.ts';
import type { ExecCommand } from './commands.ts';
import type { SupervisorContext } from './context.ts';
import { fuelLimitOf } from './fuel-limit.ts';
import { guestStart, hostStart, identityOf } from './guest-start.ts';
import type { StartedContainer } from './guest-start.ts';
import { ExitNotes } from './exit-notes.ts';
import { ChildHost, hostUsage, pooledErrorPath, signalHost } from './hosts.ts';
import type { Host, HostEnd } from './hosts.ts';
import { removeHostFiles } from './pool.ts';
import { hostErrorPath, hostStatePath, noteContainer, noteState, statePath } from './records.ts';
import type { ContainerRecord, StateRecord } from './records.ts';
import type { MountedRoot } from '../sandbox/confinement/reach.ts';
import { SerialQueue } from './serial-queue.ts';
import { claimShared } from './shared/claim.ts';
import type { Claim } from './shared/claim.ts';
import type { SharedGuest } from './shared/guest.ts';
import type { Placement } from './shared/placement.ts';
import type { ProcessUsage } from './stats.ts';

/** A module of tens of megabytes compiles in seconds on a busy machine; a host that needs longer hangs. */
const START_TIMEOUT_MS = 120_000;

/** How long the kernel may take to end a process after SIGKILL before this is called a fault. */
const KILL_TIMEOUT_MS = 10_000;

/** How often it is looked whether a guest runs that an earlier supervisor was starting. */
const POLL_MS = 20;

/** 128 + SIGKILL */
const KILLED_EXIT_CODE = 137;

/**
 * One container, from its creation to its removal. Starting and removing run one after the other; stopping does not
 * wait for them, so that a container which is slow to start or whose grace period is long can still be killed.
 */
export class ContainerEntry {
  readonly id: string;
  readonly directory: string;
  readonly owner: ContainerOwner;
  readonly root: ContainerRoot;
  readonly #record: ContainerRecord;
  readonly #context: SupervisorContext;
  readonly #queue = new SerialQueue();
  readonly #commands: Commands;
  readonly #limits: ContainerLimits;
  readonly #exitNotes: ExitNotes;
  #state: StateRecord | undefined;
  /** An earlier supervisor has given the container a host, and nothing shows yet that its guest was started. */
  #isStartUnseen = false;
  /** Settles when that is known. */
  #startKnown: Promise<void> = Promise.resolve();
  #exit: ContainerExit | undefined;
  #host: Host | undefined;
  /** Resolves when the exit is known. */
  #exited: Promise<void> | undefined;
  #sent: NodeJS.Signals | undefined;

  constructor(owner: ContainerOwner, record: ContainerRecord, directory: string, context: SupervisorContext) {
    this.id = record.id;
    this.directory = directory;
    this.owner = owner;
    this.#record = record;
    this.#context = context;
    this.root = new ContainerRoot(directory, record.config.image.tree);
    const { id: containerId } = record;
    const { resources } = record.config;
    const limits = new ContainerLimits({ containerId, cgroupParent: owner.cgroupParent, resources, context });
    this.#limits = limits;
    this.#exitNotes = new ExitNotes({ containerId, directory, logPath: this.logPath, limits, context });
    this.#commands = new Commands(context, directory, (host) => this.#limits.holdCommand(host));
  }

  get config(): ContainerConfig {
    return this.#record.config;
  }

  get logPath(): string {
    return join(this.owner.logDirectory, this.config.logPath);
  }

  get #started(): StartedContainer {
    const { config, owner, directory, logPath } = this;
    return { config, owner, directory, logPath, policy: this.#context.policy };
  }

  get state(): ContainerState {
    if (this.#exit) return 'CONTAINER_EXITED';
    // Not before it is known: what has run once is never created again.
    return this.#state?.startedAt === undefined || this.#isStartUnseen ? 'CONTAINER_CREATED' : 'CONTAINER_RUNNING';
  }

  /** The host process, while it runs. */
  get host(): Host | undefined {
    return this.#exit ? undefined : this.#host;
  }

  /** Writes the container's files: its record and its root. */
  async create(): Promise<void> {
    // What the start would refuse is better told now.
    identityOf(this.config);
    fuelLimitOf(this.owner, this.config.metadata.name);
    await mkdir(this.directory, { recursive: true, mode: 0o700 });
    await this.root.make(this.#context.mayMountRoots());
    // Written last: a folder without a record is what a broken-off creation has left.
    await noteContainer(this.directory, this.#record);
    this.#emit('CONTAINER_CREATED_EVENT');
  }

  /** @throws WasmletError FailedPrecondition when the guest cannot be started; the container is exited then */
  start(): Promise<void> {
    return this.#queue.run(async () => {
      await this.#startKnown;
      if (this.state === 'CONTAINER_RUNNING') return;
      if (this.#exit) throw this.#wrongState('has exited');
      if (!this.owner.ready) throw this.#wrongState('cannot start: its sandbox is stopped');
      const claim = await this.#claim();
      const starting = this.#startOn(claim);
      // An exit, however soon, is noted after the start.
      this.#watch(claim.host, starting);
      try {
        const failure = await starting;
        if (failure !== undefined) await this.#failStart(claim.host, failure);
      } finally {
        this.#context.pool.refill();
      }
    });
  }

  async #claim(): Promise<Claim> {
    const { isolation, engine, netns, hostUsers } = this.owner;
    const { pool } = this.#context;
    await this.root.renew();
    const guest = this.#hostStart();
    // What a host is to be allowed, or to own, has to be there.
    if (pool.confinement.needsReach || pool.confinement.ownUsers) await this.#makeHostFolders();
    // The interpreter's guests cannot be preempted.
    if (isolation === 'process' || engine !== 'v8') return { host: pool.claim({ netns, guest, hostUsers }) };
    const { tree } = this.config.image;
    return await claimShared(this.#context, { placement: this.placement, guest, tree, hostUsers });
  }

  #hostStart(): ReturnType<typeof hostStart> & MountedRoot {
    return { ...hostStart(this.#started), ...this.root.forStart };
  }

  /** What decides which host of those that are shared it may run in. */
  get placement(): Placement {
    const { owner, id } = this;
    const { cpuShares } = this.config.resources;
    const { namespace } = owner.metadata;
    const { netns, cgroupParent } = owner;
    const { identity } = identityOf(this.config);
    const needsMounts = this.root.kind === 'overlay';
    return { container: id, namespace, identity, netns, cpuShares, needsMounts, cgroupParent };
  }

  /** @returns undefined when the guest runs, else why it does not, '' where the host ended without a word */
  async #startOn({ host, module, ownHost }: Claim): Promise<string | undefined> {
    const shared = host instanceof ChildHost ? {} : { shared: true };
    const claimed: StateRecord = {
      host: { id: host.id, ...host.identity, ...shared },
      claimedAt: timeNow(),
      ...(ownHost === undefined ? {} : { ownHost }),
    };
    try {
      await this.#saveState(claimed);
      await this.#makeHostFolders();
      const answer = await (host instanceof ChildHost ? this.#startOwn(host) : this.#startShared(host, module));
      if (answer?.type !== 'started') return answer?.message ?? '';
      await this.#saveState({ ...claimed, startedAt: answer.startedAt });
      this.#emit('CONTAINER_STARTED_EVENT');
      return undefined;
    } catch (error) {
      // A host that was killed meanwhile makes what is done with it fail: its end is what there is to tell of.
      return isEnding(host.identity) ? '' : messageOf(error);
    }
  }

  /** What a host writes into, and cannot make itself. */
  async #makeHostFolders(): Promise<void> {
    await mkdir(dirname(this.logPath), { recursive: true, mode: 0o755 });
    await mkdir(hostStatePath(this.directory), { recursive: true, mode: 0o700 });
  }

  async #startOwn(host: ChildHost): Promise<HostAnswer | undefined> {
    await rename(pooledErrorPath(this.#context.runDirectory, host.id), hostErrorPath(this.directory));
    await this.#limits.hold(host);
    return await host.start(this.#hostStart(), START_TIMEOUT_MS);
  }

  async #startShared(host: SharedGuest, module: Claim['module']): Promise<HostAnswer | undefined> {
    const { path = '', original } = module ?? {};
    const { resources } = this.config;
    const start = { ...this.#hostStart(), container: this.id, module: path, resources };
    return await host.start(original === undefined ? start : { ...start, original }, START_TIMEOUT_MS);
  }

  async #failStart(host: Host, failure: string): Promise<never> {
    if (failure !== '') await this.#exitNotes.noteStartError(failure);
    signalHost(host, 'SIGKILL');
    await this.#exited;
    const message = failure || this.#exit?.message || 'the container was stopped while it was started';
    throw new WasmletError('FailedPrecondition', message);
  }

  /**
   * Runs a command in the container (CRI's ExecSync). It ends with the container.
   * @returns its exit code
   * @throws WasmletError FailedPrecondition when the container does not run or the command cannot be started;
   *   DeadlineExceeded; Cancelled
   */
  async exec({ command, ...request }: ExecCommand): Promise<number> {
    const { host } = this;
    if (this.state !== 'CONTAINER_RUNNING' || !host) {
      const message = `failed to exec in container: container is in ${this.state} state`;
      throw new WasmletError('FailedPrecondition', message);
    }
    const { args, image } = this.config;
    const own = args[0] ?? '';
    const isOwn = [own, posix.basename(own)].includes(command[0] ?? '');
    const guest = guestStart(this.#started, command);
    const exitCode = await this.#commands.run({
      ...request,
      start: {
        ...guest,
        ...this.root.forCommand(host.identity.pid),
        ...(isOwn && image.module !== undefined ? { module: image.module } : {}),
        title: `${guest.title} (exec)`,
        tty: false,
      },
      netns: this.owner.netns,
      containerPid: host.identity.pid,
      startTimeoutMs: START_TIMEOUT_MS,
      ...(image.module === undefined ? {} : { onlyProgram: own }),
    });
    if (exitCode === KILLED_EXIT_CODE && this.host) await this.#limits.noteCommandKilled();
    return exitCode;
  }

  /** Instructions that the guest has used, where its engine counts them. */
  get fuelUsed(): number | undefined {
    return this.owner.engine === 'interpreter' ? readFuel(hostStatePath(this.directory)) : undefined;
  }

  /** CPU and memory of the container's process and of the commands in it; undefined while it does not run. */
  async usage(): Promise<ProcessUsage | undefined> {
    if (this.state !== 'CONTAINER_RUNNING' || !this.host) return undefined;
    const usage = await hostUsage(this.host);
    return usage && addUsage(usage, await this.#commands.usage());
  }

  async #saveState(state: StateRecord): Promise<void> {
    await noteState(this.directory, state);
    this.#state = state;
  }

  /** Takes over a container whose host runs still. */
  async adoptRunning(state: StateRecord, host: Host): Promise<void> {
    if (!host.shared) await this.#limits.adopt(host);
    this.#state = state;
    this.#watch(host);
    if (state.startedAt !== undefined) return;
    this.#isStartUnseen = true;
    this.#startKnown = this.#seeStart(host, { ...state, startedAt: state.claimedAt });
    this.#startKnown.catch((error: unknown) => {
      if (this.#context.signal.aborted) return;
      this.#logError('it is not known whether a guest runs', error);
    });
  }

  /**
   * Waits until a guest runs whose start no supervisor saw to its end, or its host has ended: one that does neither in
   * time is ended.
   * @throws AbortError when the supervisor ends; WasmletError DeadlineExceeded when the kernel does not end the process
   */
  async #seeStart(host: Host, started: StateRecord): Promise<void> {
    const { signal } = this.#context;
    const deadline = performance.now() + START_TIMEOUT_MS;
    while (this.#isStartUnseen && this.host === host && performance.now() < deadline) {
      if (this.#hasLog) await this.#noteStartSeen(started);
      else await delay(POLL_MS, undefined, { ref: false, signal });
    }
    if (this.#isStartUnseen && this.host === host) await this.stop(0);
  }

  /** From now on it runs, whatever becomes of its log: that can be rotated or taken away. */
  async #noteStartSeen(started: StateRecord): Promise<void> {
    this.#isStartUnseen = false;
    this.#state = started;
    this.#emit('CONTAINER_STARTED_EVENT');
    await this.#saveState(started).catch((error: unknown) => this.#logError('a start cannot be noted', error));
  }

  /** Whether the guest was started once: the first that a host does for a container is to open its log. */
  get #hasLog(): boolean {
    return existsSync(this.logPath);
  }

  /** Takes over a container whose host is gone. */
  async adoptExited(state: StateRecord | undefined): Promise<void> {
    this.#isStartUnseen = state !== undefined && state.startedAt === undefined;
    this.#state = state;
    await this.#noteExit({ code: null, signal: null });
  }

  /**
   * Whether the guest never ran: its supervisor died between the choice of a host and the start, and the host, which was
   * given nothing to do, ended.
   */
  async #neverRan(): Promise<boolean> {
    return this.#isStartUnseen && !this.#hasLog && (await this.#exitNotes.read()) === undefined;
  }

  /** Makes the container what it was before a start that never came about. */
  async #forgetStart(): Promise<void> {
    await rm(statePath(this.directory), { force: true });
    this.#isStartUnseen = false;
    this.#state = undefined;
    this.#host = undefined;
    this.#exited = undefined;
  }

  #watch(host: Host, started: Promise<unknown> = Promise.resolve()): void {
    this.#host = host;
    this.#exited = host.ended
      .then(async (end) => {
        await started;
        await this.#noteExit(end);
      })
      .catch((error: unknown) => this.#logError('an exit cannot be noted', error));
  }

  /** Finds out how the container ended, completes its log, and tells of it. The host process is gone. */
  async #noteExit(end: HostEnd): Promise<void> {
    const hostState = this.#state?.host;
    if (await this.#neverRan()) await this.#forgetStart();
    else
      this.#exit =
        (await this.#exitNotes.read()) ?? (await this.#exitNotes.judge({ end, host: this.#host, sent: this.#sent }));
    // As in a PID namespace whose first process has ended.
    await this.#commands.killAll();
    await this.#limits.release();
    if (hostState && hostState.shared !== true) removeHostFiles(this.#context.runDirectory, hostState.id);
    this.#emit('CONTAINER_STOPPED_EVENT');
  }

  /**
   * Ends the container: SIGTERM, and SIGKILL when it has not ended after `timeoutSeconds`.
   * @throws WasmletError DeadlineExceeded when the kernel does not end the process
   */
  async stop(timeoutSeconds: number): Promise<void> {
    const host = this.host;
    if (!host) return;
    const exited = this.#exited ?? Promise.resolve();
    if (timeoutSeconds > 0 && this.config.stopSignal !== 'SIGKILL') {
      // Whatever the stop signal: the host tells its guest of that one, if it asked for it.
      this.#signal(host, 'SIGTERM');
      if (await isSettledWithin(exited, timeoutSeconds * 1000)) return;
    }
    this.#signal(host, 'SIGKILL');
    if (await isSettledWithin(exited, KILL_TIMEOUT_MS)) return;
    throw new WasmletError('DeadlineExceeded', `container ${this.id}: process ${host.identity.pid} survives SIGKILL`);
  }

  #signal(host: Host, signal: NodeJS.Signals): void {
    if (signalHost(host, signal)) this.#sent = signal;
  }

  /** Removes the container's files, ending it first if it runs. Its log stays. */
  async remove(): Promise<void> {
    await this.stop(0);
    await this.#queue.run(async () => {
      // A start that was waiting in the queue may have come in between.
      await this.stop(0);
      await this.#limits.release();
      await rm(this.directory, { recursive: true, force: true });
      await this.root.leaveImage();
    });
  }

  #emit(type: Parameters<SupervisorContext['events']['emit']>[0]): void {
    this.#context.events.emit(type, this.id, this.owner.metadata);
  }

  #logError(message: string, error: unknown): void {
    this.#context.logger.error(message, { container: this.id, error: messageOf(error) });
  }

  #wrongState(what: string): WasmletError {
    return new WasmletError('FailedPrecondition', `container ${this.config.metadata.name} (${this.id}) ${what}`);
  }

  /** CRI's Container. */
  summary(): Container {
    const { metadata, image, labels, annotations } = this.config;
    return {
      id: this.id,
      podSandboxId: this.owner.id,
      metadata,
      image,
      state: this.state,
      createdAt: this.#record.createdAt,
      labels,
      annotations,
    };
  }

  /** Of a container that runs: why others do not share its host, where its handler would have it so. */
  #ownHostMessage(): string {
    const reason = this.#state?.ownHost;
    return reason === undefined ? '' : `the container has a host process of its own because ${reason}`;
  }

  /** CRI's ContainerStatus. */
  status(): ContainerStatus {
    const exit = this.#exit;
    const ranUnseen = exit !== undefined && exit.reason !== 'StartError';
    const begun = this.state === 'CONTAINER_CREATED' ? undefined : this.#state?.startedAt;
    const startedAt = begun ?? (ranUnseen ? this.#state?.claimedAt : undefined);
    return {
      ...this.summary(),
      ...(startedAt === undefined ? {} : { startedAt }),
      ...(exit ? { finishedAt: exit.finishedAt, exitCode: exit.exitCode } : {}),
      reason: exit?.reason ?? '',
      message: exit?.message ?? this.#ownHostMessage(),
      logPath: this.logPath,
      mounts: this.config.mounts,
      rootFilesystem: this.root.kind,
      stopSignal: this.config.stopSignal ?? DEFAULT_STOP_SIGNAL,
    };
  }
}
