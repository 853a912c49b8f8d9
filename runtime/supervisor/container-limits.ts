import { posix } from 'node:path';
import { messageOf } from '../../base/errors.ts';
import type { LinuxContainerResources } from '../service.ts';
import type { SupervisorContext } from './context.ts';
import { signalHost } from './hosts.ts';
import type { ChildHost, Host } from './hosts.ts';
import { MemoryWatch } from './memory-watch.ts';

export interface ContainerLimitsOptions {
  readonly containerId: string;
  /** The pod's control group; undefined: none was asked for. */
  readonly cgroupParent: string | undefined;
  readonly resources: LinuxContainerResources;
  readonly context: SupervisorContext;
}

/** Holds the host processes of one container to its limits: by a control group, or by watching its memory. */
export class ContainerLimits {
  readonly #options: ContainerLimitsOptions;
  #watch: MemoryWatch | undefined;
  /** Kills for want of memory that met a command and not the container's own guest. */
  #ofCommands = 0;

  constructor(options: ContainerLimitsOptions) {
    this.#options = options;
  }

  /** The container's own group. */
  get #path(): string | undefined {
    const { cgroupParent, containerId } = this.#options;
    return cgroupParent === undefined ? undefined : `${cgroupParent}/${containerId}`;
  }

  /** Takes in the host of the container's guest, before the guest is in it. */
  async hold(host: ChildHost): Promise<void> {
    if (!(await this.#enter(host))) this.#watchMemory(host);
  }

  /** Takes in the host of a command in the container. */
  async holdCommand(host: ChildHost): Promise<void> {
    await this.#enter(host);
  }

  /** Takes over a host of an earlier supervisor. */
  async adopt(host: Host): Promise<void> {
    const { cgroups } = this.#options.context;
    if (!this.#path || !(await cgroups?.exists(this.#path))) this.#watchMemory(host);
  }

  /** @returns whether the process is in the container's control group now */
  async #enter(host: ChildHost): Promise<boolean> {
    const { context, resources, containerId } = this.#options;
    const path = this.#path;
    if (path === undefined || !context.cgroups) return false;
    // A pod without a group was told of already.
    if (!(await context.cgroups.exists(posix.dirname(path)))) return false;
    // What Node needs to start is not the guest's.
    await host.ready;
    try {
      await context.cgroups.make(path, { ...resources, pidsLimit: 0 });
      await context.cgroups.add(path, host.identity.pid);
      return true;
    } catch (error) {
      context.logger.warn('a container has no control group', { container: containerId, error: messageOf(error) });
      return false;
    }
  }

  #watchMemory(host: Host): void {
    const { memoryLimitInBytes } = this.#options.resources;
    if (memoryLimitInBytes <= 0) return;
    this.#watch = new MemoryWatch(host.identity, memoryLimitInBytes, () => signalHost(host, 'SIGKILL'));
  }

  async #kills(): Promise<number> {
    return this.#path === undefined ? 0 : ((await this.#options.context.cgroups?.oomKills(this.#path)) ?? 0);
  }

  /** To be called when a command was killed by somebody else while its container runs on. */
  async noteCommandKilled(): Promise<void> {
    this.#ofCommands = await this.#kills();
  }

  /** Whether the container's host, which is gone, was killed for the container's memory. */
  async wasOomKilled(): Promise<boolean> {
    return this.#watch?.exceeded === true || (await this.#kills()) > this.#ofCommands;
  }

  /** Gives the control group back; nothing runs in the container any more. Idempotent. */
  async release(): Promise<void> {
    this.#watch?.[Symbol.dispose]();
    const { context, containerId } = this.#options;
    if (this.#path === undefined || (await context.cgroups?.remove(this.#path)) !== false) return;
    context.logger.warn('a control group cannot be removed', { container: containerId, path: this.#path });
  }
}
