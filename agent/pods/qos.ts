import type { Pod } from '../kube/types.ts';
import { milliValue } from './quantity.ts';
import { allContainersOf } from './spec.ts';

export type QosClass = 'Guaranteed' | 'Burstable' | 'BestEffort';

const COMPUTE = ['cpu', 'memory'] as const;

/** The API server sets it at creation; computed only where it did not (pkg/apis/core/v1/helper/qos). */
export function qosClassOf(pod: Pod): QosClass {
  const known = pod.status?.qosClass;
  if (known === 'Guaranteed' || known === 'Burstable' || known === 'BestEffort') return known;
  // Resources of the pod as a whole stand in place of its containers' (KEP-2837).
  const parts = pod.spec?.resources ? [pod.spec.resources] : allContainersOf(pod).map(({ resources }) => resources);
  const sum = (kind: 'requests' | 'limits', name: string): number =>
    parts.reduce((total, resources) => total + milliValue(resources?.[kind]?.[name]), 0);
  if (COMPUTE.every((name) => sum('requests', name) === 0 && sum('limits', name) === 0)) return 'BestEffort';
  const guaranteed = COMPUTE.every(
    (name) =>
      parts.every((resources) => milliValue(resources?.limits?.[name]) > 0) &&
      sum('requests', name) === sum('limits', name),
  );
  return guaranteed ? 'Guaranteed' : 'Burstable';
}
