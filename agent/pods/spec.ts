import { WasmletError } from '../../base/errors.ts';
import type { Container, ObjectReference, Pod, PodSpec } from '../kube/types.ts';

/** What names a pod, its UID included, always present on an object that the API server gave. */
export interface PodIdentity {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
}

/** @throws WasmletError InvalidArgument for an object that the API server cannot have given */
export function identityOf(pod: Pod): PodIdentity {
  const { namespace, name, uid } = pod.metadata ?? {};
  if (namespace === undefined || name === undefined || uid === undefined) {
    throw new WasmletError('InvalidArgument', 'a pod has no namespace, name or uid');
  }
  return { namespace, name, uid };
}

/** '<namespace>/<name>', as reflectors key it. */
export const podKey = (pod: PodIdentity): string => `${pod.namespace}/${pod.name}`;

/** 'name_namespace(uid)', as the kubelet writes pods in messages (pkg/kubelet/util/format). */
export const describePod = (pod: PodIdentity): string => `${pod.name}_${pod.namespace}(${pod.uid})`;

export const specOf = (pod: Pod): PodSpec => pod.spec ?? { containers: [] };
export const initContainersOf = (pod: Pod): readonly Container[] => pod.spec?.initContainers ?? [];
export const containersOf = (pod: Pod): readonly Container[] => pod.spec?.containers ?? [];
/** Without ephemeral containers. */
export const allContainersOf = (pod: Pod): readonly Container[] => [...initContainersOf(pod), ...containersOf(pod)];
/**
 * Containers that were added to a pod that runs, to look into it (KEP-277). They have no ports, probes, hooks and
 * resources and are never started again.
 */
export const ephemeralContainersOf = (pod: Pod): readonly Container[] => pod.spec?.ephemeralContainers ?? [];
/** A container of any kind. */
export const findContainer = (pod: Pod, name: string): Container | undefined =>
  [...allContainersOf(pod), ...ephemeralContainersOf(pod)].find((container) => container.name === name);

/** Only init containers may be `Always`: KEP-753, sidecar containers. */
export const isRestartableInit = (container: Container): boolean => container.restartPolicy === 'Always';

export const isTerminalPhase = (phase: string | undefined): boolean => phase === 'Succeeded' || phase === 'Failed';
export const isBeingDeleted = (pod: Pod): boolean => pod.metadata?.deletionTimestamp !== undefined;

/**
 * Whether a container that ended so is started again, by its own rules, its own policy, then the pod's (KEP-5307;
 * pkg/api/v1/pod, ContainerShouldRestart).
 */
export function restartsAfter(container: Container, spec: PodSpec, exitCode: number): boolean {
  if (container.restartPolicy !== undefined) {
    if (matchingRestartAction(container, exitCode) !== undefined) return true;
    return policyRestarts(container.restartPolicy, exitCode);
  }
  return policyRestarts(spec.restartPolicy ?? 'Always', exitCode);
}

/** Whether a running container that must be killed is to be started again. */
export function restartsWhenKilled(container: Container, spec: PodSpec): boolean {
  return (container.restartPolicy ?? spec.restartPolicy ?? 'Always') !== 'Never';
}

function policyRestarts(policy: string, exitCode: number): boolean {
  if (policy === 'Never') return false;
  return policy === 'OnFailure' ? exitCode !== 0 : true;
}

/** The action of the first restart rule that an exit meets: Restart or RestartAllContainers; undefined: none. */
export function matchingRestartAction(container: Container, exitCode: number): string | undefined {
  return container.restartPolicyRules?.find((rule) => {
    const values = rule.exitCodes?.values ?? [];
    return rule.exitCodes?.operator === 'NotIn' ? !values.includes(exitCode) : values.includes(exitCode);
  })?.action;
}

/** What events about the pod refer to. */
export function podReference(pod: Pod): ObjectReference {
  const { namespace, name, uid } = identityOf(pod);
  const resourceVersion = pod.metadata?.resourceVersion;
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    namespace,
    name,
    uid,
    ...(resourceVersion === undefined ? {} : { resourceVersion }),
  };
}

/** What events about one container refer to (pkg/kubelet/container/ref.go). */
export function containerReference(pod: Pod, containerName: string): ObjectReference {
  return { ...podReference(pod), fieldPath: `spec.${listOf(pod, containerName)}{${containerName}}` };
}

function listOf(pod: Pod, containerName: string): string {
  if (initContainersOf(pod).some(({ name }) => name === containerName)) return 'initContainers';
  const isEphemeral = ephemeralContainersOf(pod).some(({ name }) => name === containerName);
  return isEphemeral ? 'ephemeralContainers' : 'containers';
}

/** Seconds that the pod has to end, at least 1 (pod_workers.go, calculateEffectiveGracePeriod). */
export function gracePeriodOf(pod: Pod): number {
  const seconds = pod.metadata?.deletionGracePeriodSeconds ?? pod.spec?.terminationGracePeriodSeconds ?? 0;
  return Math.max(1, seconds);
}
