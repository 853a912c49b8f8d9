import type { ContainerState, ContainerStatus, Pod, PodCondition } from '../../../agent/kube/types.ts';
import { normaliseText, type Volatile } from './normalise.ts';
import { BRIEF, BRIEF_MS, type Milestone } from './trace.ts';

/** A version of a pod, when a watch brought it. */
export interface SeenPod {
  readonly pod: Pod;
  /** Milliseconds of a monotonic clock. */
  readonly at: number;
}

/**
 * The status over time, each part of it by itself: which parts change in one version and which in two is a matter of
 * timing, in which order each of them goes is not.
 */
export function tracksOf(versions: readonly SeenPod[], volatile: Volatile): Record<string, Milestone[]> {
  const seen = new Map<string, { value: string; at: number }[]>();
  for (const { pod, at } of versions) {
    for (const [track, raw] of partsOf(pod)) {
      const value = normaliseText(raw, volatile);
      const milestones = seen.get(track) ?? [];
      seen.set(track, milestones);
      if (milestones.at(-1)?.value !== value) milestones.push({ value, at });
    }
  }
  return Object.fromEntries([...seen].map(([track, milestones]) => [track, milestones.map(withBrief)]));
}

function withBrief(
  { value, at }: { value: string; at: number },
  index: number,
  all: readonly { at: number }[],
): Milestone {
  const next = all[index + 1];
  return next !== undefined && next.at - at < BRIEF_MS ? `${BRIEF}${value}` : value;
}

function partsOf({ metadata, status = {} }: Pod): [track: string, value: string][] {
  const containers = (kind: string, statuses: readonly ContainerStatus[] = []): [string, string][] =>
    statuses.map((container) => [`${kind} ${container.name}`, describeContainer(container)]);
  return [
    ['phase', words(status.phase, status.reason, quoted(status.message))],
    ['deletion', metadata?.deletionTimestamp === undefined ? 'no' : `grace ${metadata.deletionGracePeriodSeconds}`],
    ...(status.conditions ?? []).map((condition): [string, string] => [
      `condition ${condition.type}`,
      describeCondition(condition),
    ]),
    ...containers('init container', status.initContainerStatuses),
    ...containers('container', status.containerStatuses),
    ...containers('ephemeral container', status.ephemeralContainerStatuses),
  ];
}

function describeCondition({ status, reason, message }: PodCondition): string {
  return words(status, reason, quoted(message));
}

function describeContainer({ state, lastState, restartCount, ready, started }: ContainerStatus): string {
  const last = describeState(lastState);
  return words(
    describeState(state) || 'no state',
    `restarts=${restartCount}`,
    ready ? 'ready' : 'not-ready',
    started === undefined ? undefined : started ? 'started' : 'not-started',
    last === '' ? undefined : `last=(${last})`,
  );
}

function describeState({ waiting, running, terminated }: ContainerState = {}): string {
  if (waiting) return words('waiting', waiting.reason, quoted(waiting.message));
  if (running) return 'running';
  if (!terminated) return '';
  const { exitCode, signal, reason, message } = terminated;
  return words('terminated', reason, String(exitCode), signal && `signal=${signal}`, quoted(message));
}

const quoted = (text: string | undefined): string | undefined =>
  text === undefined || text === '' ? undefined : JSON.stringify(text);

const words = (...parts: (string | number | undefined)[]): string =>
  parts.filter((part) => part !== undefined && part !== '').join(' ');
