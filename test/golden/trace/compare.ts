import { BRIEF, type Milestone, type PodTrace, type Trace } from './trace.ts';

/** One place in which two traces differ. What one of them has not is undefined. */
export interface Difference {
  /** 'pod web: container app', 'pod web: end.qosClass', 'events of Pod web', 'calls: patch pods/status' */
  readonly field: string;
  readonly kubelet: string | undefined;
  readonly ours: string | undefined;
}

/** Every difference between what a kubelet did and what we did. Rules: README.md beside this folder. */
export function compareTraces(kubelet: Trace, ours: Trace): Difference[] {
  return [
    ...keysOf(kubelet.pods, ours.pods).flatMap((name) =>
      comparePods(`pod ${name}`, kubelet.pods[name] ?? NO_POD, ours.pods[name] ?? NO_POD),
    ),
    ...keysOf(kubelet.events, ours.events).flatMap((object) =>
      compareSequences(`events of ${object}`, kubelet.events[object] ?? [], ours.events[object] ?? []),
    ),
    ...keysOf(kubelet.calls, ours.calls).flatMap((call) =>
      compareCalls(call, kubelet.calls[call] ?? 0, ours.calls[call] ?? 0),
    ),
  ];
}

const NO_POD: PodTrace = { tracks: {}, gone: true, end: undefined };

function comparePods(name: string, kubelet: PodTrace, ours: PodTrace): Difference[] {
  return [
    ...keysOf(kubelet.tracks, ours.tracks).flatMap((track) =>
      compareSequences(`${name}: ${track}`, kubelet.tracks[track] ?? [], ours.tracks[track] ?? []),
    ),
    ...differenceOf(`${name}: gone`, String(kubelet.gone), String(ours.gone)),
    ...compareValues(`${name}: end`, kubelet.end, ours.end),
    ...compareValues(`${name}: mirror`, kubelet.mirror, ours.mirror),
  ];
}

/** How often a status or an event is sent is a matter of what is joined in time: so many more are not told. */
const TOLERANCE: Readonly<Record<string, number>> = { 'patch pods/status': 1, 'patch events': 3 };

/** A node may ask for less than a kubelet, never for more, nor for what a kubelet does not ask. */
function compareCalls(call: string, kubelet: number, ours: number): Difference[] {
  if (ours <= kubelet + (TOLERANCE[call] ?? 0)) return [];
  return [{ field: `calls: ${call}`, kubelet: String(kubelet), ours: String(ours) }];
}

/**
 * Lays two sequences side by side by their longest common part. What is left over is a difference, but for brief
 * milestones that no node must show (`mayBeSkipped`). Leftovers that face each other are told as one difference.
 */
export function compareSequences(
  field: string,
  kubelet: readonly Milestone[],
  ours: readonly Milestone[],
): Difference[] {
  const common = longestCommon(kubelet, ours);
  const differences: Difference[] = [];
  let [k, o] = [0, 0];
  for (const [nextK, nextO] of [...common, [kubelet.length, ours.length] as const]) {
    const missing = leftOver(kubelet, k, nextK);
    const extra = leftOver(ours, o, nextO);
    for (let index = 0; index < Math.max(missing.length, extra.length); index += 1) {
      differences.push({ field, kubelet: missing[index], ours: extra[index] });
    }
    [k, o] = [nextK + 1, nextO + 1];
  }
  return differences;
}

/** What there is to tell of a part of a sequence between two milestones that the other one has too. */
function leftOver(all: readonly Milestone[], from: number, to: number): Milestone[] {
  const lasting = [...all.keys()].filter((index) => !mayBeSkipped(all[index]!));
  /** Without what is skipped between them, two would be one: a value that came back. */
  const isSame = (one: number | undefined, other: number | undefined): boolean =>
    one !== undefined && other !== undefined && other - one > 1 && valueOf(all[one]!) === valueOf(all[other]!);
  return lasting.flatMap((index, place) => {
    const [before, after] = [lasting[place - 1], lasting[place + 1]];
    const isTold = index >= from && index < to && !isSame(before, index) && !(after === to && isSame(index, after));
    return isTold ? [all[index]!] : [];
  });
}

const valueOf = (milestone: Milestone): string =>
  milestone.startsWith(BRIEF) ? milestone.slice(BRIEF.length) : milestone;

/** That a pod has ended is never shown by chance, however briefly. */
const IS_TERMINAL = /^(Failed|Succeeded)\b/;

const mayBeSkipped = (milestone: Milestone): boolean =>
  milestone.startsWith(BRIEF) && !IS_TERMINAL.test(valueOf(milestone));

/** Index pairs of the longest common subsequence; of several, one that leaves over brief milestones. */
function longestCommon(a: readonly Milestone[], b: readonly Milestone[]): [number, number][] {
  const best = Array.from({ length: a.length + 1 }, () => new Array<number>(b.length + 1).fill(0));
  const at = (i: number, j: number): number => best[i]?.[j] ?? 0;
  const matched = (i: number, j: number): number => weightOf(a[i]!, b[j]!) && at(i + 1, j + 1) + weightOf(a[i]!, b[j]!);
  for (let i = a.length - 1; i >= 0; i -= 1) {
    for (let j = b.length - 1; j >= 0; j -= 1) best[i]![j] = Math.max(matched(i, j), at(i + 1, j), at(i, j + 1));
  }
  const pairs: [number, number][] = [];
  let [i, j] = [0, 0];
  while (i < a.length && j < b.length) {
    if (matched(i, j) === at(i, j) && at(i, j) > 0) pairs.push([i++, j++]);
    else if (at(i + 1, j) === at(i, j)) i += 1;
    else j += 1;
  }
  return pairs;
}

/** What it is worth to match two milestones: nothing where they differ; more where they lasted. */
function weightOf(a: Milestone, b: Milestone): number {
  if (valueOf(a) !== valueOf(b)) return 0;
  return 4 + [a, b].filter((milestone) => !milestone.startsWith(BRIEF)).length;
}

/** The leaves in which two JSON values differ. */
function compareValues(field: string, kubelet: unknown, ours: unknown): Difference[] {
  if (isTree(kubelet) && isTree(ours)) {
    return keysOf(kubelet, ours).flatMap((key) => compareValues(`${field}.${key}`, kubelet[key], ours[key]));
  }
  return differenceOf(field, textOf(kubelet), textOf(ours));
}

type Tree = Readonly<Record<string, unknown>>;

const isTree = (value: unknown): value is Tree => typeof value === 'object' && value !== null;
const textOf = (value: unknown): string | undefined =>
  value === undefined || typeof value === 'string' ? value : JSON.stringify(value);

function differenceOf(field: string, kubelet: string | undefined, ours: string | undefined): Difference[] {
  return kubelet === ours ? [] : [{ field, kubelet, ours }];
}

function keysOf(a: Tree, b: Tree): string[] {
  return [...new Set([...Object.keys(a), ...Object.keys(b)])].toSorted();
}
