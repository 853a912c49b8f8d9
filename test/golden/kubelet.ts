/**
 * Kubernetes' own kubelet as a fixture: the oracle that our agent is held against. Its binary (test/golden/go) decides
 * everything that a pod's life shows and leaves the machine alone; it drives any CRI endpoint, ours among them.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { stringify } from 'yaml';
import type { ClusterAccess } from '../cluster/access.ts';
import type { Node } from '../../agent/kube/types.ts';
import { createApi } from '../support/api.ts';
import { freePort } from '../support/ports.ts';
import { startServer } from '../support/server-process.ts';
import { buildTools } from '../support/tools.ts';

export interface KubeletOptions {
  readonly nodeName: string;
  readonly cluster: ClusterAccess;
  /** Path of the socket of a CRI runtime and image service. */
  readonly criSocket: string;
  /** A folder for all that the kubelet writes; unix sockets are made in it, so its path must be short. */
  readonly folder: string;
  readonly nodeLabels?: Readonly<Record<string, string>>;
  /** Fields of KubeletConfiguration (kubelet.config.k8s.io/v1beta1) beyond what the fixture sets, or instead of it. */
  readonly config?: Readonly<Record<string, unknown>>;
  /** To be added to its environment: a scratch's mark, for one. */
  readonly env?: Readonly<Record<string, string>>;
}

/** A running kubelet whose node is Ready. Disposed, its process is gone, and its Node with it; its files stay. */
export interface Kubelet extends AsyncDisposable {
  readonly nodeName: string;
  /** Of its HTTPS API on 127.0.0.1. */
  readonly port: number;
  readonly pid: number;
  /** What it printed. */
  readonly logFile: string;
  /** Folder of the manifests of static pods. */
  readonly staticPodPath: string;
  readonly rootDir: string;
  readonly podLogsDir: string;
  /** In the place of /var/log/containers. */
  readonly containerLogsDir: string;
}

const READY_MS = 120_000;
const STRATEGIC_MERGE_PATCH = 'application/strategic-merge-patch+json';
const JSON_PATCH = 'application/json-patch+json';
/** What a kubelet of a cluster with a cloud puts on its node until the cloud has looked at it. */
const UNINITIALIZED = 'node.cloudprovider.kubernetes.io/uninitialized';

/**
 * Starts a kubelet as system:node:NAME and waits until its node is Ready.
 * @throws WasmletError FailedPrecondition without Go; Unavailable, with the tail of its log, when it does not get Ready
 */
export async function startKubelet(options: KubeletOptions): Promise<Kubelet> {
  const { nodeName, cluster, folder } = options;
  const { kubelet: command } = await buildTools(['kubelet']);
  const paths = {
    rootDir: join(folder, 'root'),
    podLogsDir: join(folder, 'log/pods'),
    containerLogsDir: join(folder, 'log/containers'),
    staticPodPath: join(folder, 'manifests'),
  };
  await Promise.all(Object.values(paths).map((path) => mkdir(path, { recursive: true })));
  const port = await freePort();
  const config = join(folder, 'kubelet.yaml');
  await writeFile(config, stringify({ ...kubeletConfiguration(options, paths, port), ...options.config }));
  const logFile = join(folder, 'kubelet.log');
  await using stack = new AsyncDisposableStack();
  const api = await createApi(cluster.kubeconfig);
  const nodePath = `/api/v1/nodes/${nodeName}`;
  stack.defer(async () => {
    await api.request('DELETE', nodePath);
  });
  const server = stack.use(
    await startServer({
      name: 'kubelet',
      command,
      args: [
        `--config=${config}`,
        `--kubeconfig=${await cluster.nodeKubeconfig(nodeName)}`,
        `--hostname-override=${nodeName}`,
        `--root-dir=${paths.rootDir}`,
        `--cert-dir=${join(folder, 'pki')}`,
        `--container-logs-dir=${paths.containerLogsDir}`,
        `--node-labels=${labels(options.nodeLabels)}`,
        // A kubelet takes no loopback address for its node, but leaves a node's addresses to the cloud where there is one.
        '--cloud-provider=external',
      ],
      // Registry credentials of whoever runs the tests are none of its.
      env: { ...process.env, HOME: folder, ...options.env },
      logFile,
    }),
  );
  const node = async () => {
    const { status, body } = await api.request<Node>('GET', nodePath);
    return status === 200 ? body : undefined;
  };
  await server.untilReady(async () => (await node()) !== undefined, READY_MS);
  await initializeNode(api, nodePath, nodeName);
  await server.untilReady(async () => isReady(await node()), READY_MS);
  const owned = stack.move();
  return { nodeName, port, pid: server.pid, logFile, ...paths, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

function labels(nodeLabels: KubeletOptions['nodeLabels'] = {}): string {
  return Object.entries(nodeLabels)
    .map(([key, value]) => `${key}=${value}`)
    .join(',');
}

const isReady = (node: Node | undefined): boolean =>
  node?.status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') ?? false;

/** A kubelet's defaults but for where it writes, what it would do to the machine, and evictions for want of disk. */
function kubeletConfiguration(
  { cluster, criSocket, folder }: KubeletOptions,
  { staticPodPath, podLogsDir }: Pick<Kubelet, 'staticPodPath' | 'podLogsDir'>,
  port: number,
): object {
  return {
    apiVersion: 'kubelet.config.k8s.io/v1beta1',
    kind: 'KubeletConfiguration',
    address: '127.0.0.1',
    port,
    healthzPort: 0,
    authentication: {
      anonymous: { enabled: false },
      webhook: { enabled: true },
      x509: { clientCAFile: cluster.caFile },
    },
    authorization: { mode: 'Webhook' },
    containerRuntimeEndpoint: `unix://${criSocket}`,
    staticPodPath,
    podLogsDir,
    volumePluginDir: join(folder, 'volume-plugins'),
    cgroupsPerQOS: false,
    enforceNodeAllocatable: [],
    failCgroupV1: false,
    failSwapOn: false,
    makeIPTablesUtilChains: false,
    evictionHard: {},
    imageGCHighThresholdPercent: 100,
    logging: { verbosity: 2 },
  };
}

/** What a cloud's controller does: gives the node its address and lets pods on it. */
async function initializeNode(
  api: Awaited<ReturnType<typeof createApi>>,
  nodePath: string,
  nodeName: string,
): Promise<void> {
  const addresses = [
    { type: 'InternalIP', address: '127.0.0.1' },
    { type: 'Hostname', address: nodeName },
  ];
  await api.request('PATCH', `${nodePath}/status`, { status: { addresses } }, STRATEGIC_MERGE_PATCH);
  for (;;) {
    const { body } = await api.request<Node>('GET', nodePath);
    const taints = body.spec?.taints ?? [];
    const index = taints.findIndex(({ key }) => key === UNINITIALIZED);
    if (index < 0) return;
    const path = `/spec/taints/${index}`;
    // Between reading and writing the controller manager may change the taints: then once more.
    const patch = [
      { op: 'test', path: `${path}/key`, value: UNINITIALIZED },
      { op: 'remove', path },
    ];
    await api.request('PATCH', nodePath, patch, JSON_PATCH);
  }
}
