import { hasCode } from '../../base/errors.ts';
import type {
  Container,
  ContainerState,
  ContainerStatus,
  PodSandboxStatus,
  RuntimeService,
} from '../../runtime/service.ts';
import { POD_UID, readContainerAnnotations } from './labels.ts';
import { readTerminationMessage } from './termination-message.ts';

/** One container as the runtime knows it, with what its labels and annotations say (kubecontainer.Status). */
export interface RuntimeContainer {
  readonly id: string;
  readonly name: string;
  readonly sandboxId: string;
  readonly state: ContainerState;
  readonly createdAt: string;
  readonly startedAt: string;
  readonly finishedAt: string;
  readonly exitCode: number;
  readonly reason: string;
  /** Why it ended, for people: the runtime's words and the container's termination message. */
  readonly message: string;
  readonly restartCount: number;
  readonly hash: string;
  /** As in the pod's spec. */
  readonly image: string;
  /** 'registry/repository@sha256:…' */
  readonly imageId: string;
  readonly logPath: string;
}

/** What the runtime has of one pod. Lists are newest first, so that the first of a name is the present one. */
export interface PodRuntimeStatus {
  readonly sandboxes: readonly PodSandboxStatus[];
  readonly containers: readonly RuntimeContainer[];
}

export const EMPTY_RUNTIME_STATUS: PodRuntimeStatus = { sandboxes: [], containers: [] };

/** The latest container of a name. */
export const latestOf = (status: PodRuntimeStatus, name: string): RuntimeContainer | undefined =>
  status.containers.find((container) => container.name === name);

/** Containers that run, or might. */
export const runningOf = (status: PodRuntimeStatus): readonly RuntimeContainer[] =>
  status.containers.filter(({ state }) => state === 'CONTAINER_RUNNING' || state === 'CONTAINER_UNKNOWN');

export const readySandboxOf = (status: PodRuntimeStatus): PodSandboxStatus | undefined => {
  const [latest] = status.sandboxes;
  return latest?.state === 'SANDBOX_READY' ? latest : undefined;
};

/** Reads one pod from the runtime. What has ended does not change, and is not asked for again. */
export class PodRuntimeReader {
  readonly #runtime: RuntimeService;
  readonly #uid: string;
  #ended = new Map<string, RuntimeContainer>();

  constructor(runtime: RuntimeService, uid: string) {
    this.#runtime = runtime;
    this.#uid = uid;
  }

  /** @throws WasmletError Unavailable when the runtime cannot be asked */
  async read(): Promise<PodRuntimeStatus> {
    const labelSelector = { [POD_UID]: this.#uid };
    const [listedSandboxes, listedContainers] = await Promise.all([
      this.#runtime.listPodSandbox({ labelSelector }),
      this.#runtime.listContainers({ labelSelector }),
    ]);
    const [sandboxes, containers] = await Promise.all([
      Promise.all(listedSandboxes.map(({ id }) => unlessGone(this.#runtime.podSandboxStatus(id)))),
      Promise.all(listedContainers.map((container) => this.#readContainer(container))),
    ]);
    const present = containers.filter((container) => container !== undefined);
    this.#ended = new Map(
      present.filter(({ state }) => state === 'CONTAINER_EXITED').map((container) => [container.id, container]),
    );
    return {
      sandboxes: sandboxes
        .filter((sandbox) => sandbox !== undefined)
        .sort((a, b) => b.metadata.attempt - a.metadata.attempt || newestFirst(a, b)),
      containers: present.sort((a, b) => b.restartCount - a.restartCount || newestFirst(a, b)),
    };
  }

  async #readContainer(listed: Container): Promise<RuntimeContainer | undefined> {
    const known = this.#ended.get(listed.id);
    if (known) return known;
    const status = await unlessGone(this.#runtime.containerStatus(listed.id));
    return status && (await toRuntimeContainer(status));
  }
}

const newestFirst = (a: { readonly createdAt: string }, b: { readonly createdAt: string }): number =>
  a.createdAt < b.createdAt ? 1 : a.createdAt > b.createdAt ? -1 : 0;

/** Between list and status another may remove it, and that is normal. */
async function unlessGone<T>(status: Promise<T>): Promise<T | undefined> {
  try {
    return await status;
  } catch (error) {
    if (hasCode(error, 'NotFound')) return undefined;
    throw error;
  }
}

/** kuberuntime_container.go, convertToKubeContainerStatus. */
export async function toRuntimeContainer(status: ContainerStatus): Promise<RuntimeContainer> {
  const annotated = readContainerAnnotations(status.annotations, status.metadata.attempt);
  return {
    id: status.id,
    name: status.metadata.name,
    sandboxId: status.podSandboxId,
    state: status.state,
    createdAt: status.createdAt,
    startedAt: status.startedAt ?? '',
    finishedAt: status.finishedAt ?? '',
    exitCode: status.exitCode ?? 0,
    reason: status.reason,
    message: status.state === 'CONTAINER_EXITED' ? await messageOfEnded(status, annotated) : '',
    restartCount: annotated.restartCount,
    hash: annotated.hash,
    image: status.image.userSpecifiedImage,
    imageId: annotated.imageId === '' ? status.image.imageRef : annotated.imageId,
    logPath: status.logPath,
  };
}

async function messageOfEnded(
  status: ContainerStatus,
  annotated: { terminationMessagePath: string; terminationMessagePolicy: string },
): Promise<string> {
  const written = await readTerminationMessage(status, {
    path: annotated.terminationMessagePath,
    policy: annotated.terminationMessagePolicy,
  });
  return [status.message, written].filter((part) => part !== '').join(': ');
}
