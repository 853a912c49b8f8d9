import type { Container, PodSandbox } from '../../runtime/service.ts';
import type { Config } from '../config/schema.ts';
import { withRuntime } from './node-runtime.ts';
import { ago, table } from './table.ts';

export interface PsOptions {
  /** Not only those that run. */
  readonly all: boolean;
  readonly quiet: boolean;
  readonly output: 'table' | 'json';
}

/** As long as crictl prints ids. */
const SHORT_ID = 13;

const HEAD = ['CONTAINER', 'IMAGE', 'CREATED', 'STATE', 'NAME', 'ATTEMPT', 'POD ID', 'POD', 'NAMESPACE'];

const STATES = {
  CONTAINER_CREATED: 'Created',
  CONTAINER_RUNNING: 'Running',
  CONTAINER_EXITED: 'Exited',
  CONTAINER_UNKNOWN: 'Unknown',
} as const satisfies Record<Container['state'], string>;

/** `wasmlet ps`: the containers of this node, the newest first. */
export async function psCommand(config: Config, { all, quiet, output }: PsOptions): Promise<void> {
  const [containers, sandboxes] = await withRuntime(config, (runtime) =>
    Promise.all([runtime.listContainers(all ? {} : { state: 'CONTAINER_RUNNING' }), runtime.listPodSandbox()]),
  );
  const newestFirst = containers.toSorted((a, b) => (a.createdAt < b.createdAt ? 1 : -1));
  process.stdout.write(render(newestFirst, sandboxes, { quiet, output }));
}

function render(
  containers: readonly Container[],
  sandboxes: readonly PodSandbox[],
  { quiet, output }: Omit<PsOptions, 'all'>,
): string {
  if (quiet) return containers.map(({ id }) => `${id}\n`).join('');
  if (output === 'json') return `${JSON.stringify({ containers }, undefined, 2)}\n`;
  const podOf = new Map(sandboxes.map(({ id, metadata }) => [id, metadata]));
  const rows = containers.map(({ id, podSandboxId, image, createdAt, state, metadata }) => [
    id.slice(0, SHORT_ID),
    image.userSpecifiedImage,
    ago(createdAt),
    STATES[state],
    metadata.name,
    String(metadata.attempt),
    podSandboxId.slice(0, SHORT_ID),
    podOf.get(podSandboxId)?.name ?? '',
    podOf.get(podSandboxId)?.namespace ?? '',
  ]);
  return table([HEAD, ...rows]);
}
