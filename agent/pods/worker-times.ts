import type { AgentMetrics } from '../metrics/agent-metrics.ts';
import { containersOf } from './spec.ts';
import type { Pod } from '../kube/types.ts';
import type { WorkerState } from './worker.ts';

const KNOWN_SHORTAGES = ['OutOfcpu', 'OutOfmemory', 'OutOfephemeral-storage', 'OutOfpods'];

const secondsSince = (milliseconds: number): number => (performance.now() - milliseconds) / 1000;

/** How long the work on one pod takes, for the agent's metrics (pkg/kubelet/pod_workers.go; kubelet.go, SyncPod). */
export class WorkerTimes {
  readonly #metrics: AgentMetrics;
  readonly #seenMs = performance.now();
  #hasBegun = false;

  constructor(metrics: AgentMetrics) {
    this.#metrics = metrics;
  }

  /** A step begins. @returns what to call at its end */
  begin(pod: Pod, state: WorkerState): () => void {
    const operation_type = this.#operationOf(state);
    if (!this.#hasBegun) {
      this.#hasBegun = true;
      this.#metrics.podWorkerStartDuration.observe({}, secondsSince(this.#seenMs));
      this.#metrics.containersPerPod.observe({}, containersOf(pod).length);
    }
    const startedMs = performance.now();
    return () => this.#metrics.podWorkerDuration.observe({ operation_type }, secondsSince(startedMs));
  }

  /** The pod's phase has changed. */
  notePhase(before: string | undefined, after: string | undefined): void {
    if (before === 'Running' || after !== 'Running') return;
    this.#metrics.podStartDuration.observe({}, secondsSince(this.#seenMs));
  }

  /** The node has refused the pod. Names of extended resources, which may be many, count as one (kubelet.go). */
  noteRejection(reason: string): void {
    const isOther = reason.startsWith('OutOf') && !KNOWN_SHORTAGES.includes(reason);
    this.#metrics.admissionRejections.inc({ reason: isOther ? 'OutOfExtendedResources' : reason });
  }

  /** In the kubelet's words (pkg/kubelet/types, SyncPodType). */
  #operationOf(state: WorkerState): string {
    if (state === 'terminating') return 'kill';
    if (state === 'terminated') return 'terminated';
    return this.#hasBegun ? 'sync' : 'create';
  }
}
