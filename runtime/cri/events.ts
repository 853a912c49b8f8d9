import { hasCode } from '../../base/errors.ts';
import type * as service from '../service.ts';
import { containerStatus } from './container-status.ts';
import type { CriContext } from './context.ts';
import type { ContainerEventResponse, ContainerStatus, Nothing } from './messages.ts';
import { sandboxStatus } from './sandboxes.ts';
import { nanoseconds } from './time.ts';

/**
 * CRI's GetContainerEvents: each with the status of its sandbox and of all its containers as they are when it is sent,
 * so that a kubelet with EventedPLEG need not ask.
 */
export async function* containerEvents(
  context: CriContext,
  _request: Nothing,
  signal: AbortSignal,
): AsyncIterable<ContainerEventResponse> {
  for await (const event of context.runtime.containerEvents(signal)) {
    yield await eventResponse(context, event);
  }
}

async function eventResponse(context: CriContext, event: service.ContainerEvent): Promise<ContainerEventResponse> {
  const sandbox = await sandboxOf(context, event);
  return {
    containerId: event.containerId,
    containerEventType: event.type,
    createdAt: nanoseconds(event.createdAt),
    ...(sandbox === undefined
      ? { containersStatuses: [] }
      : {
          podSandboxStatus: sandboxStatus(context, sandbox),
          containersStatuses: await statusesIn(context, sandbox.id),
        }),
  };
}

/** The sandbox that the event is of or in, or undefined where it is gone already. */
async function sandboxOf(
  { runtime }: CriContext,
  { containerId, podSandboxMetadata: { uid, attempt } }: service.ContainerEvent,
): Promise<service.PodSandboxStatus | undefined> {
  const sandboxes = await runtime.listPodSandbox();
  const found = sandboxes.find(
    ({ id, metadata }) => id === containerId || (metadata.uid === uid && metadata.attempt === attempt),
  );
  return found && (await unlessNotFound(runtime.podSandboxStatus(found.id)));
}

async function statusesIn(context: CriContext, podSandboxId: string): Promise<readonly ContainerStatus[]> {
  const containers = await context.runtime.listContainers({ podSandboxId });
  const statuses = await Promise.all(
    containers.map(async ({ id }) => {
      const status = await unlessNotFound(context.runtime.containerStatus(id));
      return status && (await containerStatus(context, status));
    }),
  );
  return statuses.filter((status) => status !== undefined);
}

async function unlessNotFound<T>(question: Promise<T>): Promise<T | undefined> {
  try {
    return await question;
  } catch (error) {
    if (hasCode(error, 'NotFound')) return undefined;
    throw error;
  }
}
