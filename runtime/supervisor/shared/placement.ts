import { availableParallelism } from 'node:os';
import { WasmletError } from '../../../base/errors.ts';
import type { Logger } from '../../../base/log.ts';
import type { Cgroups } from '../../sandbox/cgroup.ts';
import { hasOwnMounts } from '../../sandbox/confinement/admission.ts';
import type { WasiIdentity } from '../../../wasi/wasi.ts';
import { AdoptedHost } from '../hosts.ts';
import type { HostPool } from '../pool.ts';
import { removeHostFiles } from '../pool.ts';
import type { StateRecord } from '../records.ts';
import type { SharedGuest } from './guest.ts';
import { descriptorsPerGuest, raiseDescriptorLimit } from './descriptors.ts';
import { HostCgroup, removeStrayGroups } from './host-cgroup.ts';
import { SharedHost } from './host.ts';
import type { Shard } from './host.ts';

/** How long Node may need to start on a busy machine. */
const START_TIMEOUT_MS = 60_000;

/** How long a host without guests is kept: a container that starts anew finds it warm. */
const IDLE_MS = 10_000;

/** Guests of one shard up to which one host is enough; above, each core gets one. */
const SPREAD_FROM = 32;

/** cpu.shares of one core, which is what a host has. */
const CORE_SHARES = 1024;

/** The least that cpu.shares takes. */
const LEAST_SHARES = 2;

/** Containers of one shared host by default. */
export const DEFAULT_MAX_PER_HOST = 250;

/** What decides where a container may run. */
export interface Placement {
  readonly container: string;
  readonly namespace: string;
  readonly identity: WasiIdentity | undefined;
  /** Path of the pod's own network namespace. */
  readonly netns: string | undefined;
  readonly cpuShares: number;
  /** Whether its root is mounted for its host. */
  readonly needsMounts: boolean;
  /** The pod's control group, if it is to have one. */
  readonly cgroupParent: string | undefined;
}

export interface SharedHostsOptions {
  /** undefined where the machine has none that could be used. */
  readonly cgroups: Cgroups | undefined;
  readonly pool: HostPool;
  readonly runDirectory: string;
  readonly logger: Logger;
  readonly signal: AbortSignal;
}

/** What belongs to a process is the same for all of its guests. */
function shardOf({ namespace, identity, netns }: Placement): Shard {
  return { namespace, netns, key: JSON.stringify([namespace, identity ?? null, netns ?? null]) };
}

function isWithOwnMounts(pid: number): boolean {
  try {
    return hasOwnMounts(pid);
  } catch {
    // It has just ended.
    return false;
  }
}

/** The hosts that containers share, and which container goes to which. */
export class SharedHosts {
  /** As configured last; those that run go on as they are. */
  maxPerHost = DEFAULT_MAX_PER_HOST;
  readonly #options: SharedHostsOptions;
  readonly #hosts = new Set<SharedHost>();
  readonly #cgroupOf = new WeakMap<SharedHost, HostCgroup>();
  readonly #unused: (() => SharedHost)[] = [];

  constructor(options: SharedHostsOptions) {
    this.#options = options;
  }

  /**
   * Finds or starts a host for a container, and keeps a place for it there.
   * @throws WasmletError Unavailable when none can be started
   */
  claim(placement: Placement): SharedGuest {
    const shard = shardOf(placement);
    const host = this.#choose(shard, placement) ?? this.#start(shard, placement);
    return this.#place(host, placement);
  }

  #place(host: SharedHost, { container, cpuShares }: Placement): SharedGuest {
    const guest = host.place(container, cpuShares);
    this.#weigh(host);
    void guest.ended.then(() => {
      this.#weigh(host);
      this.#releaseWhenIdle(host);
    });
    return guest;
  }

  /** Gives a host the CPU shares of its guests. */
  #weigh(host: SharedHost): void {
    const shares = [...host.guests.values()].reduce((sum, { cpuShares }) => sum + cpuShares, 0);
    if (!host.hasEnded) void this.#cgroupOf.get(host)?.hold(Math.max(shares, LEAST_SHARES));
  }

  /** The host of the shard with the fewest guests, unless it is full or another one would make use of another core. */
  #choose(shard: Shard, { cpuShares, needsMounts }: Placement): SharedHost | undefined {
    const all = [...this.#hosts].filter(
      (host) => host.shard.key === shard.key && !host.hasEnded && (host.hasOwnMounts || !needsMounts),
    );
    const [best] = all.filter((host) => this.#hasRoom(host, cpuShares)).sort((a, b) => a.guests.size - b.guests.size);
    if (best === undefined) return undefined;
    return best.guests.size >= SPREAD_FROM && all.length < availableParallelism() ? undefined : best;
  }

  /** A host has one core: what its guests have asked for must fit there. */
  #hasRoom({ guests }: SharedHost, cpuShares: number): boolean {
    if (guests.size === 0) return true;
    if (guests.size >= this.maxPerHost) return false;
    const asked = [...guests.values()].reduce((sum, guest) => sum + guest.cpuShares, cpuShares);
    return asked <= CORE_SHARES;
  }

  #start(shard: Shard, placement: Placement): SharedHost {
    const { identity, netns } = placement;
    const { pool } = this.#options;
    const { hasOwnMounts } = pool.confinement;
    const child = pool.claim({ netns });
    pool.refill();
    const title = `wasmlet-host ${shard.namespace}: shared`;
    const share = async (): Promise<void> => {
      // Only then it is confined, and has the limits that it keeps.
      await child.ready;
      raiseDescriptorLimit(child.identity.pid, this.maxPerHost);
      const maxDescriptors = descriptorsPerGuest(child.identity.pid, this.maxPerHost);
      const request = { title, maxDescriptors, ...(identity === undefined ? {} : { identity }) };
      const answer = await child.share(request, START_TIMEOUT_MS);
      if (answer?.type === 'started') return;
      throw new WasmletError('Unavailable', `a shared host process could not be started: ${answer?.message ?? ''}`);
    };
    const ready = share();
    return this.#add(new SharedHost({ host: child, shard, hasOwnMounts, ...this.#options }, ready), placement);
  }

  #add(host: SharedHost, { cgroupParent }: Placement): SharedHost {
    const { cgroups } = this.#options;
    this.#hosts.add(host);
    if (cgroups && cgroupParent !== undefined) {
      this.#cgroupOf.set(host, new HostCgroup({ ...this.#options, cgroups }, host, cgroupParent));
      void this.#removeStrays(cgroupParent);
    }
    void host.ended.then(() => {
      this.#hosts.delete(host);
      void this.#cgroupOf.get(host)?.release();
      void this.#removeStrays(cgroupParent);
      // Its containers have read its last words by now, or will not.
      setTimeout(() => removeHostFiles(this.#options.runDirectory, host.id), IDLE_MS).unref();
    });
    return host;
  }

  /** What those have left that died with an earlier supervisor. */
  async #removeStrays(cgroupParent: string | undefined): Promise<void> {
    const { cgroups } = this.#options;
    if (!cgroups || cgroupParent === undefined) return;
    await removeStrayGroups(cgroups, cgroupParent, (known) => [...this.#hosts].some(({ id }) => id === known));
  }

  #releaseWhenIdle(host: SharedHost): void {
    setTimeout(() => {
      if (host.guests.size > 0 || !this.#hosts.delete(host)) return;
      host.release();
    }, IDLE_MS).unref();
  }

  /** Ends the hosts in a network namespace that is about to go; their guests have ended. */
  async dismiss(netns: string): Promise<void> {
    const hosts = [...this.#hosts].filter(({ shard, guests }) => shard.netns === netns && guests.size === 0);
    for (const host of hosts) {
      this.#hosts.delete(host);
      host.release();
    }
    await Promise.all(hosts.map(({ ended }) => ended));
  }

  /**
   * Takes over a container of an earlier supervisor. Does not wait for its host, which may get no CPU for long: when that
   * has the container no more, its end is noted later.
   */
  adopt(placement: Placement, record: StateRecord['host']): SharedGuest {
    const host = this.#adoptHost(placement, record);
    const guest = this.#place(host, placement);
    void host.confirm(guest);
    return guest;
  }

  /**
   * Notes a host that runs still although a container of its has noted its end: by itself it ends after the last, but
   * what its guests have become may have noted ends that never were.
   */
  adoptUnused(placement: Placement, record: StateRecord['host']): void {
    this.#unused.push(() => this.#adoptHost(placement, record));
  }

  /** Has those of them end that have no other container. To be called when all containers are adopted. */
  endUnused(): void {
    for (const adopted of this.#unused.splice(0)) this.#releaseWhenIdle(adopted());
  }

  /** Clears away after a host that ended while no supervisor was there. */
  forget({ cgroupParent }: Placement, { id, pid, startTime, bootId }: StateRecord['host']): void {
    const { cgroups } = this.#options;
    if (!cgroups || cgroupParent === undefined) return;
    const host = { id, identity: { pid, startTime, bootId } };
    void new HostCgroup({ ...this.#options, cgroups }, host, cgroupParent).release();
  }

  #adoptHost(placement: Placement, { id, pid, startTime, bootId }: StateRecord['host']): SharedHost {
    const known = [...this.#hosts].find((host) => host.id === id);
    if (known) return known;
    const { runDirectory, signal } = this.#options;
    const adopted = new AdoptedHost(id, { pid, startTime, bootId }, runDirectory, signal);
    return this.#add(
      new SharedHost(
        { host: adopted, shard: shardOf(placement), hasOwnMounts: isWithOwnMounts(pid), ...this.#options },
        Promise.resolve(),
      ),
      placement,
    );
  }
}
