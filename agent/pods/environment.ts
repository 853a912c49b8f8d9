import type { Pod, Container } from '../kube/types.ts';

export interface EnvironmentResult {
  readonly envs: readonly { name: string; value: string }[];
}

/** The addresses that fieldRef can name: they are known once the sandbox runs. */
export interface PodAddresses {
  readonly podIPs: readonly string[];
  readonly hostIPs: readonly string[];
}

/**
 * Makes a container's environment as the kubelet does (pkg/kubelet/kubelet_pods.go, makeEnvironmentVariables): service
 * variables, envFrom, env with $(VAR) expansion, fieldRef, resourceFieldRef, configMapKeyRef, secretKeyRef.
 * @throws WasmletError InvalidArgument with the kubelet's message ('configmap "x" not found', "couldn't find key a in
 *   ConfigMap ns/x"), for the waiting reason CreateContainerConfigError
 */
export interface EnvironmentMaker {
  make(pod: Pod, container: Container, addresses: PodAddresses, signal: AbortSignal): Promise<EnvironmentResult>;
}
