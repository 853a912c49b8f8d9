import { formatQuantity, type Quantity } from '../config/quantity.ts';
import type { Pod, PodStatus } from '../kube/types.ts';
import { podLimitQuantities, podRequestQuantities } from './admission/pod-requests.ts';

/**
 * What a pod as a whole asks for and may have, as its status tells it (kubelet_pods.go, getEffectiveAllocatedResources;
 * KEP-5419). Nothing here is resized, so it is what the spec adds up to.
 */
export function podResourcesStatus(pod: Pod): Pick<PodStatus, 'resources' | 'allocatedResources'> {
  const requests = toList(podRequestQuantities(pod));
  const limits = toList(podLimitQuantities(pod));
  return {
    resources: { ...(limits ? { limits } : {}), ...(requests ? { requests } : {}) },
    ...(requests ? { allocatedResources: requests } : {}),
  };
}

function toList(quantities: ReadonlyMap<string, Quantity>): Record<string, string> | undefined {
  if (quantities.size === 0) return undefined;
  return Object.fromEntries([...quantities].map(([name, quantity]) => [name, formatQuantity(quantity)]));
}
