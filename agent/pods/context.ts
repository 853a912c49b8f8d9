import type { Logger } from '../../base/log.ts';
import type { RuntimeService } from '../../runtime/service.ts';
import type { Config } from '../config/schema.ts';
import type { ImagePuller } from '../images/image-puller.ts';
import type { ObjectCache } from '../kube/objects.ts';
import type { ObjectReference, Pod } from '../kube/types.ts';
import type { AgentMetrics } from '../metrics/agent-metrics.ts';
import type { VolumeManager } from '../volumes/manager.ts';
import type { EventReason } from '../kube/event-reasons.ts';
import type { ProbeResults } from './actions.ts';
import type { KeyedBackoff } from './backoff.ts';
import type { EnvironmentMaker } from './environment.ts';
import type { MirrorPods } from './static/mirrors.ts';
import type { StatusWriter } from './status-writer.ts';

/** Writes events; never blocks and never fails. */
export interface EventRecorder {
  record(ref: ObjectReference, type: 'Normal' | 'Warning', reason: EventReason, message: string): void;
}

/** What all the parts of a pod's life work with; one for all pods. */
export interface PodContext {
  readonly config: Config;
  readonly runtime: RuntimeService;
  readonly images: ImagePuller;
  readonly volumes: VolumeManager;
  readonly environment: EnvironmentMaker;
  readonly objects: ObjectCache;
  readonly recorder: EventRecorder;
  readonly status: StatusWriter;
  readonly mirrors: MirrorPods;
  readonly hostIPs: () => readonly string[];
  /** Ports that the agent listens on, which are nothing for pods. */
  readonly ownPorts: () => readonly number[];
  /** Of containers that fail: CrashLoopBackOff. */
  readonly restartBackoff: KeyedBackoff;
  readonly probes: ProbeSupervisor;
  readonly metrics: AgentMetrics;
  /**
   * The runtime class' handler, '' for none.
   * @throws WasmletError NotFound when there is no such class
   */
  readonly runtimeHandlerOf: (pod: Pod) => string;
  readonly logger: Logger;
}

/** Runs the probes of the pods' containers (pkg/kubelet/prober). */
export interface ProbeSupervisor extends ProbeResults {
  /** Probes what runs and is not probed yet; ends the probes of what does not run any more. */
  update(pod: Pod, running: readonly ProbedContainer[], podIP: string, onChange: () => void): void;
  /** The pod is about to end: only whether it is ready still matters. */
  stopLivenessAndStartup(podUid: string): void;
  /** Ends all probes of a pod, and forgets what was counted of them. */
  remove(podUid: string): void;
}

export interface ProbedContainer {
  readonly id: string;
  readonly name: string;
  readonly startedAt: string;
  /** As last reported: an agent that was restarted does not make a container unready until a probe says so. */
  readonly wasStarted: boolean;
  readonly wasReady: boolean;
}
