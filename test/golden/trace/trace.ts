/** What is compared: plain data, kept as JSON beside each case. */
export interface Trace {
  /** By the pod's name. */
  readonly pods: Readonly<Record<string, PodTrace>>;
  /** In order, by the object they are about: 'Pod web', 'Pod web spec.containers{app}'. */
  readonly events: Readonly<Record<string, readonly string[]>>;
  /** How often the node asked what about the case's namespace: 'patch pods/status'. */
  readonly calls: Readonly<Record<string, number>>;
}

export interface PodTrace {
  /** Each part of the status by itself, over time: 'phase', 'condition Ready', 'container app'. */
  readonly tracks: Readonly<Record<string, readonly Milestone[]>>;
  /** Whether the API server has forgotten the pod at the end. */
  readonly gone: boolean;
  /** The last status seen, volatile values replaced. */
  readonly end: unknown;
  /** Of a mirror pod its annotations, labels, owners and spec, volatile values replaced. */
  readonly mirror?: unknown;
}

/**
 * One value that a part of the status had. A '~' before it says that it was brief: it lasted less than BRIEF_MS and
 * another followed, so that a node that looks at other moments may not have shown it.
 */
export type Milestone = string;

export const BRIEF = '~';

/**
 * Two looks of a kubelet at its runtime (the PLEG's relist, each second) and the time a status takes on a busy machine:
 * what is gone sooner, a node sees or does not see by chance.
 */
export const BRIEF_MS = 5000;
