import { mkdir, rm, rmdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { errnoOf, messageOf } from '../../base/errors.ts';
import type { GuestAddresses, PodNetwork } from '../sandbox/network/pod-network.ts';
import type { PodSandbox, PodSandboxConfig, PodSandboxMetadata, PodSandboxStatus } from '../service.ts';
import type { ContainerEntry } from './container.ts';
import type { ContainerOwner } from './container-owner.ts';
import type { SupervisorContext } from './context.ts';
import { noteSandbox } from './records.ts';
import type { SandboxRecord } from './records.ts';
import { makeSandboxFiles } from './sandbox-files.ts';
import { SerialQueue } from './serial-queue.ts';

/** One pod sandbox with its containers. What changes it runs one after the other. */
export class SandboxEntry implements ContainerOwner {
  readonly directory: string;
  readonly containers = new Map<string, ContainerEntry>();
  readonly queue = new SerialQueue();
  readonly #context: SupervisorContext;
  #record: SandboxRecord;
  #network: PodNetwork | undefined;
  #removed = false;

  /** @param network what an earlier supervisor has made for it */
  constructor(record: SandboxRecord, directory: string, context: SupervisorContext, network?: PodNetwork) {
    this.#record = record;
    this.#network = network;
    this.directory = directory;
    this.#context = context;
  }

  get id(): string {
    return this.#record.id;
  }

  get record(): SandboxRecord {
    return this.#record;
  }

  get metadata(): PodSandboxMetadata {
    return this.#record.config.metadata;
  }

  get logDirectory(): string {
    return this.#record.config.logDirectory;
  }

  get hostname(): string {
    return this.#record.config.hostname;
  }

  get annotations(): Readonly<Record<string, string>> {
    return this.#record.config.annotations;
  }

  get dnsConfig(): PodSandboxConfig['dnsConfig'] {
    return this.#record.config.dnsConfig;
  }

  get engine(): 'v8' | 'interpreter' {
    return this.#record.engine;
  }

  get isolation(): 'process' | 'shared' {
    return this.#record.isolation ?? 'process';
  }

  get cgroupParent(): string | undefined {
    return this.#record.config.linux?.cgroupParent;
  }

  get netns(): string | undefined {
    return this.#network?.netns;
  }

  get guestAddresses(): GuestAddresses | undefined {
    return this.#network?.guestAddresses;
  }

  get hostUsers(): boolean | undefined {
    return this.#record.config.hostUsers;
  }

  get ready(): boolean {
    return this.#record.state === 'SANDBOX_READY';
  }

  /**
   * Makes the sandbox's folder, network and record.
   * @throws WasmletError FailedPrecondition when it can be given no network, in containerd's words
   */
  async create(): Promise<void> {
    await mkdir(this.directory, { recursive: true, mode: 0o700 });
    await this.#setUpNetwork();
    await makeSandboxFiles(this.directory, this.#record.config);
    await noteSandbox(this.directory, this.#record);
    await this.#makeCgroup();
    this.#context.events.emit('CONTAINER_CREATED_EVENT', this.id, this.metadata);
    this.#context.events.emit('CONTAINER_STARTED_EVENT', this.id, this.metadata);
  }

  /** A pod without a group of its own runs all the same: what holds it then is in docs/limits.md. */
  async #makeCgroup(): Promise<void> {
    const { linux } = this.#record.config;
    const { cgroups, logger } = this.#context;
    if (!linux || !cgroups) return;
    try {
      await cgroups.make(linux.cgroupParent, { ...linux.resources, pidsLimit: linux.pidsLimit });
    } catch (error) {
      logger.warn('a pod has no control group', { sandbox: this.id, error: messageOf(error) });
    }
  }

  async #setUpNetwork(): Promise<void> {
    const { networks, pool } = this.#context;
    const { id, config } = this.#record;
    // Whose containers share a host process, and those have one network namespace.
    const group = this.isolation === 'shared' && this.engine === 'v8' ? this.metadata.namespace : undefined;
    const network = await networks.plan({ id, directory: this.directory, config, group });
    // Where a host is shared there may be one.
    if (group === undefined && config.hostUsers !== true) pool.expectUsers(network?.netns);
    this.#network = network;
    await network?.setUp(() => pool.warm(network.netns));
  }

  /** CNI's CHECK. @throws WasmletError with what a plugin misses */
  async checkNetwork(): Promise<void> {
    await this.queue.run(() => this.#network?.check() ?? Promise.resolve());
  }

  /** Gives the network back, if the sandbox has one. @throws WasmletError as PodNetwork.tearDown */
  async #releaseNetwork(): Promise<void> {
    const network = this.#network;
    if (!network) return;
    await network.tearDown(async () => {
      await this.#context.pool.dismiss(network.netns);
      await this.#context.sharedHosts.dismiss(network.netns);
    });
    this.#network = undefined;
  }

  /**
   * Ends every container by SIGKILL and gives the network back. Nothing starts in the sandbox from the first moment on.
   * @throws WasmletError when the network's plugins fail: to be tried again
   */
  async stop(): Promise<void> {
    await this.#end(async () => {
      await noteSandbox(this.directory, this.#record);
    });
    await this.queue.run(() => this.#releaseNetwork());
  }

  /**
   * Ends and removes the containers, then the sandbox's files and the folders that are empty by that.
   * @param isLast whether the pod has no other sandbox: its control group then goes too, if it is there still
   */
  async remove(isLast: () => boolean): Promise<void> {
    // Its record goes with it.
    await this.#end(() => Promise.resolve());
    await this.queue.run(async () => {
      if (this.#removed) return;
      await Promise.all([...this.containers.values()].map((container) => container.remove()));
      // Before its files, which say what there is to give back.
      await this.#releaseNetwork();
      // Something of a container may have been in it when the sandbox was stopped, and a supervisor died since.
      if (this.cgroupParent !== undefined && isLast()) await this.#context.cgroups?.removeEmpty(this.cgroupParent);
      this.#removed = true;
      await rm(this.directory, { recursive: true, force: true });
      await removeEmptyParents(this.directory, 3);
    });
  }

  async #end(note: () => Promise<void>): Promise<void> {
    const wasReady = this.ready;
    this.#record = { ...this.#record, state: 'SANDBOX_NOTREADY' };
    const killAll = () => Promise.all([...this.containers.values()].map((container) => container.stop(0)));
    // At once, since a container that is being created must not keep the others alive; then for those that it was.
    await killAll();
    await this.queue.run(async () => {
      await killAll();
      if (!wasReady || this.#removed) return;
      // Once: by the second time it may be the group of the pod's next sandbox.
      if (this.cgroupParent !== undefined) await this.#context.cgroups?.removeEmpty(this.cgroupParent);
      await note();
      this.#context.events.emit('CONTAINER_STOPPED_EVENT', this.id, this.metadata);
    });
  }

  /** CRI's PodSandbox. */
  summary(): PodSandbox {
    const { id, config, state, createdAt, runtimeHandler } = this.#record;
    const { metadata, labels, annotations } = config;
    return { id, metadata, state, createdAt, runtimeHandler, labels, annotations };
  }

  /** CRI's PodSandboxStatus. A pod that shares the node's network has no address here. */
  status(): PodSandboxStatus {
    const { hostNetwork } = this.#record.config;
    const [ip = '', ...additionalIps] = this.#network?.addresses ?? [];
    return { ...this.summary(), network: { ip, additionalIps }, hostNetwork };
  }
}

/** Removes folders upwards from that of a path while they are empty: others keep their files of the pod there. */
async function removeEmptyParents(path: string, levels: number): Promise<void> {
  let folder = dirname(path);
  for (let level = 0; level < levels; level++, folder = dirname(folder)) {
    try {
      await rmdir(folder);
    } catch (error) {
      if (['ENOTEMPTY', 'ENOENT', 'EEXIST'].includes(errnoOf(error) ?? '')) return;
      throw error;
    }
  }
}
