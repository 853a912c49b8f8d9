import type { Pod } from '../kube/types.ts';

/** Where a pod comes from, as the kubelet notes it on its own copy of each pod (pkg/kubelet/types). */
const SOURCE = 'kubernetes.io/config.source';
/** When the pod was first seen. */
const SEEN = 'kubernetes.io/config.seen';
/** Of a static pod: its UID as this node made it. */
export const CONFIG_HASH = 'kubernetes.io/config.hash';
/** Of a mirror pod: the hash of the static pod that it stands for. */
export const CONFIG_MIRROR = 'kubernetes.io/config.mirror';

export type PodSource = 'api' | 'file';

const annotation = (pod: Pod, name: string): string | undefined => pod.metadata?.annotations?.[name];

/** A pod of a manifest on this node. Asked of pods that `withSource` has marked: what others wrote there is replaced. */
export const isStaticPod = (pod: Pod): boolean => annotation(pod, SOURCE) === 'file';

/** An object by which the API shows a static pod. */
export const isMirrorPod = (pod: Pod): boolean => annotation(pod, CONFIG_MIRROR) !== undefined;

/** Whether this object in the API shows this very static pod (pkg/kubelet/pod, IsMirrorPodOf). */
export const isMirrorOf = (mirror: Pod, pod: Pod): boolean =>
  annotation(mirror, CONFIG_MIRROR) !== undefined && annotation(mirror, CONFIG_MIRROR) === annotation(pod, CONFIG_HASH);

/**
 * Marks the node's own copy of a pod with its source.
 * @param seen when it was first seen, RFC 3339
 */
export function withSource(pod: Pod, source: PodSource, seen: string): Pod {
  const annotations = { ...pod.metadata?.annotations, [SEEN]: seen, [SOURCE]: source };
  return { ...pod, metadata: { ...pod.metadata, annotations } };
}
