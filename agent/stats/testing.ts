import type { Container, ContainerStats, PodSandbox } from '../../runtime/service.ts';
import { CONTAINER_NAME } from '../pods/labels.ts';
import type { ListedRuntime } from './runtime-reading.ts';

export const CREATED_AT = '2026-01-01T00:00:00.250000000Z';

/** A runtime that lists what a test has put into it. */
export class ListingRuntime implements ListedRuntime {
  readonly sandboxes: PodSandbox[] = [];
  readonly containers: Container[] = [];
  readonly stats: ContainerStats[] = [];
  /** How often usage was asked for. */
  asked = 0;
  /** What an answer waits for. */
  answers: Promise<unknown> = Promise.resolve();

  listPodSandbox = (): Promise<readonly PodSandbox[]> => Promise.resolve(this.sandboxes);
  listContainers = (): Promise<readonly Container[]> => Promise.resolve(this.containers);
  listContainerStats = async (): Promise<readonly ContainerStats[]> => {
    this.asked++;
    await this.answers;
    return this.stats;
  };

  addSandbox(name: string, change: Partial<PodSandbox> = {}): PodSandbox {
    const sandbox: PodSandbox = {
      id: `sandbox-${this.sandboxes.length}`,
      metadata: { name, namespace: 'default', uid: `uid-${name}`, attempt: 0 },
      state: 'SANDBOX_READY',
      createdAt: CREATED_AT,
      runtimeHandler: 'wasm',
      labels: {},
      annotations: {},
      ...change,
    };
    this.sandboxes.push(sandbox);
    return sandbox;
  }

  /** A container that runs, unless it is changed, with what it uses. */
  addContainer(
    sandbox: PodSandbox,
    name: string,
    usage: Partial<ContainerStats> = {},
    change: Partial<Container> = {},
  ): Container {
    const id = `container-${this.containers.length}`;
    const labels = { [CONTAINER_NAME]: name };
    const metadata = { name, attempt: 0 };
    const image = { userSpecifiedImage: `registry.example/${name}:1`, imageRef: 'sha256:0' };
    const common = { id, metadata, labels };
    const container: Container = {
      ...common,
      podSandboxId: sandbox.id,
      image,
      state: 'CONTAINER_RUNNING',
      createdAt: CREATED_AT,
      annotations: {},
      ...change,
    };
    this.containers.push(container);
    if (container.state === 'CONTAINER_RUNNING') {
      const timestamp = '2026-01-01T00:01:00.500000000Z';
      this.stats.push({ ...common, timestamp, cpuUsageCoreNanoSeconds: 2.5e9, memoryWorkingSetBytes: 1e7, ...usage });
    }
    return container;
  }
}
