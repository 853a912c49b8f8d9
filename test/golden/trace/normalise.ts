/** What differs from run to run, by the names it has in this one. */
export interface Volatile {
  readonly nodeName: string;
  readonly namespace: string;
  /** 'HOST:PORT' of the open registry and of the one that asks for credentials. */
  readonly registry: string;
  readonly privateRegistry: string;
  /** Folder in which the node keeps its pods' files. */
  readonly rootDir: string;
  /** UIDs of the pods. */
  readonly uids: readonly string[];
}

type Replacement = readonly [pattern: RegExp, by: string];

/** Values of which only the shape is compared; the more special first. */
const SHAPES: readonly Replacement[] = [
  [/sha256:[0-9a-f]{64}/g, 'sha256:<digest>'],
  // Names of times in log files and volumes' generations.
  [/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)/g, '<time>'],
  [/\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b/g, '<uid>'],
  [/\b[0-9a-f]{64}\b/g, '<id>'],
  // Of sandboxes and static pods.
  [/\b[0-9a-f]{32}\b/g, '<id>'],
  [/kube-api-access-[a-z0-9]{5}\b/g, 'kube-api-access-<suffix>'],
  [/\bin \d+(\.\d+)?(ms|s|µs)( \(\d+(\.\d+)?(ms|s|µs) including waiting\))?/g, 'in <duration>'],
  [/\bused: \d+, capacity: \d+/g, 'used: <n>, capacity: <n>'],
  [/Image size: \d+ bytes/g, 'Image size: <n> bytes'],
  [/\b\d{1,3}(\.\d{1,3}){3}:\d{4,5}->\d{1,3}(\.\d{1,3}){3}:/g, '<ip>:<port>-><ip>:'],
  [/\b\d{1,3}(\.\d{1,3}){3}:\d{4,5}\b/g, '<ip>:<port>'],
  [/\b\d{1,3}(\.\d{1,3}){3}\b/g, '<ip>'],
];

/** A text (message, image, path) with all that differs from run to run replaced. */
export function normaliseText(text: string, volatile: Volatile): string {
  let normal = text;
  for (const [value, by] of namesOf(volatile)) if (value !== '') normal = normal.replaceAll(value, by);
  for (const [pattern, by] of SHAPES) normal = normal.replace(pattern, by);
  return normal;
}

/** Longer names first, so that none is cut by another that is part of it. */
function namesOf(volatile: Volatile): [value: string, by: string][] {
  const names: [string, string][] = [
    [volatile.privateRegistry, 'PRIVATE_REGISTRY'],
    [volatile.registry, 'REGISTRY'],
    [volatile.rootDir, '<root>'],
    [volatile.namespace, '<namespace>'],
    ...volatile.uids.map((uid): [string, string] => [uid, '<uid>']),
    [volatile.nodeName, '<node>'],
  ];
  return names.toSorted(([a], [b]) => b.length - a.length);
}

/** A field whose value is another in each run: that it is there is compared, and no more. */
const TIMES = new Set([
  'startTime',
  'startedAt',
  'finishedAt',
  'lastTransitionTime',
  // Of static pods: nanoseconds.
  'kubernetes.io/config.seen',
]);
/** Always null or not there, by the serialiser's taste. */
const DROPPED = new Set(['lastProbeTime']);

/** A status with volatile values replaced: times as '<time>', identifiers, addresses; keys sorted. */
export function normaliseStatus(value: unknown, volatile: Volatile): unknown {
  if (typeof value === 'string') return normaliseText(value, volatile);
  if (Array.isArray(value)) return value.map((item) => normaliseStatus(item, volatile));
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value)
    .filter(([key, item]) => !DROPPED.has(key) && item !== undefined)
    .map(([key, item]): [string, unknown] => [key, TIMES.has(key) ? '<time>' : normaliseField(key, item, volatile)])
    .toSorted(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(entries);
}

function normaliseField(key: string, value: unknown, volatile: Volatile): unknown {
  if (key === 'containerID' && typeof value === 'string') return value.replace(/\/\/.+$/, '//<id>');
  // Their order means nothing, and the kubelet's is another each time.
  if (key === 'conditions' && Array.isArray(value)) {
    const conditions = value as readonly { type: string }[];
    return normaliseStatus(byType(conditions), volatile);
  }
  return normaliseStatus(value, volatile);
}

function byType(conditions: readonly { type: string }[]): Record<string, unknown> {
  return Object.fromEntries(conditions.map(({ type, ...condition }) => [type, condition]));
}
