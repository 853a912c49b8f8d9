import type { EventReason } from '../../kube/event-reasons.ts';
import type { Node } from '../../kube/types.ts';
import type { AdmissionInput, AdmissionRule, Refusal } from './admission.ts';
import { portsConflict } from './host-ports.ts';
import { matchesNode } from './node-affinity.ts';
import { amountOf, podRequests } from './pod-requests.ts';
import { tolerates } from './taints.ts';

/** Whether this node has what the pod needs, as the scheduler saw it (pkg/scheduler, AdmissionCheck). */
export const nodeRules: readonly AdmissionRule[] = [
  podCount,
  resources,
  extendedResources,
  nodeAffinity,
  nodeName,
  nodePorts,
  noExecuteTaints,
];

const predicate = (name: EventReason, description: string): Refusal => ({
  reason: name,
  message: `Predicate ${name} failed: ${description}`,
});

interface Shortage {
  readonly name: string;
  readonly requested: number;
  readonly used: number;
  readonly capacity: number;
}

const outOf = ({ name, requested, used, capacity }: Shortage): Refusal => ({
  reason: `OutOf${name}`,
  message: `Node didn't have enough resource: ${name}, requested: ${requested}, used: ${used}, capacity: ${capacity}`,
});

const allocatableOf = (node: Node): Readonly<Record<string, string>> =>
  node.status?.allocatable ?? node.status?.capacity ?? {};

function podCount({ node, otherPods }: AdmissionInput): Refusal | undefined {
  const capacity = amountOf('pods', allocatableOf(node)['pods']);
  const used = otherPods.length;
  return used + 1 > capacity ? outOf({ name: 'pods', requested: 1, used, capacity }) : undefined;
}

/** Extended resources have a domain in their name; what Kubernetes itself defines has none. */
const isNative = (name: string): boolean => !name.includes('/');

function resources({ pod, node, otherPods }: AdmissionInput): Refusal | undefined {
  const allocatable = allocatableOf(node);
  for (const [name, requested] of podRequests(pod)) {
    if (!isNative(name) || requested === 0) continue;
    const used = otherPods.reduce((sum, other) => sum + (podRequests(other).get(name) ?? 0), 0);
    const capacity = amountOf(name, allocatable[name]);
    if (requested > capacity - used) return outOf({ name, requested, used, capacity });
  }
  return undefined;
}

/** The kubelet lets these pass, and the container then starts without its device; here nobody could ever add it. */
function extendedResources({ pod, node }: AdmissionInput): Refusal | undefined {
  for (const [name, requested] of podRequests(pod)) {
    if (isNative(name) || requested === 0 || name in allocatableOf(node)) continue;
    return {
      reason: 'UnsupportedPodSpec',
      message: `the pod asks for ${name}, which this node does not have; remove it from the containers' resources`,
    };
  }
  return undefined;
}

function nodeAffinity({ pod, node }: AdmissionInput): Refusal | undefined {
  return matchesNode(pod, node)
    ? undefined
    : predicate('NodeAffinity', "node(s) didn't match Pod's node affinity/selector");
}

function nodeName({ pod, node }: AdmissionInput): Refusal | undefined {
  const wanted = pod.spec?.nodeName ?? '';
  return wanted === '' || wanted === node.metadata?.name
    ? undefined
    : predicate('NodeName', "node(s) didn't match the requested node name");
}

function nodePorts({ pod, otherPods }: AdmissionInput): Refusal | undefined {
  return portsConflict(pod, otherPods)
    ? predicate('NodePorts', "node(s) didn't have free ports for the requested pod ports")
    : undefined;
}

function noExecuteTaints({ pod, node }: AdmissionInput): Refusal | undefined {
  const untolerated = (node.spec?.taints ?? []).find((taint) => taint.effect === 'NoExecute' && !tolerates(pod, taint));
  return untolerated ? predicate('TaintToleration', "node(s) had taints that the pod didn't tolerate") : undefined;
}
