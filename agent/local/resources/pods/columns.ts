import type { ContainerStatus, Pod } from '../../../kube/types.ts';
import type { ApiObject } from '../../storage/object.ts';
import { AGE, NAME, since } from '../columns.ts';
import type { Column } from '../resource.ts';

/** What `kubectl get pods` shows (pkg/printers/internalversion/printers.go, printPod). */

export interface Summary {
  readonly ready: number;
  readonly total: number;
  readonly reason: string;
  readonly restarts: number;
  /** When a container ended last before it was started again, RFC 3339. */
  readonly lastRestart: string;
}

interface Restarts {
  readonly count: number;
  readonly last: string;
}

const later = (a: string, b: string): string => (b > a ? b : a);

const restartsOf = (statuses: readonly ContainerStatus[]): Restarts =>
  statuses.reduce<Restarts>(
    ({ count, last }, { restartCount, lastState }) => ({
      count: count + restartCount,
      last: later(last, lastState?.terminated?.finishedAt ?? ''),
    }),
    { count: 0, last: '' },
  );

function terminatedReason(
  { reason, signal, exitCode }: { reason?: string; signal?: number; exitCode: number },
  prefix = '',
): string {
  if (reason !== undefined && reason !== '') return prefix + reason;
  return signal ? `${prefix}Signal:${signal}` : `${prefix}ExitCode:${exitCode}`;
}

const sidecarsOf = ({ spec }: Pod): ReadonlySet<string> =>
  new Set((spec?.initContainers ?? []).filter((c) => c.restartPolicy === 'Always').map(({ name }) => name));

/** What an init container keeps a pod waiting for; undefined when it does not. */
function waitReason({ state }: ContainerStatus, index: number, count: number): string | undefined {
  const { terminated, waiting } = state ?? {};
  if (terminated) return terminated.exitCode === 0 ? undefined : terminatedReason(terminated, 'Init:');
  const reason = waiting?.reason ?? '';
  return reason !== '' && reason !== 'PodInitializing' ? `Init:${reason}` : `Init:${index}/${count}`;
}

/** Why a pod still initialises, undefined when it does not any more; and how many sidecars are ready. */
function initReason(pod: Pod): { reason: string | undefined; ready: number } {
  const sidecars = sidecarsOf(pod);
  const count = pod.spec?.initContainers?.length ?? 0;
  let ready = 0;
  for (const [index, status] of (pod.status?.initContainerStatuses ?? []).entries()) {
    if (sidecars.has(status.name) && status.started === true && !status.state?.terminated) {
      ready += Number(status.ready);
      continue;
    }
    const reason = waitReason(status, index, count);
    if (reason !== undefined) return { reason, ready };
  }
  return { reason: undefined, ready };
}

interface ContainersSummary {
  readonly reason: string;
  readonly error: string;
  readonly ready: number;
}

function containersSummary(statuses: readonly ContainerStatus[], reason: string): ContainersSummary {
  let result: ContainersSummary = { reason, error: '', ready: 0 };
  for (const { state, ready } of statuses.toReversed()) {
    const { waiting, terminated, running } = state ?? {};
    if (waiting?.reason) result = { ...result, reason: waiting.reason };
    else if (terminated) {
      const why = terminatedReason(terminated);
      result = { ...result, reason: why, error: terminated.exitCode === 0 ? result.error : why };
    } else if (ready && running) result = { ...result, ready: result.ready + 1 };
  }
  return result;
}

/** Of a pod whose last container has completed: what the others do. */
function afterCompletion(pod: Pod, { reason, error, ready }: ContainersSummary): string {
  if (reason !== 'Completed') return reason;
  const isReady = pod.status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') ?? false;
  if (ready > 0 && isReady) return 'Running';
  if (error !== '') return error;
  return ready > 0 ? 'NotReady' : reason;
}

function startReason({ status }: Pod): string {
  const gated = status?.conditions?.some((c) => c.type === 'PodScheduled' && c.reason === 'SchedulingGated') ?? false;
  if (gated) return 'SchedulingGated';
  return status?.reason ?? status?.phase ?? '';
}

const hasCondition = ({ status }: Pod, wanted: string): boolean =>
  status?.conditions?.some((condition) => condition.type === wanted && condition.status === 'True') ?? false;

const totalOf = ({ spec }: Pod): number => spec?.containers.length ?? 0;

export function summaryOf(pod: Pod): Summary {
  const sidecars = sidecarsOf(pod);
  const { initContainerStatuses: initStatuses = [], containerStatuses: own = [] } = pod.status ?? {};
  const init = initReason(pod);
  const initialized = init.reason === undefined || hasCondition(pod, 'Initialized');
  const containers = initialized ? containersSummary(own, init.reason ?? startReason(pod)) : undefined;
  const restarted = initialized ? [...initStatuses.filter(({ name }) => sidecars.has(name)), ...own] : initStatuses;
  const restarts = restartsOf(restarted);
  const { reason: waits = '' } = init;
  const reason = containers ? afterCompletion(pod, containers) : waits;
  return {
    ready: init.ready + (containers?.ready ?? 0),
    total: totalOf(pod) + sidecars.size,
    reason: pod.metadata?.deletionTimestamp === undefined ? reason : deletedReason(pod, reason),
    restarts: restarts.count,
    lastRestart: restarts.last,
  };
}

function deletedReason({ status }: Pod, reason: string): string {
  if (status?.reason === 'NodeLost') return 'Unknown';
  return status?.phase === 'Succeeded' || status?.phase === 'Failed' ? reason : 'Terminating';
}

const asPod = (object: ApiObject): Pod => object;

function restartsText(object: ApiObject): string {
  const { restarts, lastRestart } = summaryOf(asPod(object));
  return restarts !== 0 && lastRestart !== '' ? `${restarts} (${since(lastRestart)} ago)` : String(restarts);
}

function readinessGates(object: ApiObject): string {
  const { spec, status } = asPod(object);
  const gates = spec?.readinessGates ?? [];
  if (gates.length === 0) return '<none>';
  const passed = gates.filter(
    ({ conditionType }) => status?.conditions?.find(({ type }) => type === conditionType)?.status === 'True',
  );
  return `${passed.length}/${gates.length}`;
}

const wide = (name: string, cell: Column['cell']): Column => ({ name, wide: true, cell });

export const podColumns: readonly Column[] = [
  NAME,
  {
    name: 'Ready',
    cell: (object) => {
      const { ready, total } = summaryOf(asPod(object));
      return `${ready}/${total}`;
    },
  },
  {
    name: 'Status',
    cell: (object) => summaryOf(asPod(object)).reason,
  },
  {
    name: 'Restarts',
    cell: restartsText,
  },
  AGE,
  wide('IP', (object) => asPod(object).status?.podIPs?.[0]?.ip ?? '<none>'),
  wide('Node', (object) => asPod(object).spec?.nodeName ?? '<none>'),
  wide('Nominated Node', (object) => asPod(object).status?.nominatedNodeName ?? '<none>'),
  wide('Readiness Gates', readinessGates),
];
