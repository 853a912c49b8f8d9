import { access, mkdir } from 'node:fs/promises';
import { Agent, request } from 'node:https';
import { join } from 'node:path';
import { messageOf } from '../../base/errors.ts';
import { freePort } from '../support/ports.ts';
import type { ServerProcess } from '../support/server-process.ts';
import { startServer } from '../support/server-process.ts';
import type { Report } from '../support/progress.ts';
import { buildTools } from '../support/tools.ts';
import type { Scratch } from '../support/watchdog.ts';
import { createScratch } from '../support/watchdog.ts';
import type { ClusterAccess, ClusterFacts } from './access.ts';
import { accessCluster, applyManifests, clusterRoleBinding, existingClusterFacts } from './access.ts';
import type { ClusterFiles, ComponentOptions } from './components.ts';
import {
  apiServerArgs,
  controllerManagerArgs,
  etcdArgs,
  KUBELET_CLIENT_USER,
  schedulerArgs,
  writeClusterFiles,
} from './components.ts';
import type { Restartable } from './restartable.ts';
import { restartable } from './restartable.ts';

export interface ClusterOptions {
  /** Writes an audit log (Metadata level); its path is in facts.auditLog. */
  readonly auditLog?: boolean;
  /** Feature gates of the API server, the controller manager and the scheduler. */
  readonly featureGates?: Readonly<Record<string, boolean>>;
  /** More flags for the API server. */
  readonly apiServerArgs?: readonly string[];
  /** Gets a line for each step; without it, only builds of tools are reported, on stderr. */
  readonly report?: Report;
  /** Gives the build of the tools up; what comes after it takes seconds. */
  readonly signal?: AbortSignal;
}

/** A control plane of our own, or an existing one; dispose it and its processes and files are gone. */
export interface Cluster extends ClusterAccess, AsyncDisposable {}

/** A control plane of our own. */
export interface OwnCluster extends Cluster {
  /**
   * For tests of outages. Its `start` resolves when it is ready, with the data and on the port of before, and the
   * controllers have been started anew: they would wait for up to a minute before they come back to it.
   */
  readonly apiServer: Restartable;
}

const START_TIMEOUT_MS = 60_000;
const PORT_ATTEMPTS = 3;

/**
 * Starts a real control plane on loopback: etcd, API server (RBAC, Node authorizer, NodeRestriction), controller
 * manager (with signing and approval of nodes' certificates) and scheduler. Ready when a pod can be created.
 * @throws WasmletError FailedPrecondition without Go; Unavailable, with the tail of its log, when a part does not start
 */
export async function startCluster(options: ClusterOptions = {}): Promise<OwnCluster> {
  const tools = await buildTools(
    ['etcd', 'kubeApiserver', 'kubeControllerManager', 'kubeScheduler', 'kubectl'],
    options,
  );
  await using stack = new AsyncDisposableStack();
  const scratch = stack.use(await createScratch('wasmlet-cluster-'));
  const component: ComponentOptions = {
    auditLog: options.auditLog ?? false,
    featureGates: options.featureGates ?? {},
    apiServerArgs: options.apiServerArgs ?? [],
  };
  options.report?.('starting etcd and the API server');
  const { files, apiServer } = await startApi(stack, scratch, tools, component);
  options.report?.(`the API server is ready at ${files.server}; starting the controller manager and the scheduler`);
  const components: readonly ComponentProcess[] = [
    {
      name: 'kube-controller-manager',
      command: tools.kubeControllerManager,
      args: controllerManagerArgs(files, component),
    },
    { name: 'kube-scheduler', command: tools.kubeScheduler, args: schedulerArgs(files, component) },
  ];
  const controllers = await Promise.all(
    components.map(async (component) => {
      const first = await launch(scratch, component);
      return { first, controller: stack.use(restartable(first, () => launch(scratch, component))) };
    }),
  );
  const facts: ClusterFacts = {
    server: files.server,
    kubeconfig: files.file('admin.kubeconfig'),
    kubectlPath: tools.kubectl,
    caFile: files.file('ca.crt'),
    caKeyFile: files.file('ca.key'),
    folder: scratch.folder,
    ...(files.auditLog === undefined ? {} : { auditLog: files.auditLog }),
  };
  const cluster = accessCluster(facts);
  await Promise.race([untilUsable(cluster), ...controllers.map(({ first }) => failWhenEnded(first))]);
  const owned = stack.move();
  const restarted: Restartable = {
    ...apiServer,
    start: async () => {
      await apiServer.start();
      await Promise.all(
        controllers.map(async ({ controller }) => {
          await controller.kill();
          await controller.start();
        }),
      );
    },
  };
  return Object.assign(cluster, { apiServer: restarted, [Symbol.asyncDispose]: () => owned.disposeAsync() });
}

/**
 * Uses an existing cluster by an administrator's kubeconfig.
 * @param kubectlPath a kubectl binary
 */
export async function useExistingCluster(kubeconfig: string, kubectlPath: string): Promise<Cluster> {
  await using stack = new AsyncDisposableStack();
  const scratch = stack.use(await createScratch('wasmlet-existing-'));
  const cluster = accessCluster(await existingClusterFacts(kubeconfig, kubectlPath, scratch.folder));
  const owned = stack.move();
  return Object.assign(cluster, { [Symbol.asyncDispose]: () => owned.disposeAsync() });
}

interface ComponentProcess {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
}

async function startComponent(
  stack: AsyncDisposableStack,
  scratch: Scratch,
  component: ComponentProcess,
): Promise<ServerProcess> {
  return stack.use(await launch(scratch, component));
}

function launch(scratch: Scratch, component: ComponentProcess): Promise<ServerProcess> {
  const logFile = join(scratch.folder, `${component.name}.log`);
  return startServer({ ...component, env: { ...process.env, ...scratch.env }, logFile });
}

/** etcd and the API server, on a port that was free a moment ago: on another one if it was taken meanwhile. */
async function startApi(
  stack: AsyncDisposableStack,
  scratch: Scratch,
  tools: { etcd: string; kubeApiserver: string },
  options: ComponentOptions,
): Promise<{ files: ClusterFiles; apiServer: Restartable }> {
  for (let attempt = 1; ; attempt += 1) {
    await using started = new AsyncDisposableStack();
    const folder = join(scratch.folder, `a${attempt}`);
    await mkdir(folder, { mode: 0o700 });
    const files = await writeClusterFiles(folder, await freePort(), options.auditLog);
    const etcd = await startComponent(started, scratch, { name: 'etcd', command: tools.etcd, args: etcdArgs(files) });
    await etcd.untilReady(() => exists(files.file('etcd.sock')), START_TIMEOUT_MS);
    const startApiServer = async () => {
      const args = apiServerArgs(files, options);
      const api = await launch(scratch, { name: 'kube-apiserver', command: tools.kubeApiserver, args });
      try {
        await api.untilReady(() => isReady(files), START_TIMEOUT_MS);
        return api;
      } catch (error) {
        await api[Symbol.asyncDispose]();
        throw error;
      }
    };
    try {
      const apiServer = started.use(restartable(await startApiServer(), startApiServer));
      stack.use(started.move());
      return { files, apiServer };
    } catch (error) {
      if (attempt < PORT_ATTEMPTS && messageOf(error).includes('address already in use')) continue;
      throw error;
    }
  }
}

/** Rejects when a server ends; never resolves. Its end after that is nobody's concern. */
function failWhenEnded(server: ServerProcess): Promise<never> {
  const failed = server.ended.then((how) =>
    server
      .untilReady(() => Promise.resolve(false), 0)
      .catch((cause: unknown) => {
        throw new Error(`${server.name} ended while starting (${how})`, { cause });
      }),
  ) as Promise<never>;
  failed.catch(() => undefined);
  return failed;
}

/** What a new cluster lacks before pods can be created and their logs be read. */
async function untilUsable({ kubectl }: ClusterAccess): Promise<void> {
  const user = (name: string) => ({ apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name });
  const group = (name: string) => ({ apiGroup: 'rbac.authorization.k8s.io', kind: 'Group', name });
  await Promise.all([
    applyManifests(kubectl, [
      clusterRoleBinding('kubelet-api-admin', 'system:kubelet-api-admin', user(KUBELET_CLIENT_USER)),
      // As kubeadm does: a node renews its own certificate.
      clusterRoleBinding(
        'node-autoapprove-certificate-rotation',
        'system:certificates.k8s.io:certificatesigningrequests:selfnodeclient',
        group('system:nodes'),
      ),
    ]),
    kubectl.ok(['wait', '--for=create', 'serviceaccount/default', '-n', 'default', '--timeout=60s']),
  ]);
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

/** One GET of /readyz; anonymous, as Kubernetes' own role system:public-info-viewer allows. */
async function isReady({ server, authority }: ClusterFiles): Promise<boolean> {
  const agent = new Agent({ keepAlive: false });
  return await new Promise((resolve) => {
    const signal = AbortSignal.timeout(2000);
    request(`${server}/readyz`, { ca: authority.certificate, agent, signal }, (response) => {
      response.resume();
      resolve(response.statusCode === 200);
    })
      .on('error', () => resolve(false))
      .end();
  });
}
