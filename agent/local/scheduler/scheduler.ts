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

const COMPONENT = 'default-scheduler';

const asPod = (object: ApiObject): Pod => object;
const isOver = ({ status }: Pod): boolean => status?.phase === 'Succeeded' || status?.phase === 'Failed';

/**
 * Binds pods to the one node there is, or says why it cannot, as kube-scheduler does. It looks at the pods that wait
 * whenever something has changed that may let one fit: a new pod, the node, the end of a pod.
 */
export class Scheduler implements Disposable {
  readonly #registry: Registry;
  readonly #logger: Logger;
  readonly #unsubscribe: () => void;
  #planned: NodeJS.Immediate | undefined;

  constructor(registry: Registry, logger: Logger) {
    this.#registry = registry;
    this.#logger = logger;
    this.#unsubscribe = registry.store.subscribe((change) => {
      if (matters(change)) this.#plan();
    });
    this.#plan();
  }

  /** Never inside of the write that is told of: its client gets its answer first. */
  #plan(): void {
    this.#planned ??= setImmediate(() => {
      this.#planned = undefined;
      try {
        this.#schedule();
      } catch (error) {
        this.#logger.error('pods could not be scheduled', { error: messageOf(error) });
      }
    });
  }

  #schedule(): void {
    const { store } = this.#registry;
    const all = store.list(pods.storage).objects.map(asPod);
    const waiting = all.filter(waits);
    if (waiting.length === 0) return;
    const known = store.list(nodes.storage).objects.map((object) => object as unknown as Node);
    const bound = all.filter((pod) => pod.spec?.nodeName && !isOver(pod));
    for (const pod of waiting) {
      const verdicts = known.map((node) => {
        const name = node.metadata?.name ?? '';
        return {
          name,
          reasons: reasonsAgainst(
            pod,
            node,
            bound.filter(({ spec }) => spec?.nodeName === name),
          ),
        };
      });
      const fitting = verdicts.find(({ reasons }) => reasons.length === 0);
      if (fitting) bound.push(this.#bind(pod, fitting.name));
      else this.#refuse(pod, unschedulable(verdicts.map(({ reasons }) => reasons)));
    }
  }

  #bind(pod: Pod, node: string): Pod {
    const { namespace = '', name = '' } = pod.metadata ?? {};
    bindPod(this.#registry, { namespace, name }, node);
    const message = `Successfully assigned ${namespace}/${name} to ${node}`;
    this.#record(pod, { type: 'Normal', reason: 'Scheduled', message });
    return { ...pod, spec: { ...(pod.spec ?? { containers: [] }), nodeName: node } };
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

/** Whether a change may let a pod fit. A node's heartbeats alone do not. */
function matters({ key, type, object, previous }: Change): boolean {
  if (key.resource === nodes.storage)
    return JSON.stringify(fitting(object)) !== JSON.stringify(previous && fitting(previous));
  if (key.resource !== pods.storage) return false;
  return type !== 'MODIFIED' || waits(asPod(object)) || isOver(asPod(object));
}

const fitting = (object: ApiObject): unknown => {
  const { metadata, spec, status } = object as unknown as Node;
  return [metadata?.labels, spec, status?.allocatable];
};

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
