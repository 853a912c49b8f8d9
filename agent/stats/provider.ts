import { messageOf } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import type { ImageService } from '../../images/service.ts';
import type { Config } from '../config/schema.ts';
import type { Pod } from '../kube/types.ts';
import { wholeValue } from '../pods/quantity.ts';
import { findContainer } from '../pods/spec.ts';
import { bootTimeSeconds } from '../metrics/process-metrics.ts';
import { CpuRates } from './cpu-rates.ts';
import { fileSystem, partOf } from './file-systems.ts';
import { imageFileSystem, nodeNetwork, nodeUsage, type NodeUsage } from './node-usage.ts';
import { Shared, within } from './once.ts';
import { PodStorages, type PodStorage } from './pod-storage.ts';
import {
  readRuntime,
  type ContainerReading,
  type ListedRuntime,
  type PodReading,
  type RuntimeReading,
} from './runtime-reading.ts';
import type {
  ContainerStats,
  CpuStats,
  FsStats,
  MemoryStats,
  NodeStats,
  PodReference,
  PodStats,
  Summary,
} from './summary.ts';

export interface StatsProviderOptions {
  readonly config: Pick<Config, 'rootDir' | 'podLogsDir' | 'nodeName'>;
  readonly runtime: ListedRuntime;
  readonly images: Pick<ImageService, 'imageFsInfo'>;
  /** The pods of this node. */
  readonly pods: () => readonly Pod[];
  readonly logger: Logger;
  /** Milliseconds that the runtime may take. Default 8 000. */
  readonly runtimeMs?: number;
  /** Milliseconds that the disk may take, after which what was measured before is told. Default 4 000. */
  readonly storageMs?: number;
}

/** What the node and its pods use. Calls at the same time share one look at the runtime, the machine and the disk. */
export interface StatsProvider {
  /** @throws WasmletError Unavailable, DeadlineExceeded when the runtime does not answer */
  summary(): Promise<Summary>;
  /** The same without storage and network. @throws as summary */
  cpuAndMemory(): Promise<Summary>;
  /** What the runtime has listed. @throws as summary */
  runtimeReading(): Promise<RuntimeReading>;
}

/** A scraper waits ten seconds by default, and so does metrics-server: an answer that is late is none. */
const RUNTIME_MS = 8000;
const STORAGE_MS = 4000;
/** The store of images is walked to measure it. */
const IMAGES_MAX_AGE_MS = 60_000;

export function createStatsProvider(options: StatsProviderOptions): StatsProvider {
  return new Provider(options);
}

class Provider implements StatsProvider {
  readonly #options: StatsProviderOptions;
  readonly #rates = new CpuRates();
  readonly #storages: PodStorages;
  readonly #runtime: Shared<RuntimeReading>;
  readonly #cpuAndMemory: Shared<Summary>;
  readonly #summary: Shared<Summary>;
  readonly #imageFs: Shared<FsStats>;
  #imageFsAt = -Infinity;
  #lastImageFs: FsStats | undefined;
  #startTime: Date | undefined;

  constructor(options: StatsProviderOptions) {
    this.#options = options;
    this.#storages = new PodStorages(options.config);
    this.#runtime = new Shared(() => readRuntime(options.runtime));
    this.#cpuAndMemory = new Shared(() => this.#readCpuAndMemory());
    this.#summary = new Shared(() => this.#readSummary());
    this.#imageFs = new Shared(() => this.#readImageFs());
  }

  summary = (): Promise<Summary> => this.#summary.get();
  cpuAndMemory = (): Promise<Summary> => this.#cpuAndMemory.get();

  runtimeReading(): Promise<RuntimeReading> {
    return within(this.#options.runtimeMs ?? RUNTIME_MS, 'statistics of the runtime', this.#runtime.get());
  }

  async #readCpuAndMemory(): Promise<Summary> {
    const [reading, usage] = await Promise.all([this.runtimeReading(), nodeUsage(this.#options.config.rootDir)]);
    return { node: await this.#node(usage), pods: this.#pods(reading) };
  }

  async #readSummary(): Promise<Summary> {
    const [reading, usage] = await Promise.all([this.runtimeReading(), nodeUsage(this.#options.config.rootDir)]);
    const pods = this.#pods(reading);
    const [node, fs, network] = await Promise.all([
      this.#node(usage),
      fileSystem(this.#options.config.rootDir),
      nodeNetwork(),
    ]);
    await this.#measureStorage(reading);
    const imageFs = this.#lastImageFs;
    const { capacity: maxpid, available } = usage.machine.pids;
    return {
      node: {
        ...node,
        systemContainers: [this.#agent(), podsTogether(usage.time, pods)],
        network,
        fs,
        // As the kubelet has it of CRI: images and writable layers are in one place.
        ...(imageFs ? { runtime: { imageFs, containerFs: imageFs } } : {}),
        rlimit: { time: usage.time, maxpid, curproc: maxpid - available },
      },
      pods: pods.map((pod, index) => this.#withStorage(pod, reading.pods[index], fs)),
    };
  }

  async #node({ time, cpuUsageCoreNanoSeconds, memory, swap }: NodeUsage): Promise<NodeStats> {
    this.#startTime ??= new Date((await bootTimeSeconds()) * 1000);
    return {
      nodeName: this.#options.config.nodeName,
      startTime: this.#startTime,
      cpu: this.#cpu('node', time, cpuUsageCoreNanoSeconds),
      memory,
      swap,
    };
  }

  /** The agent's own process, which stands for the kubelet. */
  #agent(): ContainerStats {
    const time = new Date();
    const { user, system } = process.cpuUsage();
    const { rss } = process.memoryUsage();
    return {
      name: 'kubelet',
      startTime: new Date(Date.now() - process.uptime() * 1000),
      cpu: this.#cpu('kubelet', time, (user + system) * 1000),
      memory: { time, usageBytes: rss, workingSetBytes: rss, rssBytes: rss },
    };
  }

  #pods(reading: RuntimeReading): PodStats[] {
    const specs = new Map(this.#options.pods().map((pod) => [pod.metadata?.uid ?? '', pod]));
    this.#forgetOthers(reading);
    return reading.pods.map(({ sandbox, containers }) => {
      const { name, namespace, uid } = sandbox.metadata;
      const stats = containers.map((container) => this.#container(container, specs.get(uid)));
      return {
        podRef: { name, namespace, uid },
        startTime: new Date(sandbox.createdAt),
        containers: stats,
        ...sumOf(stats),
      };
    });
  }

  #container({ name, container, stats }: ContainerReading, pod: Pod | undefined): ContainerStats {
    const time = new Date(stats.timestamp);
    const workingSetBytes = stats.memoryWorkingSetBytes;
    const limit = wholeValue((pod && findContainer(pod, name))?.resources?.limits?.['memory']);
    return {
      name,
      startTime: new Date(container.createdAt),
      cpu: this.#cpu(container.id, time, stats.cpuUsageCoreNanoSeconds),
      memory: {
        time,
        ...(limit > 0 ? { availableBytes: Math.max(0, limit - workingSetBytes) } : {}),
        // One process, whose share of resident memory is all that it uses.
        usageBytes: workingSetBytes,
        workingSetBytes,
        rssBytes: workingSetBytes,
      },
    };
  }

  #cpu(key: string, time: Date, usageCoreNanoSeconds: number): CpuStats {
    const usageNanoCores = this.#rates.update(key, time, usageCoreNanoSeconds);
    return { time, ...(usageNanoCores === undefined ? {} : { usageNanoCores }), usageCoreNanoSeconds };
  }

  #forgetOthers({ pods }: RuntimeReading): void {
    const ids = pods.flatMap(({ containers }) => containers.map(({ container }) => container.id));
    this.#rates.keep(new Set(['node', 'kubelet', ...ids]));
    this.#storages.keep(new Set(pods.map(({ sandbox }) => sandbox.metadata.uid)));
  }

  /** A disk that is slow, or that holds much, must not hold a scrape: what is late is told the next time. */
  async #measureStorage({ pods }: RuntimeReading): Promise<void> {
    const measured = Promise.all([
      this.#measureImages(),
      ...pods.map(({ sandbox, containers }) =>
        this.#storages.of(
          sandbox.metadata,
          containers.map(({ name }) => name),
        ),
      ),
    ]);
    try {
      await within(this.#options.storageMs ?? STORAGE_MS, 'measuring storage', measured);
    } catch (error) {
      this.#options.logger.warn('storage is told as it was measured before', { error: messageOf(error) });
    }
  }

  async #measureImages(): Promise<void> {
    if (performance.now() - this.#imageFsAt < IMAGES_MAX_AGE_MS) return;
    this.#lastImageFs = await this.#imageFs.get();
  }

  async #readImageFs(): Promise<FsStats> {
    const stats = await imageFileSystem(await this.#options.images.imageFsInfo());
    this.#imageFsAt = performance.now();
    return stats;
  }

  #withStorage(stats: PodStats, reading: PodReading | undefined, fs: FsStats): PodStats {
    const storage = this.#storages.lastOf(stats.podRef.uid);
    const imageFs = this.#lastImageFs ?? fs;
    const containers = stats.containers.map((container, index) => {
      const { writableLayer, timestamp } = reading?.containers[index]?.stats ?? {};
      const logs = storage?.logs.get(container.name);
      return {
        ...container,
        ...(writableLayer && timestamp ? { rootfs: partOf(imageFs, new Date(timestamp), writableLayer) } : {}),
        ...(logs && storage ? { logs: partOf(fs, storage.time, logs) } : {}),
      };
    });
    return {
      ...stats,
      containers,
      ...(storage ? { volume: storage.volumes, ...this.#ephemeral(stats.podRef, containers, storage, fs) } : {}),
      // A guest is one process, or a part of one that it shares with others.
      process_stats: { process_count: containers.length },
    };
  }

  #ephemeral(
    { uid }: PodReference,
    containers: readonly ContainerStats[],
    storage: PodStorage,
    fs: FsStats,
  ): Pick<PodStats, 'ephemeral-storage'> {
    const spec = this.#options.pods().find(({ metadata }) => metadata?.uid === uid)?.spec;
    const ephemeral = new Set((spec?.volumes ?? []).filter(isLocalEphemeral).map(({ name }) => name));
    const parts = [
      ...storage.volumes.filter(({ name }) => ephemeral.has(name)),
      ...containers.flatMap(({ rootfs, logs }) => [rootfs, logs].filter((part) => part !== undefined)),
      storage.ownFiles,
    ];
    const used = {
      usedBytes: parts.reduce((sum, { usedBytes }) => sum + usedBytes, 0),
      inodesUsed: parts.reduce((sum, { inodesUsed }) => sum + inodesUsed, 0),
    };
    return { 'ephemeral-storage': partOf(fs, storage.time, used) };
  }
}

type Volume = NonNullable<NonNullable<Pod['spec']>['volumes']>[number];

/** pkg/volume/util, IsLocalEphemeralVolume. */
const isLocalEphemeral = ({ emptyDir, configMap }: Volume): boolean =>
  configMap !== undefined || (emptyDir !== undefined && emptyDir.medium !== 'Memory');

const total = (values: readonly (number | undefined)[]): number =>
  values.reduce<number>((sum, value) => sum + (value ?? 0), 0);

/** A pod uses what its containers use: it has no process of its own. */
function sumOf(containers: readonly ContainerStats[]): { cpu: CpuStats; memory: MemoryStats } {
  const time = new Date(Math.max(...containers.map(({ cpu }) => cpu.time.getTime())));
  const rates = containers.map(({ cpu }) => cpu.usageNanoCores);
  const available = containers.map(({ memory }) => memory.availableBytes);
  return {
    cpu: {
      time,
      ...(rates.every((rate) => rate === undefined) ? {} : { usageNanoCores: total(rates) }),
      usageCoreNanoSeconds: total(containers.map(({ cpu }) => cpu.usageCoreNanoSeconds)),
    },
    memory: {
      time,
      ...(available.includes(undefined) ? {} : { availableBytes: total(available) }),
      usageBytes: total(containers.map(({ memory }) => memory.usageBytes)),
      workingSetBytes: total(containers.map(({ memory }) => memory.workingSetBytes)),
      rssBytes: total(containers.map(({ memory }) => memory.rssBytes)),
    },
  };
}

/** All pods as one, as the kubelet tells of the control group that holds them. */
function podsTogether(time: Date, pods: readonly PodStats[]): ContainerStats {
  const startTime = new Date(Math.min(time.getTime(), ...pods.map((pod) => pod.startTime.getTime())));
  const sum =
    pods.length === 0 ? { cpu: { time, usageCoreNanoSeconds: 0 }, memory: { time, workingSetBytes: 0 } } : null;
  return {
    name: 'pods',
    startTime,
    ...(sum ?? sumOf(pods.map((pod) => ({ ...pod, name: pod.podRef.name })))),
  };
}
