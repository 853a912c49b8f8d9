import type { Container, ContainerStatus, Pod, PodCondition } from '../kube/types.ts';
import type { PodPhase } from './phase.ts';
import { containersOf, initContainersOf, isRestartableInit } from './spec.ts';

/** Conditions that the kubelet alone writes (pkg/kubelet/types, PodConditionsByKubelet). */
const OWN_CONDITIONS = [
  'PodScheduled',
  'Ready',
  'Initialized',
  'ContainersReady',
  'PodReadyToStartContainers',
  'AllContainersRestarting',
] as const;
type OwnCondition = (typeof OWN_CONDITIONS)[number];

export const isOwnCondition = (type: string): boolean => (OWN_CONDITIONS as readonly string[]).includes(type);

/** Conditions that the kubelet writes, alone or as others do too (pkg/kubelet/types, PodConditionSharedByKubelet). */
export const isWrittenCondition = (type: string): boolean => isOwnCondition(type) || type === 'DisruptionTarget';

export interface ConditionsInput {
  readonly pod: Pod;
  /** Init and regular containers' statuses. */
  readonly statuses: readonly ContainerStatus[];
  readonly phase: PodPhase;
  readonly sandboxReady: boolean;
  /** As last shown. */
  readonly previous: readonly PodCondition[];
}

type Finding = Omit<PodCondition, 'type' | 'observedGeneration'>;

/** The kubelet's own conditions, without their transition times (pkg/kubelet/status/generate.go). */
export function generateConditions(input: ConditionsInput): PodCondition[] {
  const containersReady = containersReadyOf(input);
  return [
    condition(input.pod, 'PodReadyToStartContainers', { status: input.sandboxReady ? 'True' : 'False' }),
    condition(input.pod, 'Initialized', initializedOf(input)),
    condition(input.pod, 'Ready', readyOf(input.pod, containersReady)),
    condition(input.pod, 'ContainersReady', containersReady),
    condition(input.pod, 'PodScheduled', { status: 'True' }),
  ];
}

/** The condition of a pod that the node has ended for a need of its own (pkg/kubelet/nodeshutdown). */
export const disruptionTarget = (pod: Pod, message: string): PodCondition =>
  condition(pod, 'DisruptionTarget', { status: 'True', reason: 'TerminationByKubelet', message });

function condition(pod: Pod, type: OwnCondition | 'DisruptionTarget', finding: Finding): PodCondition {
  const generation = pod.metadata?.generation;
  return { type, ...(generation === undefined ? {} : { observedGeneration: generation }), ...finding };
}

function containersReadyOf({ pod, statuses, phase }: ConditionsInput): Finding {
  const counted = [...initContainersOf(pod).filter(isRestartableInit), ...containersOf(pod)];
  const { unknown, failing } = sort(counted, statuses, (_container, { ready }) => ready);
  if (phase === 'Failed') return { status: 'False', reason: 'PodFailed' };
  if (phase === 'Succeeded' && unknown.length === 0) return { status: 'False', reason: 'PodCompleted' };
  return trueUnless('ContainersNotReady', unknown, 'unready', failing);
}

function readyOf(pod: Pod, containersReady: Finding): Finding {
  if (containersReady.status !== 'True') return containersReady;
  const messages = (pod.spec?.readinessGates ?? []).flatMap(({ conditionType }) => {
    const gate = pod.status?.conditions?.find(({ type }) => type === conditionType);
    if (!gate) return [`corresponding condition of pod readiness gate "${conditionType}" does not exist.`];
    if (gate.status === 'True') return [];
    return [`the status of pod readiness gate "${conditionType}" is not "True", but ${gate.status}`];
  });
  if (messages.length === 0) return { status: 'True' };
  return { status: 'False', reason: 'ReadinessGatesNotReady', message: messages.join(', ') };
}

function initializedOf({ pod, statuses, phase, previous }: ConditionsInput): Finding {
  const { unknown, failing } = sort(initContainersOf(pod), statuses, (container, status) =>
    isRestartableInit(container) ? status.started === true : status.ready,
  );
  if (phase === 'Succeeded' && unknown.length === 0) return { status: 'True', reason: 'PodCompleted' };
  // Sidecars that start again do not make an initialised pod less so.
  const regular = new Set(containersOf(pod).map(({ name }) => name));
  if (statuses.some(({ name, state }) => regular.has(name) && (state?.running ?? state?.terminated))) {
    return { status: 'True' };
  }
  // Nor does a restart of all containers.
  if (previous.some(({ type, status }) => type === 'Initialized' && status === 'True')) return { status: 'True' };
  return trueUnless('ContainersNotInitialized', unknown, 'incomplete', failing);
}

function sort(
  containers: readonly Container[],
  statuses: readonly ContainerStatus[],
  passes: (container: Container, status: ContainerStatus) => boolean,
): { unknown: string[]; failing: string[] } {
  const unknown: string[] = [];
  const failing: string[] = [];
  for (const container of containers) {
    const status = statuses.find(({ name }) => name === container.name);
    if (!status) unknown.push(container.name);
    else if (!passes(container, status)) failing.push(container.name);
  }
  return { unknown, failing };
}

function trueUnless(
  reason: string,
  unknown: readonly string[],
  failingAs: 'unready' | 'incomplete',
  failing: readonly string[],
): Finding {
  const messages = [
    ...(unknown.length > 0 ? [`containers with unknown status: [${unknown.join(' ')}]`] : []),
    ...(failing.length > 0 ? [`containers with ${failingAs} status: [${failing.join(' ')}]`] : []),
  ];
  return messages.length === 0 ? { status: 'True' } : { status: 'False', reason, message: messages.join(', ') };
}
