import { hasCode, messageOf } from '../../base/errors.ts';
import { parseDuration } from '../config/duration.ts';
import { createBackoff, sleep } from '../kube/backoff.ts';
import { KubeApiError, type KubeClient } from '../kube/client.ts';
import type { EventReason } from '../kube/event-reasons.ts';
import type { EventRecorder, EventType } from '../kube/events.ts';
import { createReflector } from '../kube/reflector.ts';
import type { Node, NodeStatus } from '../kube/types.ts';
import { runLease } from './lease.ts';
import { createObserver, type Observer, type ObserverOptions } from './observe.ts';
import { createOrAdopt, initialNode, wantedLabels } from './registration.ts';
import { isReady, nextStatus, statusChanged, statusPatch, type NextStatus, type NodeObservation } from './status.ts';

export interface NodeManagerOptions extends Omit<ObserverOptions, 'server'> {
  /** The node's own client, apart from the one for pods: a heartbeat must not queue behind pods' requests. */
  readonly client: KubeClient;
  readonly recorder: EventRecorder;
}

/** Keeps the Node object and its lease. */
export interface NodeManager {
  /** The Node object as last seen; undefined before it is registered and after it was deleted. */
  readonly node: Node | undefined;
  /** The Node object as it is to be registered; undefined before the first look at the machine. */
  readonly expectedNode: Node | undefined;
  /** The node's own addresses, for pods' hostIPs; empty before the first look at the machine. */
  readonly hostIPs: readonly string[];
  /** Resolves once the Node object exists and has a status of ours. */
  readonly registered: Promise<void>;
  /** Runs until the signal ends it; then sets Ready to False ('node is shutting down'). */
  run(signal: AbortSignal): Promise<void>;
}

/** pkg/kubelet: nodeStatusUpdateRetry, and the ceiling of registration's back-off. */
const STATUS_TRIES = 5;
const REGISTER_BACKOFF = { initialMs: 200, maxMs: 7000, jitter: 0.2 };
/** Until the node is Ready for the first time its status is looked at this often (kubelet: fastStatusUpdateOnce). */
const FAST_MS = 250;
const FAST_PERIOD_MS = 120_000;
const SHUTDOWN_MS = 5000;

export function createNodeManager(options: NodeManagerOptions): NodeManager {
  return new ApiNodeManager(options);
}

class ApiNodeManager implements NodeManager {
  readonly registered: Promise<void>;
  readonly #options: NodeManagerOptions;
  readonly #observer: Observer;
  readonly #path: string;
  readonly #firstStatus = Promise.withResolvers<undefined>();
  #wake = new AbortController();
  #node: Node | undefined;
  #expectedNode: Node | undefined;
  /** Whether this Node object is one that we made or took over; the watch may show one before we did. */
  #adopted = false;
  #hostIPs: readonly string[] = [];
  #reportedMs = -Infinity;
  #reportDelayMs = 0;
  #shuttingDown = false;
  /** Why pods share the node's address, as an event has said it. */
  #toldShared = '';
  #unschedulable = false;

  constructor(options: NodeManagerOptions) {
    this.#options = options;
    this.#observer = createObserver({ ...options, server: options.client.server });
    this.#path = `/api/v1/nodes/${options.config.nodeName}`;
    this.registered = this.#firstStatus.promise.then(() => undefined);
  }

  get node(): Node | undefined {
    return this.#node;
  }

  get expectedNode(): Node | undefined {
    return this.#expectedNode;
  }

  get hostIPs(): readonly string[] {
    return this.#hostIPs;
  }

  async run(signal: AbortSignal): Promise<void> {
    const { client, config, logger } = this.#options;
    this.#record('Normal', 'Starting', 'Starting kubelet.');
    const reflector = createReflector<Node>({
      client,
      path: '/api/v1/nodes',
      query: { fieldSelector: `metadata.name=${config.nodeName}` },
      handler: {
        onAdd: (node) => this.#see(node),
        onUpdate: (node) => this.#see(node),
        onDelete: (node) => this.#forget(node),
      },
      logger,
    });
    const lease = {
      client,
      nodeName: config.nodeName,
      durationSeconds: config.nodeLeaseDurationSeconds,
      node: () => this.#node,
      logger,
    };
    await Promise.all([reflector.run(signal), this.#keepStatus(signal), this.#leaseOnceRegistered(lease, signal)]);
    await this.#sayGoodbye();
  }

  async #keepStatus(signal: AbortSignal): Promise<void> {
    const intervalMs = parseDuration(this.#options.config.nodeStatusUpdateFrequency);
    const fastUntil = performance.now() + FAST_PERIOD_MS;
    let going = !signal.aborted;
    while (going) {
      const wake = this.#wake;
      await this.#syncStatus(signal);
      const fast = !isReady(this.#node) && performance.now() < fastUntil;
      const pauseMs = fast ? Math.min(FAST_MS, intervalMs) : intervalMs * (1 + Math.random() * 0.04);
      await sleep(pauseMs, AbortSignal.any([signal, wake.signal]));
      going = !signal.aborted;
    }
  }

  async #leaseOnceRegistered(lease: Parameters<typeof runLease>[0], signal: AbortSignal): Promise<void> {
    const ended = Promise.withResolvers<undefined>();
    const onAbort = () => ended.resolve(undefined);
    signal.addEventListener('abort', onAbort, { once: true });
    // One that ended before has no event any more.
    if (!signal.aborted) await Promise.race([this.registered, ended.promise]);
    signal.removeEventListener('abort', onAbort);
    if (!signal.aborted) await runLease(lease, signal);
  }

  /** Brings the Node object to what is seen now; failures are logged and tried again, at last at the next round. */
  async #syncStatus(signal: AbortSignal): Promise<void> {
    for (let tries = 0; tries < STATUS_TRIES && !signal.aborted; tries++) {
      try {
        if (!(this.#adopted && this.#node) && !(await this.#register(signal))) return;
        await this.#patchStatus(signal);
        this.#firstStatus.resolve(undefined);
        return;
      } catch (error) {
        if (hasCode(error, 'Cancelled')) return;
        if (error instanceof KubeApiError && error.status === 404) this.#node = undefined;
        this.#options.logger.warn('the node status could not be updated, will try again', { error: messageOf(error) });
      }
    }
  }

  /** @returns whether there is a Node object now */
  async #register(signal: AbortSignal): Promise<boolean> {
    const { client, config, logger } = this.#options;
    if (!config.registerNode) {
      this.#expectedNode ??= initialNode(config, (await this.#nextStatus({})).status);
      this.#see(await client.get<Node>(this.#path, { signal }));
      return (this.#adopted = true);
    }
    const backoff = createBackoff(REGISTER_BACKOFF);
    do {
      try {
        const { status, events } = await this.#nextStatus({});
        this.#expectedNode = initialNode(config, status);
        const { node, created } = await createOrAdopt(client, this.#expectedNode, signal);
        logger.info(created ? 'the node is registered' : 'the node was registered before', { node: config.nodeName });
        if (created) this.#recordStatusEvents(events);
        this.#see(node);
        if (created) this.#reportedMs = performance.now();
        return (this.#adopted = true);
      } catch (error) {
        if (hasCode(error, 'Cancelled')) return false;
        logger.error('the node could not be registered, will try again', { error: messageOf(error) });
      }
    } while (await backoff.wait(signal));
    return false;
  }

  async #nextStatus(existing: NodeStatus): Promise<NextStatus> {
    const seen = await this.#observer.observe();
    this.#hostIPs = seen.internalIPs;
    this.#tellShared(seen.network);
    const errors = this.#shuttingDown ? [...seen.errors, 'node is shutting down'] : seen.errors;
    return nextStatus(existing, { ...seen, errors }, timestamp());
  }

  /** Once for each reason: pods that want one port, or expect an address of their own, fail by it. */
  #tellShared({ reason, message }: NodeObservation['network']): void {
    if (reason !== 'PodsShareNodeAddress' || message === this.#toldShared) return;
    this.#toldShared = message;
    this.#record('Normal', reason, message);
  }

  async #patchStatus(signal: AbortSignal): Promise<void> {
    const { client, config } = this.#options;
    const node = this.#node;
    if (!node) return;
    const before = node.status ?? {};
    const { status, events } = await this.#nextStatus(before);
    const labels = missingPlatform(node, wantedLabels(config));
    const changed = statusChanged(before, status) || Object.keys(labels).length > 0;
    const frequencyMs = parseDuration(config.nodeStatusReportFrequency);
    if (!changed && performance.now() - this.#reportedMs < frequencyMs + this.#reportDelayMs) return;
    this.#recordReboot(before, status);
    this.#recordStatusEvents(events);
    // After a change the next report without one is put off at random, so that nodes do not report in step.
    this.#reportDelayMs = changed || this.#reportedMs === -Infinity ? frequencyMs * (Math.random() - 0.5) : 0;
    this.#see(
      await client.patch<Node>(`${this.#path}/status`, 'strategic', statusPatch(before, status, labels), { signal }),
    );
    this.#reportedMs = performance.now();
  }

  /** Takes note of the Node object, unless a newer one is known already. */
  #see(node: Node): void {
    if (isOlder(node, this.#node)) return;
    this.#node = node;
    const unschedulable = node.spec?.unschedulable === true;
    if (unschedulable === this.#unschedulable) return;
    this.#unschedulable = unschedulable;
    this.#recordStatusEvents([unschedulable ? 'NodeNotSchedulable' : 'NodeSchedulable']);
  }

  /** Someone deleted the Node object: it is made anew at once. */
  #forget(node: Node): void {
    if (this.#node?.metadata?.uid !== node.metadata?.uid) return;
    this.#options.logger.warn('the Node object was deleted; it will be registered again', {
      node: node.metadata?.name,
    });
    this.#node = undefined;
    this.#adopted = false;
    const wake = this.#wake;
    this.#wake = new AbortController();
    wake.abort();
  }

  async #sayGoodbye(): Promise<void> {
    this.#shuttingDown = true;
    const signal = AbortSignal.timeout(SHUTDOWN_MS);
    try {
      // Where the end came just as the node was registered, the answer to that was given up and never seen.
      this.#node ??= await this.#options.client.get<Node>(this.#path, { signal });
      await this.#patchStatus(signal);
    } catch (error) {
      if (error instanceof KubeApiError && error.status === 404) return;
      this.#options.logger.warn('the node could not be set to not ready', { error: messageOf(error) });
    }
  }

  #recordReboot(before: NodeStatus, after: NodeStatus): void {
    const [old, now] = [before.nodeInfo?.bootID ?? '', after.nodeInfo?.bootID ?? ''];
    if (old === '' || old === now) return;
    const { nodeName } = this.#options.config;
    this.#record('Warning', 'Rebooted', `Node ${nodeName} has been rebooted, boot id: ${now}`);
  }

  #recordStatusEvents(reasons: readonly EventReason[]): void {
    const { nodeName } = this.#options.config;
    for (const reason of reasons) this.#record('Normal', reason, `Node ${nodeName} status is now: ${reason}`);
  }

  /** The uid is the name, as the kubelet has it: kubectl describe looks for both. */
  #record(type: EventType, reason: EventReason, message: string): void {
    const { nodeName } = this.#options.config;
    const ref = { apiVersion: 'v1', kind: 'Node', name: nodeName, uid: nodeName };
    this.#options.recorder.record(ref, type, reason, message);
  }
}

/** Operating system and architecture are set right whenever someone changed them (pkg/kubelet, updateNode). */
function missingPlatform(node: Node, wanted: Readonly<Record<string, string>>): Record<string, string> {
  const labels = node.metadata?.labels ?? {};
  const names = ['kubernetes.io/os', 'kubernetes.io/arch'];
  return Object.fromEntries(
    names.flatMap((name) => {
      const value = wanted[name];
      return value === undefined || labels[name] === value ? [] : [[name, value]];
    }),
  );
}

/** Resource versions are numbers that grow (KEP-5504). */
function isOlder(node: Node, known: Node | undefined): boolean {
  if (!known || known.metadata?.uid !== node.metadata?.uid) return false;
  return BigInt(node.metadata?.resourceVersion ?? 0) < BigInt(known.metadata?.resourceVersion ?? 0);
}

/** metav1.Time: whole seconds. */
const timestamp = (): string => `${new Date().toISOString().slice(0, 19)}Z`;
