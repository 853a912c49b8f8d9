import { WasmletError } from '../../base/errors.ts';
import type { Image } from '../../images/service.ts';
import { imageUser } from '../../images/user.ts';
import type { LinuxContainerSecurityContext } from '../../runtime/service.ts';
import type { Container, Pod } from '../kube/types.ts';

/** What of a security context a guest has: a container's own settings over those of its pod. */
export interface EffectiveSecurityContext {
  readonly runAsUser: number | undefined;
  readonly runAsGroup: number | undefined;
  readonly runAsNonRoot: boolean;
  readonly readOnlyRootFilesystem: boolean;
}

/** pkg/securitycontext, DetermineEffectiveSecurityContext. */
export function effectiveSecurityContext(pod: Pod, container: Container): EffectiveSecurityContext {
  const own = container.securityContext;
  const shared = pod.spec?.securityContext;
  return {
    runAsUser: own?.runAsUser ?? shared?.runAsUser,
    runAsGroup: own?.runAsGroup ?? shared?.runAsGroup,
    runAsNonRoot: own?.runAsNonRoot ?? shared?.runAsNonRoot ?? false,
    readOnlyRootFilesystem: own?.readOnlyRootFilesystem ?? false,
  };
}

const MAX_USER_ID = 2 ** 31 - 1;

/**
 * Refuses a container that must not run as root and would, or may (kuberuntime, verifyRunAsNonRoot).
 * @throws WasmletError FailedPrecondition in the kubelet's words
 */
export function verifyRunAsNonRoot(pod: Pod, container: Container, image: Image): void {
  const { runAsNonRoot, runAsUser } = effectiveSecurityContext(pod, container);
  if (!runAsNonRoot) return;
  const { name = '', namespace = '', uid: podUid = '' } = pod.metadata ?? {};
  const refuse = (why: string): never => {
    const where = `(pod: "${name}_${namespace}(${podUid})", container: ${container.name})`;
    throw new WasmletError('FailedPrecondition', `${why} ${where}`);
  };
  if (runAsUser !== undefined) {
    if (runAsUser === 0) refuse("container's runAsUser breaks non-root policy");
    return;
  }
  const user = imageUser(image);
  if ('username' in user) {
    refuse(
      `container has runAsNonRoot and image has non-numeric user (${user.username}), cannot verify user is non-root`,
    );
  } else if (user.uid === 0) {
    refuse('container has runAsNonRoot and image will run as root');
  } else if (user.uid < 0 || user.uid > MAX_USER_ID) {
    refuse(
      `container has runAsNonRoot and image has an invalid user id (${user.uid}). ` +
        `(Must be 1-(${MAX_USER_ID})): must be between 0 and ${MAX_USER_ID}, inclusive`,
    );
  }
}

/** Who a container runs as, as the runtime is told (kuberuntime, determineEffectiveSecurityContext). */
export function linuxSecurityContext(pod: Pod, container: Container, image: Image): LinuxContainerSecurityContext {
  const { runAsUser, runAsGroup, readOnlyRootFilesystem } = effectiveSecurityContext(pod, container);
  const user = runAsUser === undefined ? imageUser(image) : { uid: runAsUser };
  const { fsGroup, supplementalGroups = [] } = pod.spec?.securityContext ?? {};
  return {
    ...('uid' in user ? { runAsUser: user.uid } : { runAsUsername: user.username }),
    ...(runAsGroup === undefined ? {} : { runAsGroup }),
    supplementalGroups: fsGroup === undefined ? supplementalGroups : [fsGroup, ...supplementalGroups],
    readonlyRootfs: readOnlyRootFilesystem,
  };
}
