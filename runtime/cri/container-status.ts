import { parseReference } from '../../images/reference.ts';
import type { Image } from '../../images/service.ts';
import type * as service from '../service.ts';
import type { CriContext } from './context.ts';
import { containerId, sandboxId } from './ids.ts';
import type { Container, ContainerFilter, ContainerStatus } from './messages.ts';
import { knownOr } from './sandboxes.ts';
import { signalToCri } from './signal.ts';
import { nanoseconds } from './time.ts';

/** A container's status as containerd reports it (internal/cri/server/container_status.go). */
export async function containerStatus(
  { images }: CriContext,
  status: service.ContainerStatus,
): Promise<ContainerStatus> {
  const image = await images.imageStatus(status.image.imageRef);
  return {
    ...common(status),
    image: { image: shownName(image, status.image.userSpecifiedImage) },
    // The status of the pod shows it as imageID.
    imageRef: image?.repoDigests[0] ?? status.image.imageRef,
    startedAt: status.startedAt === undefined ? '0' : nanoseconds(status.startedAt),
    finishedAt: status.finishedAt === undefined ? '0' : nanoseconds(status.finishedAt),
    exitCode: status.exitCode ?? 0,
    reason: status.reason,
    message: status.message,
    mounts: status.mounts,
    logPath: status.logPath,
    stopSignal: signalToCri(status.stopSignal),
  };
}

export async function listContainers(
  context: CriContext,
  filter: ContainerFilter | null,
): Promise<readonly Container[]> {
  const containers = await context.runtime.listContainers(filter ? await containerFilter(context, filter) : {});
  return containers.map((container) => ({
    ...common(container),
    podSandboxId: container.podSandboxId,
    // By the id, as the kubelet has it from PullImage: by it, image garbage collection sees what is in use.
    image: { image: container.image.imageRef, userSpecifiedImage: container.image.userSpecifiedImage },
    imageRef: container.image.imageRef,
  }));
}

export async function containerFilter(
  context: CriContext,
  filter: Partial<ContainerFilter>,
): Promise<service.ContainerFilter> {
  const { id = '', podSandboxId = '', state, labelSelector } = filter;
  return {
    ...(id === '' ? {} : { id: await knownOr(id, () => containerId(context, id)) }),
    ...(podSandboxId === ''
      ? {}
      : { podSandboxId: await knownOr(podSandboxId, () => sandboxId(context, podSandboxId)) }),
    ...(state ? { state: state.state } : {}),
    ...(labelSelector === undefined ? {} : { labelSelector }),
  };
}

const common = ({ id, metadata, image, state, createdAt, labels, annotations }: service.Container) => ({
  id,
  metadata,
  imageId: image.imageRef,
  state,
  createdAt: nanoseconds(createdAt),
  labels,
  annotations,
});

/** The name of an image in a status: the one that the pod used, with what Docker's defaults add; else any it has. */
function shownName(image: Image | undefined, userSpecifiedImage: string): string {
  const [first = userSpecifiedImage] = [...(image?.repoTags ?? []), ...(image?.repoDigests ?? [])];
  try {
    const { canonical } = parseReference(userSpecifiedImage);
    return image?.repoTags.includes(canonical) ? canonical : first;
  } catch {
    // Named by its id.
    return first;
  }
}
