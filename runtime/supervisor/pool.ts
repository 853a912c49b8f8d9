import { rmSync } from 'node:fs';
import type { Logger } from '../../base/log.ts';
import { hasCode, messageOf, WasmletError } from '../../base/errors.ts';
import type { Confinement, HostUsers } from '../sandbox/confinement/confinement.ts';
import type { UserIds } from '../sandbox/confinement/user-ids.ts';
import { whyNodeUsers } from './host-users.ts';
import type { HostedContainer, HostedGuest } from './host-users.ts';
import { ChildHost, hostSocketPath, pooledErrorPath, signalHost } from './hosts.ts';
import type { HostPlace } from './hosts.ts';

export interface PoolOptions {
  /** How hosts are held from now on. */
  readonly confinement: Confinement;
  /** As far as the machine lets them be held: for containers whose root is mounted for their host, whatever is configured now. */
  readonly possible: Confinement;
  readonly runDirectory: string;
  /** How many hosts wait for a container. Each costs about 10 MB. */
  readonly size: number;
  readonly logger: Logger;
}

/** Starting a process holds this one up for milliseconds: what those wait for who start containers comes first. */
const REFILL_DELAY_MS = 20;

/** What a host is wanted for. */
export interface HostClaim {
  /** Path of the network namespace that it is to run in; undefined: the node's. */
  readonly netns: string | undefined;
  /** What it is to run; undefined: it is to have more than one container. */
  readonly guest?: HostedGuest;
  /** As PodSandboxConfig. */
  readonly hostUsers?: boolean | undefined;
  /** The process of a container that it is to run a command in, as its users are the same. */
  readonly like?: number;
}

/**
 * Hosts that are started before they are needed: starting Node is what takes longest of starting a container. A host
 * that waits ends by itself when its supervisor is gone, so a pool leaves nothing behind.
 *
 * A process cannot change its network namespace without privileges that a host shall not have, so hosts for a pod with a
 * network of its own are started inside it: one per sandbox is, while the plugins attach it and images are pulled.
 */
export class HostPool implements Disposable {
  readonly #options: PoolOptions;
  readonly #waiting = new Set<ChildHost>();
  /** By the network namespace that they wait in. */
  readonly #inside = new Map<string, ChildHost>();
  #closed = false;
  #refill: NodeJS.Timeout | undefined;
  #confinement: Confinement;
  #failure: string | undefined;

  constructor(options: PoolOptions) {
    this.#options = options;
    this.#confinement = options.confinement;
  }

  get confinement(): Confinement {
    return this.#confinement;
  }

  /** Holds hosts otherwise from now on; those that wait, held as before, are ended. */
  confine(confinement: Confinement): void {
    if (confinement === this.#confinement) return;
    this.#confinement = confinement;
    this.#failure = undefined;
    this.#endWaiting();
    this.refill();
  }

  /** Gives hosts other users from now on; those that wait are ended. */
  giveUsers(ids: UserIds): void {
    if (this.#options.possible.ownUsers?.configure(ids) !== true) return;
    this.#endWaiting();
    this.refill();
  }

  /**
   * Better no sandbox than one whose containers cannot start.
   * @param netns as of HostClaim
   * @throws WasmletError ResourceExhausted when no users are left for a host
   */
  expectUsers(netns: string | undefined): void {
    if (netns === undefined && this.#waiting.size > 0) return;
    this.#confinement.ownUsers?.expectRange();
  }

  get #startsAhead(): boolean {
    return !this.#closed && !this.#confinement.needsReach;
  }

  /** Why hosts cannot be started at present, or undefined. */
  get failure(): string | undefined {
    return this.#confinement.refusal ?? this.#failure;
  }

  /**
   * Takes a host that waits, or starts one.
   * @throws WasmletError Unavailable; ResourceExhausted when no users are left; FailedPrecondition when hosts cannot have
   *   the root that is to be mounted, or not the users that their pod asks for; system errors: a volume that cannot be
   *   looked at
   */
  claim({ netns, guest, hostUsers, like }: HostClaim): ChildHost {
    const users = like === undefined ? this.#usersFor(guest && { guest, netns, hostUsers }) : { of: like };
    if (guest?.rootMount && !this.#confinement.hasOwnMounts) return this.#spawnWithMounts(netns, users);
    if (this.#confinement.needsReach) return this.#spawn({ netns, reach: guest });
    // Those that wait have users of their own.
    if (users !== 'own' && this.#confinement.ownUsers) return this.#spawn({ netns, users });
    if (netns !== undefined) return this.#takeInside(netns) ?? this.#spawn({ netns });
    for (const host of this.#waiting) {
      this.#waiting.delete(host);
      return host;
    }
    return this.#spawn();
  }

  #usersFor(container: HostedContainer | undefined): HostUsers {
    const reason = container && this.whyNodeUsers(container);
    if (reason === undefined) return 'own';
    this.#options.logger.debug('a host has the users of the node', { reason });
    return 'node';
  }

  /**
   * Why a container's host has the users of the node; undefined: it has its own.
   * @throws WasmletError FailedPrecondition when its pod has asked for what cannot be
   */
  whyNodeUsers(container: HostedContainer): string | undefined {
    const isMounted = container.guest.rootMount !== undefined && !this.#confinement.hasOwnMounts;
    return whyNodeUsers(container, isMounted ? this.#options.possible : this.#confinement);
  }

  /** Has enough hosts waiting again, shortly. */
  refill(): void {
    this.#refill ??= setTimeout(() => {
      this.#refill = undefined;
      this.fill();
    }, REFILL_DELAY_MS);
  }

  /** Starts hosts until enough are waiting. */
  fill(): void {
    try {
      while (this.#startsAhead && this.#waiting.size < this.#options.size) this.#add(this.#spawn());
    } catch (error) {
      this.#options.logger.warn('no host can be started ahead', { error: messageOf(error) });
    }
  }

  /** Starts a host that waits inside a network namespace, where hosts are started ahead at all. */
  warm(netns: string): void {
    if (!this.#startsAhead || this.#options.size === 0) return;
    try {
      const host = this.#spawn({ netns });
      this.#inside.set(netns, host);
      void host.ended.then(() => {
        if (this.#inside.get(netns) !== host) return;
        this.#inside.delete(netns);
        removeHostFiles(this.#options.runDirectory, host.id);
      });
    } catch (error) {
      this.#options.logger.warn('no host can be started ahead', { error: messageOf(error) });
    }
  }

  /** Ends the host that waits inside a network namespace, if one does; resolves when it is gone. */
  async dismiss(netns: string): Promise<void> {
    const host = this.#takeInside(netns);
    if (!host) return;
    host.release();
    signalHost(host, 'SIGKILL');
    await host.ended;
    removeHostFiles(this.#options.runDirectory, host.id);
  }

  #takeInside(netns: string): ChildHost | undefined {
    const host = this.#inside.get(netns);
    this.#inside.delete(netns);
    return host;
  }

  /** A container keeps its root, and so its hosts their confinement, when nodes are configured to confine none. */
  #spawnWithMounts(netns: string | undefined, users: HostUsers): ChildHost {
    const { possible, runDirectory } = this.#options;
    if (this.#confinement.refusal === undefined && possible.hasOwnMounts) {
      return ChildHost.spawn({ confinement: possible, runDirectory, netns, users });
    }
    const reason = this.#confinement.refusal ?? possible.missing.join('; ');
    throw new WasmletError('FailedPrecondition', `the container's root cannot be mounted any more: ${reason}`);
  }

  #spawn(place: Pick<HostPlace, 'netns' | 'reach' | 'users'> = {}): ChildHost {
    try {
      const { runDirectory } = this.#options;
      const host = ChildHost.spawn({ confinement: this.#confinement, runDirectory, ...place });
      this.#failure = undefined;
      return host;
    } catch (error) {
      // Somebody else's end mends that.
      if (!hasCode(error, 'ResourceExhausted')) this.#failure = messageOf(error);
      throw error;
    }
  }

  #add(host: ChildHost): void {
    this.#waiting.add(host);
    void host.ended.then(() => {
      // One that is still here was never given a container.
      if (this.#waiting.delete(host)) removeHostFiles(this.#options.runDirectory, host.id);
    });
  }

  [Symbol.dispose](): void {
    this.#closed = true;
    clearTimeout(this.#refill);
    this.#endWaiting();
  }

  #endWaiting(): void {
    for (const host of [...this.#waiting, ...this.#inside.values()]) {
      host.release();
      removeHostFiles(this.#options.runDirectory, host.id);
    }
    this.#waiting.clear();
    this.#inside.clear();
  }
}

/** Removes what a host that is gone has in the run folder. */
export function removeHostFiles(runDirectory: string, id: string): void {
  rmSync(hostSocketPath(runDirectory, id), { force: true });
  rmSync(pooledErrorPath(runDirectory, id), { force: true });
}
