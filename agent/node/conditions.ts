import type { EventReason } from '../kube/event-reasons.ts';
import type { NodeCondition } from '../kube/types.ts';
import type { Pressure } from './pressure.ts';

/** What decides the conditions. */
export interface ConditionInputs {
  readonly pressure: Pressure;
  /** The runtime's NetworkReady: whether pods can be given addresses. */
  readonly network: { readonly ready: boolean; readonly reason: string; readonly message: string };
  /** The runtime's HostsConfined; undefined: it does not say. */
  readonly confinement: { readonly status: boolean; readonly reason: string; readonly message: string } | undefined;
  /** Why the node cannot take pods; empty: it can. */
  readonly errors: readonly string[];
}

/** Conditions as they are to be, and the events that their changes are worth: 'NodeReady', 'NodeHasDiskPressure', … */
export interface NextConditions {
  readonly conditions: NodeCondition[];
  readonly events: EventReason[];
}

interface Wanted {
  readonly type: string;
  readonly status: boolean;
  readonly reason: string;
  readonly message: string;
  /** Event when the status changes to this. */
  readonly event?: EventReason;
}

/**
 * The node's conditions (pkg/kubelet/nodestatus/setters.go; same types, reasons, messages and events). Conditions that
 * others set are left alone.
 * @param now RFC 3339
 */
export function nextConditions(
  existing: readonly NodeCondition[],
  inputs: ConditionInputs,
  now: string,
): NextConditions {
  const events: EventReason[] = [];
  const ours = wantedConditions(inputs).map((wanted): NodeCondition => {
    const before = existing.find(({ type }) => type === wanted.type);
    const status = wanted.status ? 'True' : 'False';
    const changed = before?.status !== status;
    if (changed && wanted.event !== undefined) events.push(wanted.event);
    return {
      type: wanted.type,
      status,
      reason: wanted.reason,
      message: wanted.message,
      lastHeartbeatTime: now,
      lastTransitionTime: changed ? now : (before.lastTransitionTime ?? now),
    };
  });
  const types = new Set(ours.map(({ type }) => type));
  return { conditions: [...existing.filter(({ type }) => !types.has(type)), ...ours], events };
}

/** In the kubelet's order: Ready has to be the last. */
function wantedConditions({ pressure, network, confinement, errors }: ConditionInputs): Wanted[] {
  return [
    networkCondition(network),
    pressure.memory
      ? pressed('MemoryPressure', 'InsufficientMemory', 'insufficient memory available')
      : relaxed('MemoryPressure', 'SufficientMemory', 'sufficient memory available'),
    pressure.disk
      ? pressed('DiskPressure', 'DiskPressure', 'disk pressure')
      : relaxed('DiskPressure', 'NoDiskPressure', 'no disk pressure'),
    pressure.pid
      ? pressed('PIDPressure', 'InsufficientPID', 'insufficient PID available')
      : relaxed('PIDPressure', 'SufficientPID', 'sufficient PID available'),
    ...(confinement ? [{ type: 'HostsConfined', ...confinement }] : []),
    readyCondition(errors),
  ];
}

/** The part of the reason after 'KubeletHas' and of the event after 'NodeHas'. */
type PressureWord = Extract<EventReason, `NodeHas${string}`> extends `NodeHas${infer What}` ? What : never;

const pressed = (type: string, what: PressureWord, words: string): Wanted => ({
  ...relaxed(type, what, words),
  status: true,
});

const relaxed = (type: string, what: PressureWord, words: string): Wanted => ({
  type,
  status: false,
  reason: `KubeletHas${what}`,
  message: `kubelet has ${words}`,
  event: `NodeHas${what}`,
});

function networkCondition({ ready, reason, message }: ConditionInputs['network']): Wanted {
  if (ready) {
    return {
      type: 'NetworkUnavailable',
      status: false,
      reason: reason || 'NetworkReady',
      message: message || 'runtime network is ready',
    };
  }
  return { type: 'NetworkUnavailable', status: true, reason: reason || 'NetworkNotReady', message };
}

function readyCondition(errors: readonly string[]): Wanted {
  if (errors.length === 0) {
    return {
      type: 'Ready',
      status: true,
      reason: 'KubeletReady',
      message: 'kubelet is posting ready status',
      event: 'NodeReady',
    };
  }
  // As apimachinery prints several errors in one.
  const message = errors.length === 1 ? (errors[0] ?? '') : `[${errors.join(', ')}]`;
  return { type: 'Ready', status: false, reason: 'KubeletNotReady', message, event: 'NodeNotReady' };
}

/** Whether conditions differ in anything but their heartbeat. */
export function conditionsChanged(a: readonly NodeCondition[], b: readonly NodeCondition[]): boolean {
  const plain = (conditions: readonly NodeCondition[]) =>
    conditions.map(({ lastHeartbeatTime: _, ...rest }) => JSON.stringify(Object.entries(rest).sort())).sort();
  return JSON.stringify(plain(a)) !== JSON.stringify(plain(b));
}
