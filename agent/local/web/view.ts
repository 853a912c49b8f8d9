import type { ContainerStats } from '../../../runtime/service.ts';
import type { CoreEvent, Node, Pod } from '../../kube/types.ts';
import { summaryOf } from '../resources/pods/columns.ts';

/** What the page is sent. It is drawn by page/app.ts, which has these types too. */

export interface PodView {
  readonly uid: string;
  readonly namespace: string;
  readonly name: string;
  /** As kubectl shows them. */
  readonly ready: string;
  readonly status: string;
  readonly restarts: number;
  /** RFC 3339 */
  readonly created: string;
  readonly containers: readonly string[];
}

export interface EventView {
  readonly uid: string;
  readonly type: string;
  readonly reason: string;
  /** 'pod/default/hello' */
  readonly object: string;
  readonly message: string;
  readonly count: number;
  /** RFC 3339 */
  readonly last: string;
}

export interface ImageView {
  readonly names: readonly string[];
  readonly bytes: number;
}

/** CPU and memory at one moment. */
export interface Sample {
  /** Milliseconds since the epoch. */
  readonly at: number;
  /** Of one core, 1 is all of it. */
  readonly cpu: number;
  readonly bytes: number;
}

export interface StateView {
  readonly node: { readonly name: string; readonly ready: boolean; readonly version: string };
  readonly pods: readonly PodView[];
  /** How many pods there are beside those. */
  readonly morePods: number;
  /** Newest first. */
  readonly events: readonly EventView[];
  readonly images: readonly ImageView[];
}

/** Samples by pod uid; '' is the sum of all. */
export type UsageView = Readonly<Record<string, Sample>>;

const MAX_PODS = 500;
const MAX_EVENTS = 100;

const created = ({ metadata }: Pod): string => metadata?.creationTimestamp ?? '';

const byName = (a: PodView, b: PodView): number =>
  a.namespace.localeCompare(b.namespace) || a.name.localeCompare(b.name);

function podView(pod: Pod): PodView {
  const { uid = '', namespace = '', name = '' } = pod.metadata ?? {};
  const { ready, total, reason, restarts } = summaryOf(pod);
  const all = [...(pod.spec?.initContainers ?? []), ...(pod.spec?.containers ?? [])];
  return {
    uid,
    namespace,
    name,
    ready: `${ready}/${total}`,
    status: reason,
    restarts,
    created: created(pod),
    containers: all.map((container) => container.name),
  };
}

const lastOf = ({ lastTimestamp, eventTime, firstTimestamp, metadata }: CoreEvent): string =>
  lastTimestamp ?? eventTime ?? firstTimestamp ?? metadata.creationTimestamp ?? '';

function eventView(event: CoreEvent): EventView {
  const { kind = '', namespace, name = '' } = event.involvedObject;
  return {
    uid: event.metadata.uid ?? '',
    type: event.type ?? '',
    reason: event.reason ?? '',
    object: [kind.toLowerCase(), namespace, name].filter((part) => part !== undefined && part !== '').join('/'),
    message: event.message ?? '',
    count: event.count ?? 1,
    last: lastOf(event),
  };
}

/** What there is, for the page: the newest pods where there are very many. */
export function stateView(node: Node | undefined, pods: readonly Pod[], events: readonly CoreEvent[]): StateView {
  const shown = pods.toSorted((a, b) => created(b).localeCompare(created(a))).slice(0, MAX_PODS);
  const isReady = node?.status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True');
  return {
    node: {
      name: node?.metadata?.name ?? '',
      ready: isReady ?? false,
      version: node?.status?.nodeInfo?.kubeletVersion ?? '',
    },
    pods: shown.map(podView).toSorted(byName),
    morePods: pods.length - shown.length,
    events: events
      .toSorted((a, b) => lastOf(b).localeCompare(lastOf(a)))
      .slice(0, MAX_EVENTS)
      .map(eventView),
    images: (node?.status?.images ?? []).map(({ names = [], sizeBytes = 0 }) => ({ names, bytes: sizeBytes })),
  };
}

const UID_LABEL = 'io.kubernetes.pod.uid';

/** CPU time by container, in nanoseconds, and when it was read. */
export interface CpuReading {
  readonly at: number;
  readonly nanoseconds: ReadonlyMap<string, number>;
}

/** What pods use, from two readings of their containers' CPU time. A container that is new has used none. */
export function usageView(
  stats: readonly ContainerStats[],
  before: CpuReading | undefined,
  at: number,
): { readonly usage: UsageView; readonly reading: CpuReading } {
  const usage: Record<string, { at: number; cpu: number; bytes: number }> = { '': { at, cpu: 0, bytes: 0 } };
  const elapsedNs = before === undefined ? Infinity : (at - before.at) * 1e6;
  for (const { id, labels, cpuUsageCoreNanoSeconds: total, memoryWorkingSetBytes } of stats) {
    const used = Math.max(0, total - (before?.nanoseconds.get(id) ?? total));
    for (const key of ['', labels[UID_LABEL] ?? '?']) {
      const sum = (usage[key] ??= { at, cpu: 0, bytes: 0 });
      sum.cpu += used / elapsedNs;
      sum.bytes += memoryWorkingSetBytes;
    }
  }
  const nanoseconds = new Map(stats.map(({ id, cpuUsageCoreNanoSeconds }) => [id, cpuUsageCoreNanoSeconds]));
  return { usage, reading: { at, nanoseconds } };
}
