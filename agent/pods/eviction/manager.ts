import { setInterval } from 'node:timers/promises';
import { hasCode, messageOf } from '../../../base/errors.ts';
import type { Logger } from '../../../base/log.ts';
import type { Pod } from '../../kube/types.ts';
import type { AgentMetrics } from '../../metrics/agent-metrics.ts';
import type { EventRecorder } from '../context.ts';
import { isStaticPod } from '../pod-source.ts';
import { identityOf, podReference } from '../spec.ts';
import { hasStorageLimit, storageExcess, type StorageExcess } from './local-storage.ts';
import { localStorageUsage, type UsageSource } from './usage.ts';

/** pkg/kubelet/kubelet.go: evictionMonitoringPeriod. */
const PERIOD_MS = 10_000;

/** pkg/kubelet/eviction: immediateEvictionGracePeriodSeconds. */
const GRACE_SECONDS = 1;

/** k8s.io/kubernetes/pkg/apis/scheduling: SystemCriticalPriority. */
const CRITICAL_PRIORITY = 2_000_000_000;

/** A pod that can be evicted: its worker. */
export interface Evictable {
  readonly pod: Pod;
  readonly isActive: boolean;
  evict(why: { readonly reason: string; readonly message: string }, graceSeconds: number): void;
}

export interface EvictionOptions extends UsageSource {
  readonly pods: () => readonly Evictable[];
  readonly recorder: EventRecorder;
  readonly metrics: Pick<AgentMetrics, 'evictions'>;
  readonly logger: Logger;
}

/** Evicts pods that store more on the node than their limits allow, until the signal ends it. */
export async function runEviction(options: EvictionOptions, signal: AbortSignal): Promise<void> {
  for await (const _ of setInterval(PERIOD_MS, undefined, { signal })) await evictOverLimit(options);
}

/** Looks once at every pod that has such a limit. */
export async function evictOverLimit(options: EvictionOptions): Promise<void> {
  for (const worker of options.pods()) {
    if (!worker.isActive || !hasStorageLimit(worker.pod)) continue;
    try {
      const excess = storageExcess(worker.pod, await localStorageUsage(options, worker.pod));
      if (excess) evict(worker, excess, options);
    } catch (error) {
      // Looked at again in a moment; nobody is evicted on a guess.
      if (hasCode(error, 'Unavailable')) return;
      options.logger.warn('what a pod stores cannot be measured', {
        ...identityOf(worker.pod),
        error: messageOf(error),
      });
    }
  }
}

/** Static pods are: nobody would start them again (pkg/kubelet/types, IsCriticalPod). */
const isCritical = (pod: Pod): boolean => isStaticPod(pod) || (pod.spec?.priority ?? 0) >= CRITICAL_PRIORITY;

function evict(
  worker: Evictable,
  { signal, message }: StorageExcess,
  { recorder, metrics, logger }: EvictionOptions,
): void {
  if (isCritical(worker.pod)) {
    logger.error('a critical pod is not evicted', { ...identityOf(worker.pod), reason: message });
    return;
  }
  recorder.record(podReference(worker.pod), 'Warning', 'Evicted', message);
  worker.evict({ reason: 'Evicted', message }, GRACE_SECONDS);
  metrics.evictions.inc({ eviction_signal: signal });
}
