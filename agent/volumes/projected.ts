import type { ObjectCache } from '../kube/objects.ts';
import type { Pod, Volume } from '../kube/types.ts';
import type { FileProjection } from './atomic-writer.ts';
import { downwardAPIPayload, throwAggregate, type Allocatable } from './downward-api.ts';
import { fsUserOf, mayChown } from './ownership.ts';
import { configMapPayload, DEFAULT_MODE, secretPayload } from './payload.ts';
import { projectionVolume } from './projection-volume.ts';
import type { TokenManager } from './service-account-token.ts';
import type { VolumeType } from './volume.ts';

type Projection = NonNullable<NonNullable<Volume['projected']>['sources']>[number];

export interface ProjectedSources {
  readonly objects: ObjectCache;
  readonly tokens: TokenManager;
  readonly allocatable: Allocatable;
}

/**
 * projected: several sources in one volume, as the kube-api-access volume that admission adds to nearly every pod. Of
 * two sources with a file of the same path the later one counts.
 */
export function projectedVolume(sources: ProjectedSources): VolumeType {
  const volume = projectionVolume('projected', 'kubernetes.io/projected', async (request) => {
    const { defaultMode = DEFAULT_MODE, sources: projections } = request.volume.projected ?? {};
    const payload = new Map<string, FileProjection>();
    const errors: unknown[] = [];
    for (const projection of projections ?? []) {
      try {
        const files = await project(sources, projection, request.pod, defaultMode, request.signal);
        for (const [path, file] of files) payload.set(path, file);
      } catch (error) {
        errors.push(error);
      }
    }
    throwAggregate(errors);
    return payload;
  });
  return {
    ...volume,
    async tearDown(dir, podUid) {
      await volume.tearDown(dir, podUid);
      sources.tokens.forget(podUid);
    },
  };
}

const PRIVATE_MODE = 0o600;

/**
 * Who may read a token: where the pod has one user or an fsGroup, nobody else. The group's right comes with the
 * volume's ownership (pkg/volume/projected, collectData).
 */
function tokenAccess(pod: Pod, defaultMode: number): Pick<FileProjection, 'mode' | 'owner'> {
  const user = fsUserOf(pod);
  const isPrivate = user !== undefined || pod.spec?.securityContext?.fsGroup !== undefined;
  return {
    mode: isPrivate ? PRIVATE_MODE : defaultMode,
    // An agent that is not root has nothing to give away, and its guests run as itself.
    ...(user === undefined || !mayChown() ? {} : { owner: user }),
  };
}

async function project(
  { objects, tokens, allocatable }: ProjectedSources,
  source: Projection,
  pod: Pod,
  defaultMode: number,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, FileProjection>> {
  const keyed = (reference: NonNullable<Projection['configMap']>) => ({
    namespace: pod.metadata?.namespace ?? 'default',
    name: reference.name ?? '',
    items: reference.items,
    defaultMode,
    optional: reference.optional ?? false,
  });
  if (source.secret) return secretPayload(objects, keyed(source.secret), signal);
  if (source.configMap) return configMapPayload(objects, keyed(source.configMap), signal);
  if (source.downwardAPI) return downwardAPIPayload(source.downwardAPI.items ?? [], pod, allocatable, defaultMode);
  if (source.serviceAccountToken) {
    const { path, audience = '', expirationSeconds } = source.serviceAccountToken;
    const token = await tokens.token(pod, { audience, expirationSeconds }, signal);
    return new Map([[path, { data: Buffer.from(token, 'utf8'), ...tokenAccess(pod, defaultMode) }]]);
  }
  // Any other source was refused before a volume is set up (whyUnsupported).
  return new Map();
}
