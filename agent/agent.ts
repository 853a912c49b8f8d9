import { mkdir } from 'node:fs/promises';
import { hasCode } from '../base/errors.ts';
import { lockFolder } from '../base/lock.ts';
import type { Logger } from '../base/log.ts';
import { connectRuntime } from '../runtime/service.ts';
import { parseDuration } from './config/duration.ts';
import type { Config } from './config/schema.ts';
import { createEventRecorder } from './kube/events.ts';
import { createKubeClient, type RequestAnswer } from './kube/http-client.ts';
import { certificateAuthorityOf, loadKubeConfig } from './kube/kubeconfig.ts';
import { createObjectCache, type RefreshableObjectCache } from './kube/object-cache.ts';
import { createReflector, type Reflector } from './kube/reflector.ts';
import type { Service } from './kube/types.ts';
import { createAgentMetrics, createProbeMetrics, type AgentMetrics } from './metrics/agent-metrics.ts';
import { createMetricsEndpoints } from './metrics/endpoints.ts';
import { measuredImages, measuredRuntime } from './metrics/measured.ts';
import { nodeAddresses } from './node/addresses.ts';
import { obtainIdentity } from './node/identity.ts';
import { openNodeImages } from './node-images.ts';
import { createNodeManager, type NodeManager } from './node/manager.ts';
import { createEnvironmentMaker } from './pods/environment-maker.ts';
import { createPodManager, type PodManager } from './pods/manager.ts';
import { podReference } from './pods/spec.ts';
import { createNodeServer, type NodeServer } from './server/index.ts';
import { hostingOptions } from './hosting-options.ts';
import { createStatsProvider } from './stats/provider.ts';
import { createVolumeManager } from './volumes/index.ts';
import type { VolumeManager } from './volumes/manager.ts';

export interface AgentOptions {
  readonly logger: Logger;
  /** Ends the agent; what becomes of the pods is config.podsOnShutdown. */
  readonly signal: AbortSignal;
}

/** The parts that run until the agent ends. */
interface Parts {
  readonly node: NodeManager;
  readonly pods: PodManager;
  readonly services: Reflector<Service>;
  readonly server: NodeServer;
}

/** EventSource of all events, and what kubectl describe shows under From: users look for the kubelet's. */
const COMPONENT = 'kubelet';

/**
 * Runs the node agent until the signal ends it: the composition root, where every part gets what it works with.
 * @throws WasmletError InvalidConfig; whatever a part fails with that it cannot go on from
 */
export async function runAgent(config: Config, { logger, signal }: AgentOptions): Promise<void> {
  try {
    await mkdir(config.rootDir, { recursive: true });
    await using _lock = await lockFolder(config.rootDir, 'agent');
    const kubeconfigFile = await obtainIdentity(config, logger, signal);
    // What is made last ends first.
    await using stack = new AsyncDisposableStack();
    await run(await assemble(config, kubeconfigFile, stack, logger), config, signal);
  } catch (error) {
    if (!signal.aborted || !hasCode(error, 'Cancelled')) throw error;
  }
}

async function assemble(
  config: Config,
  kubeconfigFile: string,
  stack: AsyncDisposableStack,
  logger: Logger,
): Promise<Parts> {
  const [metrics, probeMetrics] = [createAgentMetrics(), createProbeMetrics()];
  const onAnswer = (answer: RequestAnswer) => countAnswer(metrics, answer);
  const client = stack.use(
    createKubeClient({ kubeconfigFile, qps: config.kubeAPIQPS, burst: config.kubeAPIBurst, onAnswer, logger }),
  );
  // Heartbeats have a client of their own without a limit, as in the kubelet: they may not queue behind pods.
  const timeoutMs = Math.max(1000, parseDuration(config.nodeStatusUpdateFrequency));
  const heartbeats = stack.use(
    createKubeClient({
      kubeconfigFile,
      qps: Infinity,
      burst: 1,
      timeoutMs,
      onAnswer,
      logger: logger.child({ part: 'node' }),
    }),
  );
  const recorder = stack.use(createEventRecorder(client, { component: COMPONENT, host: config.nodeName, logger }));
  const runtime = measuredRuntime(stack.use(await connectRuntime(hostingOptions(config, logger))), metrics);
  const images = measuredImages(stack.use(await openNodeImages(config, logger)), metrics);
  // The node and the server know each other: the one's port is in the other's status.
  const node = createNodeManager({
    config,
    client: heartbeats,
    recorder,
    runtimeStatus: () => runtime.status(),
    images: () => images.listImages(),
    serverPort: () => server.port,
    logger: logger.child({ part: 'node' }),
  });
  const allocatable = () => (node.node ?? node.expectedNode)?.status?.allocatable ?? {};
  const objects = createObjectCache(client);
  const services = createReflector<Service>({ client, path: '/api/v1/services', logger });
  const pods = createPodManager({
    config,
    client,
    runtime,
    images,
    objects,
    recorder,
    metrics,
    probeMetrics,
    volumes: withFreshObjects(
      createVolumeManager({
        rootDir: config.rootDir,
        client,
        objects,
        node: { allocatable },
        logger: logger.child({ part: 'volumes' }),
        onRefreshFailed: (pod, message) => recorder.record(podReference(pod), 'Warning', 'FailedMount', message),
      }),
      objects,
    ),
    environment: createEnvironmentMaker({
      objects,
      services,
      masterServiceNamespace: 'default',
      node: { allocatable },
    }),
    node: {
      name: config.nodeName,
      hostIPs: () => node.hostIPs,
      get: () => node.node,
      expected: () => node.expectedNode,
    },
    logger: logger.child({ part: 'pods' }),
  });
  const serverLogger = logger.child({ part: 'server' });
  const endpoints = createMetricsEndpoints({
    nodeName: config.nodeName,
    rootDir: config.rootDir,
    metrics,
    probeMetrics,
    stats: createStatsProvider({ config, runtime, images, pods: () => pods.pods(), logger: serverLogger }),
    pods: () => pods.counted(),
    logger: serverLogger,
  });
  const server = stack.use(
    createNodeServer({
      config,
      client,
      clusterCA: () => certificateAuthorityOf(loadKubeConfig(kubeconfigFile).cluster),
      pods,
      metrics,
      endpoints,
      node: { name: config.nodeName, addresses: await nodeAddresses({ ...config, server: client.server }) },
      logger: serverLogger,
    }),
  );
  return { node, pods, services, server };
}

/** As client-go counts; '<error>' is its word for no answer. */
function countAnswer(metrics: AgentMetrics, { method, host, status, seconds }: RequestAnswer): void {
  metrics.restClientRequests.inc({ code: status === undefined ? '<error>' : String(status), method, host });
  metrics.restClientRequestDuration.observe({ verb: method, host }, seconds);
}

/** Starts the parts, and ends them in this order: the node says that it goes, then the pods if so configured, the rest. */
async function run({ node, pods, services, server }: Parts, config: Config, signal: AbortSignal): Promise<void> {
  const failed = new AbortController();
  const background = new AbortController();
  const guard = async (part: Promise<void>) => {
    try {
      await part;
    } catch (error) {
      // One part that cannot go on ends the agent: whoever supervises it starts it anew.
      failed.abort(error);
      throw error;
    }
  };
  await server.listen(background.signal);
  const tasks = Promise.allSettled([guard(services.run(background.signal)), guard(pods.run(background.signal))]);
  try {
    await node.run(AbortSignal.any([signal, failed.signal]));
    if (config.podsOnShutdown === 'end' && !failed.signal.aborted) {
      await pods.shutdown(AbortSignal.timeout(parseDuration(config.shutdownGracePeriod)));
    }
  } finally {
    background.abort();
    await tasks;
  }
  if (failed.signal.aborted) throw failed.signal.reason;
}

/**
 * Has a pod that is new to this agent, or that somebody has changed, see ConfigMaps and Secrets that are no older than
 * that: what is cached of its namespace is read again (pkg/kubelet/util/manager: a reference that is added makes the next
 * read a fresh one; the kubelet's watches have them fresh at each sync of a pod, which a change of the pod brings about).
 */
function withFreshObjects(volumes: VolumeManager, objects: RefreshableObjectCache): VolumeManager {
  const known = new Map<string, string>();
  return {
    mountPod: (pod, signal) => {
      const { uid = '', namespace = '', generation, labels, annotations } = pod.metadata ?? {};
      const version = JSON.stringify([generation, labels, annotations]);
      if (known.get(uid) !== version) objects.invalidate(namespace);
      known.set(uid, version);
      return volumes.mountPod(pod, signal);
    },
    containerMounts: (pod, container, env) => volumes.containerMounts(pod, container, env),
    unmountPod: (podUid, namespace) => {
      known.delete(podUid);
      return volumes.unmountPod(podUid, namespace);
    },
    listPodsOnDisk: () => volumes.listPodsOnDisk(),
  };
}
