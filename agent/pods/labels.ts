import { createHash } from 'node:crypto';
import type { Container, Pod } from '../kube/types.ts';
import { identityOf } from './spec.ts';

/**
 * What the agent must know again after a restart stands on the runtime's sandboxes and containers, under the kubelet's
 * own names (pkg/kubelet/types/labels.go, kuberuntime/labels.go), so that tools which read them go on to work.
 */
export const POD_NAME = 'io.kubernetes.pod.name';
export const POD_NAMESPACE = 'io.kubernetes.pod.namespace';
export const POD_UID = 'io.kubernetes.pod.uid';
export const CONTAINER_NAME = 'io.kubernetes.container.name';

const CONTAINER_HASH = 'io.kubernetes.container.hash';
const RESTART_COUNT = 'io.kubernetes.container.restartCount';
const TERMINATION_MESSAGE_PATH = 'io.kubernetes.container.terminationMessagePath';
const TERMINATION_MESSAGE_POLICY = 'io.kubernetes.container.terminationMessagePolicy';
const POD_DELETION_GRACE = 'io.kubernetes.pod.deletionGracePeriod';
const POD_TERMINATION_GRACE = 'io.kubernetes.pod.terminationGracePeriod';
/** Ours: what status.containerStatuses[].imageID shows, also once the image is gone from the store. */
const IMAGE_ID = 'wasmlet.container.imageID';

type Strings = Readonly<Record<string, string>>;

export function podLabels(pod: Pod): Strings {
  return { ...pod.metadata?.labels, ...ownerLabels(pod) };
}

export function containerLabels(pod: Pod, container: Container): Strings {
  return { ...ownerLabels(pod), [CONTAINER_NAME]: container.name };
}

function ownerLabels(pod: Pod): Strings {
  const { namespace, name, uid } = identityOf(pod);
  return { [POD_NAME]: name, [POD_NAMESPACE]: namespace, [POD_UID]: uid };
}

export function containerAnnotations(pod: Pod, container: Container, restartCount: number, imageId: string): Strings {
  const deletionGrace = pod.metadata?.deletionGracePeriodSeconds;
  const terminationGrace = pod.spec?.terminationGracePeriodSeconds;
  return {
    [CONTAINER_HASH]: hashContainer(container),
    [RESTART_COUNT]: String(restartCount),
    [TERMINATION_MESSAGE_PATH]: container.terminationMessagePath ?? '',
    [TERMINATION_MESSAGE_POLICY]: container.terminationMessagePolicy ?? '',
    ...(deletionGrace === undefined ? {} : { [POD_DELETION_GRACE]: String(deletionGrace) }),
    ...(terminationGrace === undefined ? {} : { [POD_TERMINATION_GRACE]: String(terminationGrace) }),
    [IMAGE_ID]: imageId,
  };
}

export interface ContainerAnnotations {
  readonly hash: string;
  readonly restartCount: number;
  readonly terminationMessagePath: string;
  readonly terminationMessagePolicy: string;
  readonly imageId: string;
}

/** @param attempt stands for the restart count where the annotation is missing */
export function readContainerAnnotations(annotations: Strings, attempt: number): ContainerAnnotations {
  const restartCount = Number.parseInt(annotations[RESTART_COUNT] ?? '', 10);
  return {
    hash: annotations[CONTAINER_HASH] ?? '',
    restartCount: Number.isNaN(restartCount) ? attempt : restartCount,
    terminationMessagePath: annotations[TERMINATION_MESSAGE_PATH] ?? '',
    terminationMessagePolicy: annotations[TERMINATION_MESSAGE_POLICY] ?? '',
    imageId: annotations[IMAGE_ID] ?? '',
  };
}

/** Changes with the fields whose change restarts a container: name and image (container/helpers.go, HashContainer). */
export function hashContainer(container: Container): string {
  const picked = JSON.stringify({ image: container.image ?? '', name: container.name });
  return createHash('sha256').update(picked).digest('hex').slice(0, 8);
}
