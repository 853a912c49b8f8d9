import type { Node, Pod, Taint } from '../../kube/types.ts';
import { nanoOf } from '../schema/quantity.ts';

/** Whether a pod can run on a node, and why not, in the scheduler's words (pkg/scheduler/framework/plugins). */

type Toleration = NonNullable<NonNullable<Pod['spec']>['tolerations']>[number];
type Term = NonNullable<
  NonNullable<
    NonNullable<NonNullable<Pod['spec']>['affinity']>['nodeAffinity']
  >['requiredDuringSchedulingIgnoredDuringExecution']
>['nodeSelectorTerms'][number];
type Expression = NonNullable<Term['matchExpressions']>[number];

/** What keeps a node from taking the pod; empty when nothing does. */
export function reasonsAgainst(pod: Pod, node: Node, others: readonly Pod[]): string[] {
  const reasons = [
    ...(node.spec?.unschedulable === true && !toleratesUnschedulable(pod) ? ['node(s) were unschedulable'] : []),
    ...taintReasons(pod, node),
    ...(matchesNode(pod, node) ? [] : ["node(s) didn't match Pod's node affinity/selector"]),
    ...(portsConflict(pod, others) ? ["node(s) didn't have free ports for the requested pod ports"] : []),
  ];
  // Each filter sees only what the ones before it let pass.
  return reasons.length > 0 ? reasons.slice(0, 1) : resourceReasons(pod, node, others);
}

const UNSCHEDULABLE: Taint = { key: 'node.kubernetes.io/unschedulable', effect: 'NoSchedule' };

const toleratesUnschedulable = (pod: Pod): boolean => tolerates(pod.spec?.tolerations ?? [], UNSCHEDULABLE);

function tolerates(tolerations: readonly Toleration[], taint: Taint): boolean {
  return tolerations.some(({ key, operator = 'Equal', value = '', effect }) => {
    if (effect && effect !== taint.effect) return false;
    if (key && key !== taint.key) return false;
    if (operator === 'Exists') return true;
    return operator === 'Equal' && key !== undefined && value === (taint.value ?? '');
  });
}

function taintReasons({ spec }: Pod, node: Node): string[] {
  const taint = (node.spec?.taints ?? []).find(
    (candidate) => candidate.effect !== 'PreferNoSchedule' && !tolerates(spec?.tolerations ?? [], candidate),
  );
  return taint ? [`node(s) had untolerated taint(s)`] : [];
}

function matchesNode({ spec }: Pod, node: Node): boolean {
  const labels = node.metadata?.labels ?? {};
  const selector = Object.entries(spec?.nodeSelector ?? {});
  if (!selector.every(([key, value]) => labels[key] === value)) return false;
  const terms = spec?.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms;
  return terms === undefined || terms.some((term) => matchesTerm(term, node));
}

function matchesTerm({ matchExpressions = [], matchFields = [] }: Term, { metadata }: Node): boolean {
  if (matchExpressions.length + matchFields.length === 0) return false;
  const fields = { 'metadata.name': metadata?.name ?? '' };
  return (
    matchExpressions.every((expression) => matches(expression, metadata?.labels ?? {})) &&
    matchFields.every((expression) => matches(expression, fields))
  );
}

function matches({ key, operator, values = [] }: Expression, labels: Readonly<Record<string, string>>): boolean {
  const value = labels[key];
  switch (operator) {
    case 'In':
      return value !== undefined && values.includes(value);
    case 'NotIn':
      return value === undefined || !values.includes(value);
    case 'Exists':
      return value !== undefined;
    case 'DoesNotExist':
      return value === undefined;
    case 'Gt':
      return Number(value) > Number(values[0]);
    case 'Lt':
      return Number(value) < Number(values[0]);
    default:
      return false;
  }
}

function hostPorts({ spec }: Pod): string[] {
  return (spec?.containers ?? [])
    .flatMap(({ ports = [] }) => ports)
    .filter(({ hostPort }) => (hostPort ?? 0) > 0)
    .map(({ hostPort, protocol = 'TCP' }) => `${protocol}/${hostPort ?? 0}`);
}

function portsConflict(pod: Pod, others: readonly Pod[]): boolean {
  const taken = new Set(others.flatMap(hostPorts));
  return hostPorts(pod).some((port) => taken.has(port));
}

/** What a pod asks for: the sum of its containers or its largest init container, and the overhead; in billionths. */
export function requestOf({ spec }: Pod, name: string): bigint {
  const asks = (container: { resources?: { requests?: Readonly<Record<string, string>> } }): bigint =>
    nanoOf(container.resources?.requests?.[name] ?? '0') ?? 0n;
  const sidecars = (spec?.initContainers ?? []).filter(({ restartPolicy }) => restartPolicy === 'Always');
  const together = [...(spec?.containers ?? []), ...sidecars].reduce((sum, container) => sum + asks(container), 0n);
  const first = (spec?.initContainers ?? []).map(asks).reduce((most, own) => (own > most ? own : most), 0n);
  const overhead = nanoOf(spec?.overhead?.[name] ?? '0') ?? 0n;
  return (together > first ? together : first) + overhead;
}

function resourceReasons(pod: Pod, node: Node, others: readonly Pod[]): string[] {
  const allocatable = node.status?.allocatable ?? {};
  const capacityOf = (name: string): bigint => nanoOf(allocatable[name] ?? '0') ?? 0n;
  const most = Number(capacityOf('pods') / 1_000_000_000n);
  const names = new Set(['cpu', 'memory', 'ephemeral-storage', ...requestedNames(pod)]);
  const lacking = [...names].filter((name) => {
    const asked = requestOf(pod, name);
    const used = others.reduce((sum, other) => sum + requestOf(other, name), 0n);
    return asked > 0n && used + asked > capacityOf(name);
  });
  return [...(others.length + 1 > most ? ['Too many pods'] : []), ...lacking.map((name) => `Insufficient ${name}`)];
}

const requestedNames = ({ spec }: Pod): string[] =>
  (spec?.containers ?? []).flatMap(({ resources }) => Object.keys(resources?.requests ?? {}));
