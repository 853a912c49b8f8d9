import type { Container, ContainerFilter, PodSandbox, PodSandboxFilter } from '../service.ts';

/** A filter that is not given lets everything pass. */
const agrees = (wanted: string | undefined, actual: string): boolean => wanted === undefined || wanted === actual;

function labelsMatch(
  selector: Readonly<Record<string, string>> | undefined,
  labels: Readonly<Record<string, string>>,
): boolean {
  return Object.entries(selector ?? {}).every(([key, value]) => labels[key] === value);
}

export const matchesSandbox = (sandbox: PodSandbox, filter: PodSandboxFilter): boolean =>
  agrees(filter.id, sandbox.id) &&
  agrees(filter.state, sandbox.state) &&
  labelsMatch(filter.labelSelector, sandbox.labels);

export const matchesContainer = (container: Container, filter: ContainerFilter): boolean =>
  agrees(filter.id, container.id) &&
  agrees(filter.podSandboxId, container.podSandboxId) &&
  agrees(filter.state, container.state) &&
  labelsMatch(filter.labelSelector, container.labels);
