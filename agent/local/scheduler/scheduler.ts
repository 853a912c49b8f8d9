import { messageOf } from '../../../base/errors.ts';
import type { Logger } from '../../../base/log.ts';
import type { Node, Pod } from '../../kube/types.ts';
import { bindPod, setCondition } from '../api/pod-subresources.ts';
import { recordEvent } from '../controllers/events.ts';
import type { Registry } from '../registry/registry.ts';
import { nodes } from '../resources/cluster.ts';
import { pods } from '../resources/pods/pods.ts';
import type { ApiObject, Change } from '../storage/object.ts';
import { reasonsAgainst } from './fit.ts';
import { Taken } from './taken.ts';

const COMPONENT = 'default-scheduler';

const asPod = (object: ApiObject): Pod => object;
const asNode = (object: ApiObject): Node => object;
const keyOf = ({ metadata }: ApiObject): string => `${metadata.namespace ?? ''}/${metadata.name ?? ''}`;
const isOver = ({ status }: Pod): boolean => status?.phase === 'Succeeded' || status?.phase === 'Failed';

/**
 * Binds pods to the one node there is, or says why it cannot, as kube-scheduler does. A pod is looked at when it comes or
 * changes, and all that wait when something may let them fit: a node that changes, a pod that ends. What nodes have left
 * is kept up by the changes that the store tells of: reading all pods for each that comes would never end with many.
 */
export class Scheduler implements Disposable {
  readonly #registry: Registry;
  readonly #logger: Logger;
  readonly #unsubscribe: () => void;
  readonly #nodes = new Map<string, Node>();
  /** By node; also of one that is not there yet, or no longer. */
  readonly #taken = new Map<string, Taken>();
  /** By '<namespace>/<name>', in the order in which they came. */
  readonly #waiting = new Map<string, Pod>();
  /** Those of the pods that wait that are to be looked at. */
  readonly #due = new Set<string>();
  #planned: NodeJS.Immediate | undefined;

  constructor(registry: Registry, logger: Logger) {
    this.#registry = registry;
    this.#logger = logger;
    const { store } = registry;
    for (const object of store.list(nodes.storage).objects) this.#nodes.set(object.metadata.name ?? '', asNode(object));
    for (const object of store.list(pods.storage).objects) this.#place(keyOf(object), asPod(object));
    this.#unsubscribe = store.subscribe((change) => this.#hear(change));
    this.#plan();
  }

  #hear({ key, type, object, previous }: Change): void {
    const isGone = type === 'DELETED';
    if (key.resource === nodes.storage) {
      if (isGone) this.#nodes.delete(key.name);
      else this.#nodes.set(key.name, asNode(object));
      if (isGone || !previous || mayFitOthers(asNode(object), asNode(previous))) this.#retryAll();
    } else if (key.resource === pods.storage) {
      const isFreed = this.#place(keyOf(object), isGone ? undefined : asPod(object));
      if (isFreed) this.#retryAll();
      this.#plan();
    }
  }

  /** @returns whether the pod has given back what it had of a node */
  #place(key: string, pod: Pod | undefined): boolean {
    const node = pod && !isOver(pod) ? (pod.spec?.nodeName ?? '') : '';
    const had = [...this.#taken.values()].some((taken) => taken.remove(key));
    if (pod && node !== '') this.#takenOf(node).add(key, pod);
    if (pod && waits(pod)) {
      this.#waiting.set(key, pod);
      this.#due.add(key);
    } else {
      this.#waiting.delete(key);
      this.#due.delete(key);
    }
    return had && node === '';
  }

  #takenOf(node: string): Taken {
    const taken = this.#taken.get(node) ?? new Taken();
    this.#taken.set(node, taken);
    return taken;
  }

  #retryAll(): void {
    for (const key of this.#waiting.keys()) this.#due.add(key);
    this.#plan();
  }

  /** Never inside of the write that is told of: its client gets its answer first. */
  #plan(): void {
    if (this.#due.size === 0) return;
    this.#planned ??= setImmediate(() => {
      this.#planned = undefined;
      const due = [...this.#due];
      this.#due.clear();
      for (const key of due) this.#look(key);
    });
  }

  #look(key: string): void {
    const pod = this.#waiting.get(key);
    if (!pod) return;
    try {
      this.#schedule(pod);
    } catch (error) {
      this.#logger.error('a pod could not be scheduled', { pod: key, error: messageOf(error) });
    }
  }

  #schedule(pod: Pod): void {
    const verdicts = [...this.#nodes].map(([name, node]) => ({
      name,
      reasons: reasonsAgainst(pod, node, this.#takenOf(name)),
    }));
    const fitting = verdicts.find(({ reasons }) => reasons.length === 0);
    if (fitting) this.#bind(pod, fitting.name);
    else this.#refuse(pod, unschedulable(verdicts.map(({ reasons }) => reasons)));
  }

  #bind(pod: Pod, node: string): void {
    const { namespace = '', name = '' } = pod.metadata ?? {};
    bindPod(this.#registry, { namespace, name }, node);
    const message = `Successfully assigned ${namespace}/${name} to ${node}`;
    this.#record(pod, { type: 'Normal', reason: 'Scheduled', message });
  }

  #refuse(pod: Pod, message: string): void {
    const before = pod.status?.conditions?.find(({ type }) => type === 'PodScheduled');
    if (before?.message === message) return;
    const { namespace = '', name = '' } = pod.metadata ?? {};
    this.#registry.update({ resource: pods, namespace, name }, 'free', (object) => {
      setCondition(asPod(object), { status: 'False', reason: 'Unschedulable', message });
      return object;
    });
    this.#record(pod, { type: 'Warning', reason: 'FailedScheduling', message });
  }

  #record(pod: Pod, event: { type: 'Normal' | 'Warning'; reason: string; message: string }): void {
    recordEvent(this.#registry, pod as unknown as ApiObject, { ...event, component: COMPONENT });
  }

  [Symbol.dispose](): void {
    this.#unsubscribe();
    if (this.#planned) clearImmediate(this.#planned);
  }
}

/** Whether a pod is to be scheduled by us, now. */
const waits = ({ spec, metadata }: Pod): boolean =>
  !spec?.nodeName &&
  metadata?.deletionTimestamp === undefined &&
  spec?.schedulerName === COMPONENT &&
  (spec.schedulingGates ?? []).length === 0;

/** Whether a node may take pods that it did not take before. Its heartbeats alone do not let it. */
const mayFitOthers = (node: Node, previous: Node): boolean =>
  JSON.stringify(fitting(node)) !== JSON.stringify(fitting(previous));

const fitting = ({ metadata, spec, status }: Node): unknown => [metadata?.labels, spec, status?.allocatable];

/** The scheduler's sentence (pkg/scheduler/framework/types.go, FitError). */
function unschedulable(perNode: readonly (readonly string[])[]): string {
  const total = perNode.length;
  if (total === 0) return 'no nodes available to schedule pods';
  const counts = new Map<string, number>();
  for (const reason of perNode.flat()) counts.set(reason, (counts.get(reason) ?? 0) + 1);
  const reasons = [...counts].map(([reason, count]) => `${count} ${reason}`).sort();
  return (
    `0/${total} nodes are available: ${reasons.join(', ')}. preemption: 0/${total} nodes are available: ` +
    `${total} Preemption is not helpful for scheduling.`
  );
}
