import { join } from 'node:path';
import pLimit from 'p-limit';
import { diskUsage, type DiskUsage } from '../../base/disk-usage.ts';
import { podLogDir } from '../pods/logs.ts';
import type { PodIdentity } from '../pods/spec.ts';
import { listFolder, podPaths } from '../volumes/paths.ts';
import { fileSystem, partOf } from './file-systems.ts';
import { Shared } from './once.ts';
import type { VolumeStats } from './summary.ts';

/** What a pod has on the node's disk beside its containers' own files. */
export interface PodStorage {
  readonly time: Date;
  /** All that have a folder of the pod's: not hostPath. */
  readonly volumes: readonly VolumeStats[];
  /** By container. */
  readonly logs: ReadonlyMap<string, DiskUsage>;
  /** Files that the agent makes for its containers: /etc/hosts. */
  readonly ownFiles: DiskUsage;
}

export interface PodStorageOptions {
  readonly rootDir: string;
  readonly podLogsDir: string;
  /** Milliseconds for which what was measured is told again. Default: the kubelet's volumeStatsAggPeriod, a minute. */
  readonly maxAgeMs?: number;
}

const MAX_AGE_MS = 60_000;
/** Pods whose folders are walked at a time: other work has the disk, and the thread pool, too. */
const PARALLEL = 2;

interface Known {
  readonly measuring: Shared<PodStorage>;
  /** Whose logs the next measurement counts. */
  containers: readonly string[];
  value: PodStorage | undefined;
  measuredMs: number;
}

/** Measures what pods store, one after the other, and no more often than about once a minute. */
export class PodStorages {
  readonly #options: PodStorageOptions;
  readonly #limit = pLimit(PARALLEL);
  readonly #known = new Map<string, Known>();

  constructor(options: PodStorageOptions) {
    this.#options = options;
  }

  /** @param containers whose logs count */
  async of(pod: PodIdentity, containers: readonly string[]): Promise<PodStorage> {
    const known = this.#get(pod);
    known.containers = containers;
    const isFresh = performance.now() - known.measuredMs < (this.#options.maxAgeMs ?? MAX_AGE_MS);
    if (known.value && isFresh && containers.every((name) => known.value?.logs.has(name))) return known.value;
    known.value = await known.measuring.get();
    return known.value;
  }

  /** What was measured last, however old. */
  lastOf(uid: string): PodStorage | undefined {
    return this.#known.get(uid)?.value;
  }

  /** Forgets all but these. */
  keep(uids: ReadonlySet<string>): void {
    for (const uid of this.#known.keys()) if (!uids.has(uid)) this.#known.delete(uid);
  }

  #get(pod: PodIdentity): Known {
    const present = this.#known.get(pod.uid);
    if (present) return present;
    const known: Known = {
      measuring: new Shared(() =>
        this.#limit(async () => {
          const value = await this.#measure(pod, known.containers);
          known.measuredMs = performance.now();
          return value;
        }),
      ),
      containers: [],
      value: undefined,
      measuredMs: -Infinity,
    };
    this.#known.set(pod.uid, known);
    return known;
  }

  async #measure(pod: PodIdentity, containers: readonly string[]): Promise<PodStorage> {
    const { rootDir, podLogsDir } = this.#options;
    const { podDir, volumesDir } = podPaths(rootDir, pod.namespace, pod.uid);
    const logDir = podLogDir(podLogsDir, pod);
    const logs = new Map<string, DiskUsage>();
    for (const name of containers) logs.set(name, await diskUsage(join(logDir, name)));
    return {
      time: new Date(),
      volumes: await measureVolumes(volumesDir),
      logs,
      ownFiles: await diskUsage(join(podDir, 'etc-hosts')),
    };
  }
}

async function measureVolumes(volumesDir: string): Promise<VolumeStats[]> {
  const volumes: VolumeStats[] = [];
  for (const plugin of await listFolder(volumesDir)) {
    for (const name of await listFolder(join(volumesDir, plugin))) {
      const path = join(volumesDir, plugin, name);
      try {
        // Each of its own: a volume in memory has a file system to itself.
        const whole = await fileSystem(path);
        volumes.push({ ...partOf(whole, new Date(), await diskUsage(path)), name });
      } catch {
        // Unmounted meanwhile, or not to be read by this agent: no volume to tell about.
      }
    }
  }
  return volumes;
}
