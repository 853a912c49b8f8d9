import { setTimeout as delay } from 'node:timers/promises';
import { hasCode, messageOf } from '../../../base/errors.ts';
import type { Logger } from '../../../base/log.ts';
import { isAlive, isEnding, signalProcess } from '../../../base/process.ts';
import type { ProcessIdentity } from '../../../base/process.ts';
import type { HostAnswer } from '../../host/protocol.ts';
import type { SharedStart, SharedUsage } from '../../host/shared/protocol.ts';
import { Admissions } from '../../sandbox/confinement/admission.ts';
import type { MountedRoot } from '../../sandbox/confinement/reach.ts';
import { hostRootPath, hostSocketPath } from '../hosts.ts';
import type { ChildHost, Host } from '../hosts.ts';
import type { ProcessUsage } from '../stats.ts';
import { SharedConnection } from './connection.ts';
import { SharedGuest } from './guest.ts';

const REQUEST_TIMEOUT_MS = 10_000;

/** How long a guest may outlive its SIGKILL before its whole host is ended: then the host does not answer. */
const KILL_PATIENCE_MS = 5000;

/** How long a process may outlive its connection. */
const CLOSE_PATIENCE_MS = 1000;

/** How long an answer on usage is good for: statistics are asked for container by container. */
const USAGE_AGE_MS = 250;

/** What guests of one host have in common. */
export interface Shard {
  readonly namespace: string;
  /** Path of their network namespace; undefined: the node's. */
  readonly netns: string | undefined;
  /** Equal for hosts whose guests may share one. */
  readonly key: string;
}

export interface SharedHostOptions {
  /** The process; it runs already. */
  readonly host: Host | ChildHost;
  readonly shard: Shard;
  /** Whether it has mounts of its own, which a container whose root is mounted for it needs. */
  readonly hasOwnMounts: boolean;
  readonly runDirectory: string;
  readonly logger: Logger;
  /** Ends with the supervisor; the host goes on as long as it has guests. */
  readonly signal: AbortSignal;
}

/** A shared host as the supervisor knows it: one of its own, or one of an earlier supervisor. */
export class SharedHost {
  readonly id: string;
  readonly identity: ProcessIdentity;
  readonly shard: Shard;
  /** By container. */
  readonly guests = new Map<string, SharedGuest>();
  readonly hasOwnMounts: boolean;
  /** Resolves when the process is gone. */
  readonly ended: Promise<void>;
  readonly #options: SharedHostOptions;
  readonly #connection: Promise<SharedConnection>;
  #hasEnded = false;
  #admissions: Admissions | undefined;
  /** The containers that it had when this supervisor came. */
  #adopted: Promise<ReadonlySet<string> | undefined> | undefined;
  #usage: { readonly at: number; readonly answer: Promise<readonly SharedUsage[]> } | undefined;

  /** @param ready resolves when the host serves its socket */
  constructor(options: SharedHostOptions, ready: Promise<unknown>) {
    this.#options = options;
    this.id = options.host.id;
    this.identity = options.host.identity;
    this.shard = options.shard;
    this.hasOwnMounts = options.hasOwnMounts;
    this.#connection = ready.then(() => this.#connect());
    this.#connection.catch(() => this.#kill());
    this.ended = options.host.ended.then((end) => {
      this.#hasEnded = true;
      for (const guest of this.guests.values()) guest.noteEnd(end);
    });
  }

  /** For people. */
  get description(): string {
    return `the host process ${this.identity.pid} that pods of namespace ${this.shard.namespace} share`;
  }

  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  #connect(): SharedConnection {
    const { runDirectory, signal } = this.#options;
    const connection = new SharedConnection(hostSocketPath(runDirectory, this.id), {
      exited: (container) => this.#noteExit(container),
      closed: () => void this.#onClosed(),
    });
    signal.addEventListener('abort', () => connection.close(), { once: true });
    return connection;
  }

  /** A process without a connection cannot be told anything: it is ended, if it has not ended already. */
  async #onClosed(): Promise<void> {
    const { signal } = this.#options;
    await delay(CLOSE_PATIENCE_MS, undefined, { signal, ref: false }).catch(() => undefined);
    if (!signal.aborted) this.#kill();
  }

  #kill(): void {
    if (!this.#hasEnded && isAlive(this.identity)) signalProcess(this.identity, 'SIGKILL');
  }

  #noteExit(container: string): void {
    this.guests.get(container)?.noteEnd({ code: null, signal: null });
    this.guests.delete(container);
  }

  /** Keeps a place for a container. */
  place(container: string, cpuShares: number): SharedGuest {
    const guest = new SharedGuest(this, container, cpuShares);
    this.guests.set(container, guest);
    return guest;
  }

  /** @returns the host's answer, undefined when it ended without one */
  async start(
    guest: SharedGuest,
    start: SharedStart & MountedRoot,
    timeoutMs: number,
  ): Promise<HostAnswer | undefined> {
    try {
      const connection = await this.#connection;
      const admitted = this.#admit(guest, start);
      const reply = await connection.request({ type: 'start', start: admitted }, timeoutMs);
      if (reply.type === 'started') return { v: 1, ...reply };
      this.#noteExit(guest.container);
      return { v: 1, type: 'startFailed', message: 'message' in reply ? reply.message : 'the host did not understand' };
    } catch (error) {
      // A connection is closed a moment before its process is gone.
      if (this.#hasEnded || isEnding(this.identity) || hasCode(error, 'Unavailable')) return undefined;
      throw error;
    }
  }

  /** Lets the host have what the container may reach, for as long as that one is there. */
  #admit(guest: SharedGuest, { rootMount, ...start }: SharedStart & MountedRoot): SharedStart {
    const { pid } = this.identity;
    this.#admissions ??= new Admissions(hostRootPath(this.#options.runDirectory), pid);
    const admissions = this.#admissions;
    const admitted = admissions.admit(start, rootMount);
    guest.ended
      .then(() => {
        if (!this.#hasEnded && isAlive(this.identity)) admissions.dismiss(admitted);
      })
      .catch((error: unknown) => {
        this.#options.logger.warn('a shared host keeps what a container had', { pid, error: messageOf(error) });
      });
    return admitted;
  }

  /** Sends a signal to one guest. */
  signal(guest: SharedGuest, signal: 'SIGTERM' | 'SIGKILL'): void {
    const request = { type: 'signal', container: guest.container, signal } as const;
    const sent = this.#connection.then((connection) => connection.request(request, REQUEST_TIMEOUT_MS));
    sent
      .then((reply) => {
        // One that was never started ends here.
        if (reply.type === 'done' && !reply.runs) this.#noteExit(guest.container);
      })
      .catch((error: unknown) => {
        if (guest.hasEnded) return;
        this.#options.logger.warn('a shared host takes no signal', { pid: this.identity.pid, error: messageOf(error) });
      });
    if (signal === 'SIGKILL') void this.#insist(guest);
  }

  async #insist(guest: SharedGuest): Promise<void> {
    const patience = new AbortController();
    const signal = AbortSignal.any([patience.signal, this.#options.signal]);
    const over = delay(KILL_PATIENCE_MS, true, { signal, ref: false }).catch(() => false);
    const isOver = await Promise.race([over, guest.ended.then(() => false)]);
    patience.abort();
    if (!isOver) return;
    this.#options.logger.error('a shared host does not end a guest, and is ended', { pid: this.identity.pid });
    this.#kill();
  }

  /** Notes the end of a guest that came while no supervisor was there. */
  async confirm({ container }: SharedGuest): Promise<void> {
    this.#adopted ??= this.#askForContainers();
    if ((await this.#adopted)?.has(container) === false) this.#noteExit(container);
  }

  /**
   * Asks for as long as it takes: a host that gets no CPU is not a dead one.
   * @returns undefined when the host has ended, or this supervisor
   */
  async #askForContainers(): Promise<ReadonlySet<string> | undefined> {
    for (;;) {
      try {
        return new Set((await this.#containers()).map(({ container }) => container));
      } catch (error) {
        if (!hasCode(error, 'DeadlineExceeded')) return undefined;
      }
    }
  }

  /** @throws WasmletError when the host does not answer */
  async #containers(): Promise<readonly SharedUsage[]> {
    const reply = await (await this.#connection).request({ type: 'usage' }, REQUEST_TIMEOUT_MS);
    return reply.type === 'usage' ? reply.containers : [];
  }

  async usageOf(container: string): Promise<ProcessUsage | undefined> {
    const now = performance.now();
    if (this.#usage === undefined || now - this.#usage.at > USAGE_AGE_MS) {
      this.#usage = { at: now, answer: this.#containers() };
    }
    const found = (await this.#usage.answer.catch(() => [])).find((usage) => usage.container === container);
    return found && { cpuUsageCoreNanoSeconds: found.cpuNanoseconds, memoryWorkingSetBytes: found.memoryBytes };
  }

  /** Lets go of a host without guests: it ends by itself. */
  release(): void {
    this.#connection.then(
      (connection) => connection.close(),
      () => undefined,
    );
  }
}
