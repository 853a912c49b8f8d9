import type { EventReason } from '../kube/event-reasons.ts';
import { isDeepStrictEqual } from 'node:util';
import type { Image } from '../../images/service.ts';
import type { RuntimeHandlerInfo } from '../../runtime/service.ts';
import type { Node, NodeStatus } from '../kube/types.ts';
import type { NodeResources } from './capacity.ts';
import { conditionsChanged, nextConditions, type ConditionInputs } from './conditions.ts';
import type { NodeInfo } from './machine.ts';

/** Everything that is seen of this node at one time. */
export interface NodeObservation extends ConditionInputs {
  readonly nodeName: string;
  readonly internalIPs: readonly string[];
  readonly resources: NodeResources;
  readonly nodeInfo: NodeInfo;
  readonly port: number;
  readonly images: readonly Image[];
  readonly runtimeHandlers: readonly RuntimeHandlerInfo[];
}

/** pkg/kubelet/apis/config/v1beta1: nodeStatusMaxImages; nodestatus: MaxNamesPerImageInNodeStatus. */
const MAX_IMAGES = 50;
const MAX_NAMES_PER_IMAGE = 5;

/**
 * What this node can do that the scheduler may not take for granted (KEP-5328), sorted. API servers before 1.35 drop
 * the field, so that it is missing is no reason to write a status.
 */
const DECLARED_FEATURES = ['RestartAllContainersOnContainerExits'] as const;

export interface NextStatus {
  readonly status: NodeStatus;
  /** Reasons of events that the change is worth. */
  readonly events: EventReason[];
}

/** The status that an observation makes, over the one that is there. @param now RFC 3339 */
export function nextStatus(existing: NodeStatus, seen: NodeObservation, now: string): NextStatus {
  const { conditions, events } = nextConditions(existing.conditions ?? [], seen, now);
  return {
    status: {
      ...existing,
      capacity: { ...existing.capacity, ...seen.resources.capacity },
      // What others advertise on the node (extended resources) is allocatable as a whole.
      allocatable: { ...existing.capacity, ...seen.resources.allocatable },
      addresses: [
        ...seen.internalIPs.map((address) => ({ type: 'InternalIP', address })),
        { type: 'Hostname', address: seen.nodeName },
      ],
      conditions,
      daemonEndpoints: { kubeletEndpoint: { Port: seen.port } },
      images: nodeImages(seen.images),
      nodeInfo: seen.nodeInfo,
      runtimeHandlers: seen.runtimeHandlers.map(({ name, features }) => ({ name, features: { ...features } })),
      declaredFeatures: [...DECLARED_FEATURES],
    },
    events,
  };
}

/** The largest images with their names, digests first. */
function nodeImages(images: readonly Image[]): NonNullable<NodeStatus['images']> {
  return images
    .toSorted((a, b) => b.size - a.size)
    .slice(0, MAX_IMAGES)
    .map(({ repoDigests, repoTags, size }) => ({
      names: [...repoDigests, ...repoTags].slice(0, MAX_NAMES_PER_IMAGE),
      sizeBytes: size,
    }));
}

const COMPARED = [
  'capacity',
  'allocatable',
  'addresses',
  'daemonEndpoints',
  'images',
  'nodeInfo',
  'runtimeHandlers',
] as const;

/** Whether a status differs in anything but heartbeats. */
export function statusChanged(before: NodeStatus, after: NodeStatus): boolean {
  return conditionsChanged(before.conditions ?? [], after.conditions ?? []) || changedFields(before, after).length > 0;
}

const changedFields = (before: NodeStatus, after: NodeStatus, fields: readonly (keyof NodeStatus)[] = COMPARED) =>
  fields.filter((field) => !isDeepStrictEqual(withoutEmpty(before[field]), withoutEmpty(after[field])));

/** Go leaves empty lists out: [] and nothing are the same. */
const withoutEmpty = (value: unknown): unknown => (Array.isArray(value) && value.length === 0 ? undefined : value);

/**
 * The strategic merge patch for the status subresource that brings `before` to `after`: the fields that changed, and
 * always the conditions, whose heartbeat tells that someone looked. Labels go with it, as the kubelet's do.
 */
export function statusPatch(before: NodeStatus, after: NodeStatus, labels: Readonly<Record<string, string>> = {}) {
  const changed = changedFields(before, after, [...COMPARED, 'declaredFeatures']);
  const fields = Object.fromEntries(changed.map((field) => [field, after[field]]));
  return {
    ...(Object.keys(labels).length > 0 ? { metadata: { labels } } : {}),
    status: {
      ...fields,
      // Addresses are merged by their type, but two may have the same one: the list is replaced as a whole.
      ...(fields['addresses'] === undefined ? {} : { addresses: [...(after.addresses ?? []), { $patch: 'replace' }] }),
      conditions: after.conditions,
    },
  };
}

/** The status's Ready condition is True. */
export const isReady = (node: Node | undefined): boolean =>
  node?.status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') === true;
