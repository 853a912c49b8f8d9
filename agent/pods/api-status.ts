import type { ContainerStatus, Pod, PodCondition, PodStatus } from '../kube/types.ts';
import { sandboxChange, type ProbeResults } from './actions.ts';
import { disruptionTarget, generateConditions, isOwnCondition } from './conditions.ts';
import { generateContainerStatuses, type WaitingReason } from './container-statuses.ts';
import { phaseOf } from './phase.ts';
import { podResourcesStatus } from './pod-resources.ts';
import { qosClassOf } from './qos.ts';
import { mayRestartAll, restartingCondition, shouldRestartAll } from './restart-all.ts';
import { readySandboxOf, type PodRuntimeStatus } from './runtime-cache.ts';
import { containersOf, ephemeralContainersOf, initContainersOf, isTerminalPhase } from './spec.ts';

export interface ApiStatusInput {
  readonly pod: Pod;
  readonly runtimeStatus: PodRuntimeStatus;
  /** The status last set; the API's where none was. */
  readonly previous: PodStatus;
  /** All containers have been ended for good. */
  readonly podIsTerminal: boolean;
  readonly reasons: ReadonlyMap<string, WaitingReason>;
  readonly probes: ProbeResults;
  readonly hostIPs: readonly string[];
  /** Ends the pod whatever its containers say: past its active deadline, or at the node's shutdown. */
  readonly evict?: { readonly reason: string; readonly message: string; readonly isDisruption?: boolean } | undefined;
}

/** The pod's whole status, without transition times (kubelet_pods.go, generateAPIPodStatus). */
export function generateApiStatus(input: ApiStatusInput): PodStatus {
  const { pod, runtimeStatus, previous } = input;
  const isRestarting = shouldRestartAll(pod, runtimeStatus, previous);
  const shared = { pod, runtimeStatus, reasons: input.reasons, probes: input.probes, isRestarting };
  const containerStatuses = generateContainerStatuses({
    ...shared,
    previous: previous.containerStatuses ?? [],
    containers: containersOf(pod),
    isInit: false,
  });
  const initContainerStatuses = generateContainerStatuses({
    ...shared,
    previous: previous.initContainerStatuses ?? [],
    containers: initContainersOf(pod),
    isInit: true,
  });
  const ephemeralContainerStatuses = generateContainerStatuses({
    ...shared,
    previous: previous.ephemeralContainerStatuses ?? [],
    containers: ephemeralContainersOf(pod),
    isInit: false,
    isEphemeral: true,
  });
  const statuses = [...initContainerStatuses, ...containerStatuses];
  const outcome = outcomeOf(input, statuses);
  return {
    ...outcome,
    conditions: [
      ...othersConditions(input),
      ...generateConditions({
        pod,
        statuses,
        phase: outcome.phase,
        sandboxReady: !sandboxChange(runtimeStatus).changed,
        previous: previous.conditions ?? [],
      }),
      ...(mayRestartAll(pod) ? [restartingCondition(pod, { phase: outcome.phase, runtimeStatus, isRestarting })] : []),
    ],
    ...addressesOf(input),
    qosClass: qosClassOf(pod),
    ...podResourcesStatus(pod),
    ...(initContainerStatuses.length > 0 ? { initContainerStatuses } : {}),
    containerStatuses,
    ...(ephemeralContainerStatuses.length > 0 ? { ephemeralContainerStatuses } : {}),
  };
}

/** What others have set, and that the node's own need has ended the pod, which is told once nothing of it runs any more. */
function othersConditions({ pod, evict, podIsTerminal }: ApiStatusInput): PodCondition[] {
  const others = (pod.status?.conditions ?? []).filter(({ type }) => !isOwnCondition(type));
  if (evict?.isDisruption !== true || !podIsTerminal) return others;
  const target = disruptionTarget(pod, evict.message);
  return [...others.filter(({ type }) => type !== target.type), target];
}

type Outcome = Pick<PodStatus, 'reason' | 'message'> & { phase: ReturnType<typeof phaseOf> };

/** Phase, with the reason that belongs to it. A pod never leaves a terminal phase. */
function outcomeOf(input: ApiStatusInput, statuses: readonly ContainerStatus[]): Outcome {
  const { pod, previous, runtimeStatus, podIsTerminal, evict } = input;
  const sandboxId = readySandboxOf(runtimeStatus)?.id;
  const regular = new Set(containersOf(pod).map(({ name }) => name));
  const hasInitialized = runtimeStatus.containers.some((c) => c.sandboxId === sandboxId && regular.has(c.name));
  const computed = phaseOf(pod, { statuses, podIsTerminal, hasInitialized });
  const settled = [pod.status?.phase, previous.phase].find(isTerminalPhase) as Outcome['phase'] | undefined;
  if (evict && !settled) return { phase: 'Failed', reason: evict.reason, message: evict.message };
  const phase = settled ?? computed;
  if (phase !== previous.phase) return { phase };
  const reason = previous.reason ?? pod.status?.reason;
  const message = previous.message ?? pod.status?.message;
  return { phase, ...(reason === undefined ? {} : { reason }), ...(message === undefined ? {} : { message }) };
}

/**
 * Addresses of the node and of the pod. A sandbox without an address of its own shares the node's. An ended sandbox has
 * none any more: the last known ones stay.
 */
function addressesOf({ runtimeStatus, previous, hostIPs }: ApiStatusInput): PodStatus {
  const podIPs = podIPsOf(runtimeStatus, hostIPs);
  const [hostIP] = hostIPs;
  const [podIP = previous.podIP] = podIPs;
  return {
    ...(hostIP === undefined ? {} : { hostIP, hostIPs: hostIPs.map((ip) => ({ ip })) }),
    ...(podIP === undefined
      ? {}
      : { podIP, podIPs: podIPs.length > 0 ? podIPs.map((ip) => ({ ip })) : (previous.podIPs ?? [{ ip: podIP }]) }),
  };
}

/** The addresses of the pod's ready sandbox; empty when there is none. */
export function podIPsOf(runtimeStatus: PodRuntimeStatus, hostIPs: readonly string[]): readonly string[] {
  const sandbox = readySandboxOf(runtimeStatus);
  if (!sandbox) return [];
  const { ip, additionalIps } = sandbox.network;
  return ip === '' ? hostIPs : [ip, ...additionalIps];
}
