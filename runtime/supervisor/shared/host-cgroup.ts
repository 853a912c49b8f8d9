import { posix } from 'node:path';
import { messageOf } from '../../../base/errors.ts';
import type { Logger } from '../../../base/log.ts';
import type { ProcessIdentity } from '../../../base/process.ts';
import type { Cgroups } from '../../sandbox/cgroup.ts';

/** The folder of the kubelet's layout that the groups of all pods are in. */
const PODS = 'kubepods';
const PREFIX = 'shared-';
const ENTER_ATTEMPTS = 3;

/** The group that those of shared hosts are in. */
function above(cgroupParent: string): string {
  const steps = cgroupParent.split('/');
  const top = steps.slice(0, steps.indexOf(PODS) + 1).join('/');
  return top === '' ? posix.dirname(cgroupParent) : top;
}

/**
 * Removes groups of hosts that are gone and that no record tells of: they had no containers any more when they died
 * together with their supervisor.
 * @param cgroupParent the group of any pod
 * @param isKnown whether a host of this id may be there; one that has a process keeps its group in any case
 */
export async function removeStrayGroups(
  cgroups: Cgroups,
  cgroupParent: string,
  isKnown: (id: string) => boolean,
): Promise<void> {
  const top = above(cgroupParent);
  for (const name of await cgroups.below(top)) {
    if (name.startsWith(PREFIX) && !isKnown(name.slice(PREFIX.length))) await cgroups.remove(`${top}/${name}`);
  }
}

/**
 * The control group of a shared host: it has the CPU shares of all of its guests together, so that beside the hosts of
 * other pods each gets what it has asked for. What a guest has of it is its host's scheduler's; limits too.
 */
export class HostCgroup {
  readonly #cgroups: Cgroups;
  readonly #logger: Logger;
  readonly #path: string;
  readonly #identity: ProcessIdentity;
  #shares = 0;
  /** One change after the other. */
  #tail: Promise<void> = Promise.resolve();

  /** @param cgroupParent the group of the pod that the host was started for */
  constructor(
    parts: { readonly cgroups: Cgroups; readonly logger: Logger },
    host: { readonly id: string; readonly identity: ProcessIdentity },
    cgroupParent: string,
  ) {
    this.#cgroups = parts.cgroups;
    this.#logger = parts.logger;
    this.#identity = host.identity;
    this.#path = `${above(cgroupParent)}/${PREFIX}${host.id}`;
  }

  /** Gives the host these cpu.shares. Resolves when it has them, or cannot have them: it runs all the same. */
  async hold(cpuShares: number): Promise<void> {
    if (cpuShares === this.#shares) return;
    this.#shares = cpuShares;
    await this.#then(async () => {
      for (let attempt = 1; !(await this.#enter(cpuShares, attempt === ENTER_ATTEMPTS)); attempt++);
    });
  }

  /** @returns false when somebody took the group for a stray one before its first process was in it */
  async #enter(cpuShares: number, isLast: boolean): Promise<boolean> {
    const none = { cpuPeriod: 0, cpuQuota: 0, memoryLimitInBytes: 0, pidsLimit: 0 };
    try {
      await this.#cgroups.make(this.#path, { ...none, cpuShares });
      await this.#cgroups.add(this.#path, this.#identity.pid);
      return true;
    } catch (error) {
      if (isLast) throw error;
      return false;
    }
  }

  /** The host is gone. */
  async release(): Promise<void> {
    await this.#then(async () => {
      await this.#cgroups.remove(this.#path);
      await this.#cgroups.removeEmpty(posix.dirname(this.#path));
    });
  }

  #then(change: () => Promise<void>): Promise<void> {
    this.#tail = this.#tail.then(change).catch((error: unknown) => {
      this.#logger.warn('a shared host has no control group', { path: this.#path, error: messageOf(error) });
    });
    return this.#tail;
  }
}
