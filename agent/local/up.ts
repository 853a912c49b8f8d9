import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { WasmletError } from '../../base/errors.ts';
import { silentLogger, type Logger } from '../../base/log.ts';
import { runAgent } from '../agent.ts';
import { withRuntime } from '../commands/node-runtime.ts';
import { loadConfig } from '../config/load.ts';
import type { Config } from '../config/schema.ts';
import { createKubeClient } from '../kube/http-client.ts';
import type { Node } from '../kube/types.ts';
import { nodeFolderOf } from './folders.ts';
import { startLocalApi } from './index.ts';
import { startWebPage } from './web/index.ts';

/** `wasmlet up`: a small Kubernetes API server and its one node, in this process. */

export interface UpOptions {
  /** Folder of all state. */
  readonly root: string;
  /** Of the API server; 0: any that is free. */
  readonly port: number;
  readonly nodeName: string;
  /** Whether pods go on running when this ends; the next start takes them over. */
  readonly leavePods: boolean;
  /** Of further options of the agent. */
  readonly configFile?: string | undefined;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly logger: Logger;
  readonly signal: AbortSignal;
  /** The page for browsers: its port (0: any that is free; undefined: the usual one, if that is free), or none. */
  readonly web?: { readonly port: number | undefined } | undefined;
  /** Called once the node is Ready. `link` leads to the page. */
  readonly onReady: (running: {
    readonly kubeconfig: string;
    readonly url: string;
    readonly link: string | undefined;
  }) => void;
}

/**
 * Runs until the signal ends it.
 * @throws WasmletError of the API server's start, of the agent, InvalidConfig
 */
export async function runLocal(options: UpOptions): Promise<void> {
  const { root, port, nodeName, logger, signal, onReady, web } = options;
  await using api = await startLocalApi({
    root: join(root, 'api'),
    port,
    nodeName,
    logger: logger.child({ part: 'api' }),
  });
  const config = nodeConfig(options, api.nodeKubeconfig);
  await using page =
    web === undefined
      ? undefined
      : await startWebPage({
          port: web.port,
          root,
          kubeconfig: api.kubeconfig,
          nodeName,
          stats: () => withRuntime(config, (runtime) => runtime.listContainerStats()),
          logger: logger.child({ part: 'web' }),
        });
  const ended = new AbortController();
  const running = AbortSignal.any([signal, ended.signal]);
  const ready = untilReady(api.kubeconfig, nodeName, running).then((isReady) => {
    if (isReady) onReady({ ...api, link: page?.link });
  });
  try {
    await Promise.all([runAgent(config, { logger, signal }).finally(() => ended.abort()), ready]);
  } finally {
    ended.abort();
  }
}

/** A control group for each folder: nodes of one machine must not tidy up one another's pods. */
export const cgroupRootOf = (root: string): string =>
  `/wasmlet-local-${createHash('sha256').update(root).digest('hex').slice(0, 8)}`;

/** The agent's configuration: as on any node, but on loopback and with everything in one folder. */
function nodeConfig({ root, nodeName, leavePods, configFile, env }: UpOptions, kubeconfig: string): Config {
  const isRoot = process.getuid?.() === 0;
  return loadConfig({
    flags: {
      'node-name': nodeName,
      'root-dir': nodeFolderOf(root),
      'pod-logs-dir': join(root, 'log/pods'),
      'container-logs-dir': join(root, 'log/containers'),
      kubeconfig,
      address: '127.0.0.1',
      port: '0',
      'node-ip': '127.0.0.1',
      // There is no other node, so pods need not say that this one will do.
      'register-with-taints': '',
      'pods-on-shutdown': leavePods ? 'leave' : 'end',
      'cgroup-root': isRoot ? cgroupRootOf(root) : '',
    },
    file: configFile,
    env,
  });
}

/**
 * Waits for a heartbeat of the node that says that it is Ready: what an earlier process said last, which may have been
 * killed, is there too.
 * @returns whether it came before the signal
 */
async function untilReady(kubeconfigFile: string, nodeName: string, signal: AbortSignal): Promise<boolean> {
  // Kubernetes' times are of whole seconds.
  const started = Math.floor(Date.now() / 1000) * 1000;
  const saysReady = ({ status }: Node) =>
    status?.conditions?.some(
      ({ type, status: is, lastHeartbeatTime }) =>
        type === 'Ready' && is === 'True' && Date.parse(lastHeartbeatTime ?? '') >= started,
    ) === true;
  await using client = createKubeClient({ kubeconfigFile, qps: 50, burst: 100, logger: silentLogger });
  try {
    // Without a version a watch begins with what there is.
    for await (const { object } of client.watch<Node>('/api/v1/nodes', '0', { signal })) {
      if (object.metadata?.name === nodeName && saysReady(object)) return true;
    }
  } catch (error) {
    if (!signal.aborted) throw error;
    return false;
  }
  if (signal.aborted) return false;
  throw new WasmletError('Unavailable', 'the watch for the node ended before it was Ready');
}
