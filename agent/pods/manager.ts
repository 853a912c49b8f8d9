import { setInterval } from 'node:timers/promises';
import { messageOf, WasmletError } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import type { ImageService } from '../../images/service.ts';
import type { RuntimeService } from '../../runtime/service.ts';
import { parseDuration } from '../config/duration.ts';
import type { Config } from '../config/schema.ts';
import { createImagePuller } from '../images/image-puller.ts';
import { createBackoff, sleep } from '../kube/backoff.ts';
import type { KubeClient } from '../kube/client.ts';
import type { ObjectCache } from '../kube/objects.ts';
import { createReflector, type Reflector } from '../kube/reflector.ts';
import type { KubeObject, Node, Pod } from '../kube/types.ts';
import type { AgentMetrics, ProbeMetrics } from '../metrics/agent-metrics.ts';
import type { CountedPod } from '../metrics/pod-metrics.ts';
import type { VolumeManager } from '../volumes/manager.ts';
import { refusalOf, type Refusal } from './admission/admission.ts';
import { KeyedBackoff } from './backoff.ts';
import { forgetPod, removeOrphans, removePod } from './cleanup.ts';
import type { EventRecorder, PodContext } from './context.ts';
import type { EnvironmentMaker } from './environment.ts';
import { runEviction } from './eviction/manager.ts';
import { lookUpLog, type ContainerLog } from './log-lookup.ts';
import { isStaticPod } from './pod-source.ts';
import { createProbeSupervisor } from './probes/supervisor.ts';
import { PodSources } from './sources.ts';
import type { PodIdentity } from './spec.ts';
import { followManifests } from './static/folder.ts';
import { MirrorPods } from './static/mirrors.ts';
import { StatusWriter } from './status-writer.ts';
import { PodWorkers } from './workers.ts';

export type { ContainerLog } from './log-lookup.ts';

export interface PodManagerOptions {
  readonly config: Config;
  readonly client: KubeClient;
  readonly runtime: RuntimeService;
  readonly images: ImageService;
  readonly volumes: VolumeManager;
  readonly environment: EnvironmentMaker;
  readonly objects: ObjectCache;
  readonly recorder: EventRecorder;
  readonly metrics: AgentMetrics;
  readonly probeMetrics: ProbeMetrics;
  readonly node: {
    readonly name: string;
    /** Addresses of the node, the first its primary; pods without an address of their own share them. */
    hostIPs(): readonly string[];
    /** The Node object as last known. */
    get(): Node | undefined;
    /** As it is to be registered: what static pods are admitted by while the API has not been reached. */
    expected?(): Node | undefined;
  };
  readonly logger: Logger;
}

/** All pods of this node, from the watch that brings them to the last status that is sent (the kubelet's sync loop). */
export interface PodManager {
  /** Runs until the signal ends it; the pods go on. */
  run(signal: AbortSignal): Promise<void>;
  /** Resolves once the first list of pods is in and their workers have begun. */
  readonly ready: Promise<void>;
  /** All pods of this node, with their newest status, which may be ahead of the API server's. */
  pods(): readonly Pod[];
  pod(namespace: string, name: string): Pod | undefined;
  /** The pods that there is something to do for, as metrics count them. */
  counted(): readonly CountedPod[];
  /**
   * Where a container's log is.
   * @throws WasmletError NotFound, FailedPrecondition with the kubelet's texts
   */
  containerLogPath(namespace: string, pod: string, container: string, previous: boolean): Promise<ContainerLog>;
  /**
   * Ends all pods as Failed, as the kubelet's graceful node shutdown, and waits until they have ended, their statuses
   * are sent, or the signal ends the wait. run() must go on meanwhile.
   */
  shutdown(signal: AbortSignal): Promise<void>;
}

interface RuntimeClass extends KubeObject {
  handler: string;
}

/** pkg/kubelet: housekeeping; ours asks the runtime and the disk, and events bring all that is urgent. */
const CLEANUP_MS = 60_000;
/** After a connection to the runtime: the kubelet's PLEG looks at all as often. */
const RELIST_MS = 1000;
const INITIAL_RESTART_MS = 10_000;

export function createPodManager(options: PodManagerOptions): PodManager {
  return new Manager(options);
}

class Manager implements PodManager {
  readonly ready: Promise<void>;
  readonly #ready = Promise.withResolvers<undefined>();
  readonly #manifestsRead = Promise.withResolvers<undefined>();
  readonly #options: PodManagerOptions;
  readonly #context: PodContext;
  readonly #workers: PodWorkers;
  readonly #sources: PodSources;
  readonly #pods: Reflector<Pod>;
  readonly #runtimeClasses: Reflector<RuntimeClass>;

  constructor(options: PodManagerOptions) {
    this.#options = options;
    this.ready = this.#ready.promise.then(() => undefined);
    this.ready.catch(() => undefined);
    const { client, node, logger } = options;
    this.#context = this.#makeContext();
    this.#workers = new PodWorkers({
      context: this.#context,
      admit: (pod, otherPods) => this.#admit(pod, otherPods),
      cleanUp: ({ identity }) => this.#cleanUpPod(identity),
      onForgotten: (pod) => this.#sources.onForgotten(pod),
      logger,
    });
    this.#sources = new PodSources(this.#workers, this.#context.mirrors);
    this.#pods = createReflector<Pod>({
      client,
      path: '/api/v1/pods',
      query: { fieldSelector: `spec.nodeName=${node.name}` },
      handler: this.#sources,
      logger,
    });
    this.#runtimeClasses = createReflector<RuntimeClass>({
      client,
      path: '/apis/node.k8s.io/v1/runtimeclasses',
      logger,
    });
  }

  #makeContext(): PodContext {
    const { config, client, runtime, images, recorder, metrics, probeMetrics, logger } = this.#options;
    const mirrors = new MirrorPods({
      client,
      node: () => this.#options.node.get(),
      isExpected: (mirror) => this.#sources.isExpected(mirror),
      onMirror: (staticUid, mirror) => this.#context.status.observeMirror(staticUid, mirror),
      logger,
    });
    return {
      config,
      mirrors,
      runtime,
      recorder,
      metrics,
      logger,
      volumes: this.#options.volumes,
      environment: this.#options.environment,
      objects: this.#options.objects,
      images: createImagePuller({ images, recorder }),
      probes: createProbeSupervisor(runtime, recorder, probeMetrics),
      restartBackoff: new KeyedBackoff(INITIAL_RESTART_MS, parseDuration(config.maxContainerRestartPeriod)),
      hostIPs: () => this.#options.node.hostIPs(),
      ownPorts: () => [this.#options.node.get()?.status?.daemonEndpoints?.kubeletEndpoint?.Port ?? config.port],
      runtimeHandlerOf: (pod) => this.#runtimeHandlerOf(pod),
      status: new StatusWriter({
        client,
        mayHaveRunningContainers: (uid) => this.#workers.get(uid)?.mayHaveRunningContainers ?? false,
        mirrorOf: (pod) => mirrors.of(pod),
        logger,
      }),
    };
  }

  async run(signal: AbortSignal): Promise<void> {
    const reflectors = Promise.all([this.#pods.run(signal), this.#runtimeClasses.run(signal)]);
    this.#workers.begin(signal);
    try {
      // Static pods run also while there is no API server.
      await Promise.all([
        this.#followManifests(signal),
        this.#followRuntime(signal),
        this.#evict(signal),
        this.#runApiPods(signal),
      ]);
    } catch (error) {
      if (!signal.aborted) throw error;
    } finally {
      this.#ready.reject(new WasmletError('Cancelled', 'the pod manager ended before it was ready'));
      await reflectors;
      await this.#workers.stopped();
      await this.#context.mirrors.stop();
      this.#context.status.stop();
    }
  }

  async #runApiPods(signal: AbortSignal): Promise<void> {
    await Promise.all([this.#pods.synced, this.#runtimeClasses.synced]);
    this.#workers.start(signal);
    this.#ready.resolve(undefined);
    // Until all sources have told their pods, nothing is known to be left over.
    if (await settledBefore(this.#manifestsRead.promise, signal)) await this.#cleanUp(signal);
  }

  /** Brings the static pods, and says when they have been read once. */
  async #followManifests(signal: AbortSignal): Promise<void> {
    const { config, logger } = this.#options;
    const onPods = (pods: readonly Pod[]): void => {
      this.#sources.setStatic(pods);
      this.#manifestsRead.resolve(undefined);
    };
    if (config.staticPodPath === '') {
      onPods([]);
      return;
    }
    const checkMs = parseDuration(config.fileCheckFrequency);
    await followManifests({ path: config.staticPodPath, nodeName: config.nodeName, checkMs, onPods, logger }, signal);
  }

  pods(): readonly Pod[] {
    return this.#workers.list().map(({ pod }) => this.#withStatus(pod));
  }

  pod(namespace: string, name: string): Pod | undefined {
    const worker = this.#workers.find(namespace, name);
    return worker && this.#withStatus(worker.pod);
  }

  counted(): readonly CountedPod[] {
    return this.#workers.list().map(({ pod, state, isActive, isRemoved }) => ({
      isStatic: isStaticPod(pod),
      isActive,
      isDesired: !isRemoved,
      // What is finished here waits for the API server alone.
      lifecycle: state === 'finished' ? 'terminated' : state,
    }));
  }

  async containerLogPath(
    namespace: string,
    podName: string,
    container: string,
    previous: boolean,
  ): Promise<ContainerLog> {
    const pod = this.pod(namespace, podName);
    if (!pod) throw new WasmletError('NotFound', `pod "${podName}" cannot be found - no logs available`);
    return lookUpLog(this.#options.runtime, pod.status ?? {}, { pod: podName, container, previous });
  }

  async shutdown(signal: AbortSignal): Promise<void> {
    const message = 'Pod was terminated in response to imminent node shutdown.';
    const why = { reason: 'Terminated', message, isDisruption: true };
    const seconds = Math.floor(parseDuration(this.#options.config.shutdownGracePeriod) / 1000);
    for (const worker of this.#workers.list()) worker.evict(why, seconds);
    while (!signal.aborted && this.#workers.list().some(({ mayHaveRunningContainers }) => mayHaveRunningContainers)) {
      await sleep(50, signal);
    }
    await this.#context.status.drain(signal);
  }

  #withStatus(pod: Pod): Pod {
    const status = this.#context.status.get(pod.metadata?.uid ?? '');
    return status ? { ...pod, status: { ...pod.status, ...status } } : pod;
  }

  #admit(pod: Pod, otherPods: readonly Pod[]): Refusal | 'admitted' | 'later' {
    const node = this.#options.node.get() ?? (isStaticPod(pod) ? this.#options.node.expected?.() : undefined);
    if (!node) return 'later';
    let runtimeHandler = '';
    try {
      runtimeHandler = this.#runtimeHandlerOf(pod);
    } catch {
      // The class is not there yet, or no more; making the sandbox will say so, again and again.
    }
    const { config } = this.#options;
    return refusalOf({ pod, node, otherPods, runtimeHandler, config }) ?? 'admitted';
  }

  /** What ran of a static pod whose manifest has come back is its past, as the kubelet shows it. */
  async #cleanUpPod(identity: PodIdentity): Promise<void> {
    if (this.#sources.isWanted(identity.uid)) forgetPod(this.#context, identity);
    else await removePod(this.#context, identity);
  }

  #runtimeHandlerOf(pod: Pod): string {
    const name = pod.spec?.runtimeClassName ?? '';
    if (name === '') return '';
    const runtimeClass = this.#runtimeClasses.get(name);
    if (!runtimeClass) throw new WasmletError('NotFound', `RuntimeClass "${name}" not found`);
    return runtimeClass.handler;
  }

  /** Wakes the worker of each pod of which the runtime has news (the kubelet's PLEG). */
  async #followRuntime(signal: AbortSignal): Promise<void> {
    const backoff = createBackoff({ initialMs: 100, maxMs: 5000, resetMs: 30_000 });
    do {
      try {
        const events = this.#options.runtime.containerEvents(signal);
        // What happened while nobody listened is found by looking at all, once the listening has begun.
        void sleep(RELIST_MS, signal).then(() => this.#workers.wakeAll());
        for await (const { type, podSandboxMetadata } of events) {
          // What is created and started is our own doing.
          const isNews = type === 'CONTAINER_STOPPED_EVENT' || type === 'CONTAINER_DELETED_EVENT';
          if (isNews) this.#workers.get(podSandboxMetadata.uid)?.wake();
        }
      } catch (error) {
        if (signal.aborted) return;
        this.#options.logger.warn('events of the runtime were lost, will listen again', { error: messageOf(error) });
      }
    } while (await backoff.wait(signal));
  }

  async #evict(signal: AbortSignal): Promise<void> {
    const { config, runtime, recorder, metrics, logger } = this.#options;
    await runEviction({ config, runtime, recorder, metrics, logger, pods: () => this.#workers.list() }, signal);
  }

  async #cleanUp(signal: AbortSignal): Promise<void> {
    const once = async (): Promise<void> => {
      try {
        await removeOrphans(this.#context, (uid) => this.#workers.get(uid) !== undefined);
        this.#context.restartBackoff.collect();
      } catch (error) {
        this.#options.logger.warn('cleaning up failed, will try again', { error: messageOf(error) });
      }
    };
    await once();
    for await (const _ of setInterval(CLEANUP_MS, undefined, { signal })) await once();
  }
}

/** Waits for something that has no end of its own. @returns whether it came before the signal */
async function settledBefore(awaited: Promise<unknown>, signal: AbortSignal): Promise<boolean> {
  const { promise: ended, resolve } = Promise.withResolvers<undefined>();
  const end = (): void => resolve(undefined);
  signal.addEventListener('abort', end, { once: true });
  if (!signal.aborted) await Promise.race([awaited, ended]);
  signal.removeEventListener('abort', end);
  return !signal.aborted;
}
