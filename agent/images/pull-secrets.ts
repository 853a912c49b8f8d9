import { WasmletError } from '../../base/errors.ts';
import { parseDockerConfigJson } from '../../images/docker-config.ts';
import type { DockerConfig } from '../../images/service.ts';
import type { ObjectCache } from '../kube/objects.ts';
import type { Pod, Secret } from '../kube/types.ts';

export interface PullSecrets {
  readonly dockerConfigs: readonly DockerConfig[];
  /** Names that could not be read, for the FailedToRetrieveImagePullSecret event. */
  readonly missing: readonly string[];
}

/**
 * The pod's own pull secrets, in order. Those of its service account stand in the pod since its admission
 * (plugin/pkg/admission/serviceaccount), so the pod alone is looked at.
 */
export async function readPullSecrets(pod: Pod, objects: ObjectCache, signal: AbortSignal): Promise<PullSecrets> {
  const names = (pod.spec?.imagePullSecrets ?? []).map(({ name }) => name ?? '').filter((name) => name !== '');
  const dockerConfigs: DockerConfig[] = [];
  const missing: string[] = [];
  for (const name of names) {
    try {
      const secret = await objects.secret(pod.metadata?.namespace ?? '', name, signal);
      if (secret) dockerConfigs.push(dockerConfigOf(secret));
      else missing.push(name);
    } catch {
      signal.throwIfAborted();
      // As the kubelet: the image may be public, so that a secret which cannot be read must not hold the pod up.
      missing.push(name);
    }
  }
  return { dockerConfigs, missing };
}

/**
 * The registries' credentials in a secret of type kubernetes.io/dockerconfigjson or kubernetes.io/dockercfg.
 * @throws WasmletError InvalidArgument when it holds neither, or not in their form
 */
export function dockerConfigOf(secret: Secret): DockerConfig {
  const encoded = secret.data?.['.dockerconfigjson'] ?? secret.data?.['.dockercfg'];
  if (encoded === undefined) {
    const name = secret.metadata?.name ?? '';
    throw new WasmletError('InvalidArgument', `pull secret "${name}" has neither .dockerconfigjson nor .dockercfg`);
  }
  return parseDockerConfigJson(Buffer.from(encoded, 'base64').toString('utf8'));
}
