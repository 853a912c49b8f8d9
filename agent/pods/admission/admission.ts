import type { Config } from '../../config/schema.ts';
import type { EventReason } from '../../kube/event-reasons.ts';
import type { Node, Pod } from '../../kube/types.ts';
import { nodeRules } from './node-rules.ts';
import { specRules } from './spec-rules.ts';

/** Why a pod is Failed before it began: status.reason and an event's reason, and what to change. */
export interface Refusal {
  readonly reason: EventReason;
  readonly message: string;
}

export interface AdmissionInput {
  readonly pod: Pod;
  readonly node: Node;
  /** Admitted pods that have not ended, without this one. */
  readonly otherPods: readonly Pod[];
  /** Handler of the pod's runtime class, '' for none. */
  readonly runtimeHandler: string;
  readonly config: Pick<Config, 'runtimeHandlers'>;
}

/** One thing that a pod must not ask of this node. @returns undefined when it does not */
export type AdmissionRule = (input: AdmissionInput) => Refusal | undefined;

/** In the kubelet's order (pkg/kubelet/lifecycle/predicate.go); what only this node cannot do stands between. */
const RULES: readonly AdmissionRule[] = [...specRules, ...nodeRules];

/**
 * Whether a pod that was bound to this node may run here. Only what its spec shows counts: what is found out later, such
 * as an image of another platform, is a waiting reason, for a failed pod of a DaemonSet would be made anew forever.
 */
export function refusalOf(input: AdmissionInput): Refusal | undefined {
  for (const rule of RULES) {
    const refusal = rule(input);
    if (refusal) return refusal;
  }
  return undefined;
}
