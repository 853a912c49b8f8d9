import { isDeepStrictEqual } from 'node:util';
import type { PodCondition, PodStatus } from '../kube/types.ts';
import { isWrittenCondition } from './conditions.ts';

/** Fields of a pod's status that this agent writes; whatever else stands there is not ours to touch. */
const SCALARS = [
  'phase',
  'reason',
  'message',
  'hostIP',
  'podIP',
  'startTime',
  'qosClass',
  'observedGeneration',
] as const;
/** Replaced as a whole: the API declares no merge key for them. */
const ATOMIC_LISTS = ['initContainerStatuses', 'containerStatuses', 'ephemeralContainerStatuses'] as const;
/**
 * What the spec adds up to: it goes with whatever else is sent, and is no reason to send anything. API servers that do
 * not know these fields drop them each time.
 */
const DERIVED = ['resources', 'allocatedResources'] as const;
/** Merged by `ip`. */
const ADDRESS_LISTS = ['hostIPs', 'podIPs'] as const;

type Json = Record<string, unknown>;

/**
 * The strategic merge patch that takes a pod's status from what the API has to what it should have, with the UID as a
 * precondition, so that a pod of the same name made anew is not written to (pkg/util/pod, PatchPodStatus).
 * @returns undefined when nothing differs
 */
export function createStatusPatch(uid: string, from: PodStatus, to: PodStatus): Json | undefined {
  const status: Json = {
    ...diffScalars(from, to),
    ...diffAtomicLists(from, to),
    ...diffAddresses(from, to),
    ...diffConditions(from.conditions ?? [], to.conditions ?? []),
  };
  if (Object.keys(status).length === 0) return undefined;
  return { metadata: { uid }, status: { ...status, ...diffDerived(from, to) } };
}

function diffScalars(from: PodStatus, to: PodStatus): Json {
  const patch: Json = {};
  for (const key of SCALARS) if (from[key] !== to[key]) patch[key] = to[key] ?? null;
  return patch;
}

function diffDerived(from: PodStatus, to: PodStatus): Json {
  const patch: Json = {};
  for (const key of DERIVED) {
    if (to[key] && !isDeepStrictEqual(from[key], to[key])) patch[key] = to[key];
  }
  return patch;
}

function diffAtomicLists(from: PodStatus, to: PodStatus): Json {
  const patch: Json = {};
  for (const key of ATOMIC_LISTS) {
    if (!isDeepStrictEqual(withoutNulls(from[key] ?? []), withoutNulls(to[key] ?? []))) patch[key] = to[key] ?? null;
  }
  return patch;
}

function diffAddresses(from: PodStatus, to: PodStatus): Json {
  const patch: Json = {};
  for (const key of ADDRESS_LISTS) {
    const before = (from[key] ?? []).map(({ ip }) => ip);
    const after = (to[key] ?? []).map(({ ip }) => ip);
    if (isDeepStrictEqual(before, after)) continue;
    patch[`$setElementOrder/${key}`] = after.map((ip) => ({ ip }));
    patch[key] = [
      ...after.filter((ip) => !before.includes(ip)).map((ip) => ({ ip })),
      ...before.filter((ip) => !after.includes(ip)).map((ip) => ({ $patch: 'delete', ip })),
    ];
  }
  return patch;
}

function diffConditions(from: readonly PodCondition[], to: readonly PodCondition[]): Json {
  const own = to.filter(({ type }) => isWrittenCondition(type));
  const changed = own.flatMap((condition) => {
    const before = from.find(({ type }) => type === condition.type);
    const patch = diffCondition(before, condition);
    return patch ? [patch] : [];
  });
  if (changed.length === 0) return {};
  const order = [...from, ...own].map(({ type }) => type).filter((type, index, all) => all.indexOf(type) === index);
  // The API server refuses a patch whose elements stand in another order than it names.
  const conditions = changed.toSorted((a, b) => order.indexOf(a.type) - order.indexOf(b.type));
  return { '$setElementOrder/conditions': order.map((type) => ({ type })), conditions };
}

const CONDITION_FIELDS = ['status', 'reason', 'message', 'lastTransitionTime', 'observedGeneration'] as const;

function diffCondition(before: PodCondition | undefined, after: PodCondition): (Json & { type: string }) | undefined {
  const patch: Json = {};
  for (const key of CONDITION_FIELDS) {
    if (before?.[key] !== after[key]) patch[key] = after[key] ?? null;
  }
  if (Object.keys(patch).length === 0) return undefined;
  if (before) return { ...patch, type: after.type };
  return { ...(withoutNulls(patch) as Json), type: after.type };
}

/** The API writes null for times that are not set; for us they are absent. */
function withoutNulls(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutNulls);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, item]) => item !== null && item !== undefined)
      .map(([key, item]) => [key, withoutNulls(item)]),
  );
}
