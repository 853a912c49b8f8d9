import { formatQuantity, parseQuantity, quantityOf } from '../../config/quantity.ts';
import type { Pod } from '../../kube/types.ts';
import { podLimits } from '../admission/pod-requests.ts';
import { wholeValue } from '../quantity.ts';
import { allContainersOf, containersOf } from '../spec.ts';

/** What a pod takes of the node's disk, in bytes. */
export interface LocalStorageUsage {
  /** Of volumes by name: emptyDir of every medium, and what else counts as the pod's own. */
  readonly volumes: ReadonlyMap<string, number>;
  /** Log and writable layer of the containers that run, by name. */
  readonly containers: ReadonlyMap<string, number>;
}

/** Why a pod is to be evicted. */
export interface StorageExcess {
  /** Which limit it is (eviction_manager.go: signalEmptyDirFsLimit and the others). */
  readonly signal: 'emptydirfs.limit' | 'ephemeralpodfs.limit' | 'ephemeralcontainerfs.limit';
  /** In the kubelet's words. */
  readonly message: string;
}

const STORAGE = 'ephemeral-storage';

/** Whether there is any limit that a pod's usage would have to be measured for. */
export const hasStorageLimit = (pod: Pod): boolean =>
  podLimits(pod).has(STORAGE) || (pod.spec?.volumes ?? []).some(({ emptyDir }) => wholeValue(emptyDir?.sizeLimit) > 0);

/**
 * Why a pod is to be evicted for what it has stored, looked for in the kubelet's order; undefined: it need not be
 * (pkg/kubelet/eviction/eviction_manager.go, localStorageEviction).
 */
export const storageExcess = (pod: Pod, usage: LocalStorageUsage): StorageExcess | undefined =>
  emptyDirExcess(pod, usage) ?? podExcess(pod, usage) ?? containerExcess(pod, usage);

function emptyDirExcess(pod: Pod, { volumes }: LocalStorageUsage): StorageExcess | undefined {
  for (const { name, emptyDir } of pod.spec?.volumes ?? []) {
    const limit = wholeValue(emptyDir?.sizeLimit);
    if (limit <= 0 || (volumes.get(name) ?? 0) <= limit) continue;
    const message = `Usage of EmptyDir volume "${name}" exceeds the limit "${canonical(emptyDir?.sizeLimit)}". `;
    return { signal: 'emptydirfs.limit', message };
  }
  return undefined;
}

function podExcess(pod: Pod, { volumes, containers }: LocalStorageUsage): StorageExcess | undefined {
  const limit = podLimits(pod).get(STORAGE);
  if (limit === undefined) return undefined;
  const ownVolumes = (pod.spec?.volumes ?? []).filter(
    ({ emptyDir, configMap }) => configMap !== undefined || (emptyDir && (emptyDir.medium ?? '') === ''),
  );
  const ofVolumes = ownVolumes.reduce((sum, { name }) => sum + (volumes.get(name) ?? 0), 0);
  const used = [...containers.values()].reduce((sum, bytes) => sum + bytes, ofVolumes);
  if (used <= limit) return undefined;
  const text = formatQuantity(quantityOf(limit, formatOfLimits(pod)));
  return {
    signal: 'ephemeralpodfs.limit',
    message: `Pod ephemeral local storage usage exceeds the total limit of containers ${text}. `,
  };
}

/** A sum is printed as the first of what was added. */
function formatOfLimits(pod: Pod) {
  const limits = [...containersOf(pod), ...allContainersOf(pod)].map(({ resources }) => resources?.limits?.[STORAGE]);
  return parseQuantity(limits.find((limit) => limit !== undefined) ?? '0').format;
}

function containerExcess(pod: Pod, { containers }: LocalStorageUsage): StorageExcess | undefined {
  for (const { name, resources } of containersOf(pod)) {
    const limit = resources?.limits?.[STORAGE];
    if (wholeValue(limit) === 0 || (containers.get(name) ?? 0) <= wholeValue(limit)) continue;
    const message = `Container ${name} exceeded its local ephemeral storage limit "${canonical(limit)}". `;
    return { signal: 'ephemeralcontainerfs.limit', message };
  }
  return undefined;
}

const canonical = (quantity = '0'): string => formatQuantity(parseQuantity(quantity));
