import type { Pod, Container } from '../kube/types.ts';
import type { Mount } from '../../runtime/service.ts';

/**
 * A pod's volumes. Errors are WasmletError whose message the pod worker puts into a FailedMount event, in the
 * kubelet's words ('MountVolume.SetUp failed for volume "x" : configmap "y" not found').
 */
export interface VolumeManager {
  /** Sets up every volume of the pod and brings their content up to date. Idempotent; called at every sync. */
  mountPod(pod: Pod, signal: AbortSignal): Promise<void>;
  /** The mounts of one container (subPath and readOnly considered); the volumes are mounted. */
  containerMounts(pod: Pod, container: Container, env: readonly { name: string; value: string }[]): Promise<Mount[]>;
  /** Removes all that the pod's volumes hold. Idempotent. */
  unmountPod(podUid: string, namespace: string): Promise<void>;
  /** Pods that have volumes on disk, for cleaning up after pods that went while the agent was down. */
  listPodsOnDisk(): Promise<readonly { namespace: string; uid: string }[]>;
}
