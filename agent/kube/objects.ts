import type { ConfigMap, Secret } from './types.ts';

/**
 * ConfigMaps and Secrets of the pods on this node, read under the Node authorizer (get by name), cached for a short
 * time, so that many containers cost one request. As the kubelet's secret and configmap managers.
 */
export interface ObjectCache {
  /** undefined when it does not exist. @throws KubeApiError for other refusals */
  configMap(namespace: string, name: string, signal?: AbortSignal): Promise<ConfigMap | undefined>;
  secret(namespace: string, name: string, signal?: AbortSignal): Promise<Secret | undefined>;
}
