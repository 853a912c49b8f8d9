import type { Node, Pod, Taint } from '../../kube/types.ts';
import { portsConflict } from '../../pods/admission/host-ports.ts';
import { matchesNode } from '../../pods/admission/node-affinity.ts';
import { amountOf, podRequests } from '../../pods/admission/pod-requests.ts';
import { tolerates } from '../../pods/admission/taints.ts';
import type { Taken } from './taken.ts';

const UNSCHEDULABLE: Taint = { key: 'node.kubernetes.io/unschedulable', effect: 'NoSchedule' };

/**
 * What keeps a node from taking the pod, in the scheduler's words (pkg/scheduler/framework/plugins); empty when nothing
 * does. The rules are those by which the node admits it.
 */
export function reasonsAgainst(pod: Pod, node: Node, taken: Taken): string[] {
  const reasons = [
    ...(node.spec?.unschedulable === true && !tolerates(pod, UNSCHEDULABLE) ? ['node(s) were unschedulable'] : []),
    ...(hasUntoleratedTaint(pod, node) ? ['node(s) had untolerated taint(s)'] : []),
    ...(matchesNode(pod, node) ? [] : ["node(s) didn't match Pod's node affinity/selector"]),
    ...(portsConflict(pod, taken.withPorts) ? ["node(s) didn't have free ports for the requested pod ports"] : []),
  ];
  // Each filter sees only what the ones before it let pass.
  return reasons.length > 0 ? reasons.slice(0, 1) : resourceReasons(pod, node, taken);
}

const hasUntoleratedTaint = (pod: Pod, node: Node): boolean =>
  (node.spec?.taints ?? []).some((taint) => taint.effect !== 'PreferNoSchedule' && !tolerates(pod, taint));

function resourceReasons(pod: Pod, node: Node, taken: Taken): string[] {
  const allocatable = node.status?.allocatable ?? {};
  const lacking = [...podRequests(pod)].filter(
    ([name, asked]) => asked > 0 && taken.amountOf(name) + asked > amountOf(name, allocatable[name]),
  );
  const isFull = taken.count + 1 > amountOf('pods', allocatable['pods']);
  return [...(isFull ? ['Too many pods'] : []), ...lacking.map(([name]) => `Insufficient ${name}`)];
}
