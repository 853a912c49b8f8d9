import { createLogger } from '../../base/log.ts';
import { WasmletError } from '../../base/errors.ts';
import { parseDuration } from '../config/duration.ts';
import { createKubeClient } from '../kube/http-client.ts';
import { inClusterConfig, loadKubeConfig } from '../kube/kubeconfig.ts';
import { awaitNodes, drainNodes, removeNodes } from '../node/departure.ts';
import { endOnSignals } from './signals.ts';

export interface NodesOptions {
  readonly selector: string;
  /** Names, separated by commas. */
  readonly except: string;
  readonly timeout: string;
  /** Of `ready`. */
  readonly count: number;
  readonly kubeconfig?: string;
}

const ACTIONS = {
  ready: { run: awaitNodes, done: 'nodes are Ready' },
  drain: { run: drainNodes, done: 'nodes are drained' },
  remove: { run: removeNodes, done: 'nodes are removed' },
} as const;
export type NodesAction = keyof typeof ACTIONS;

/** `wasmlet nodes ready|drain|remove`. It acts as an administrator, not as a node. */
export async function nodesCommand(action: NodesAction, options: NodesOptions): Promise<void> {
  const logger = createLogger({ level: 'info', format: process.stderr.isTTY ? 'human' : 'json' });
  const file = options.kubeconfig ?? process.env['KUBECONFIG'];
  const kubeConfig = file ? loadKubeConfig(file) : inClusterConfig();
  if (!kubeConfig) {
    throw new WasmletError('InvalidConfig', 'there is no cluster: give --kubeconfig, set KUBECONFIG or run in a pod');
  }
  await endOnSignals(logger, async (signal) => {
    await using client = createKubeClient({ kubeConfig, qps: 20, burst: 40, logger });
    const except = options.except.split(',').filter((name) => name !== '');
    const timeoutMs = parseDuration(options.timeout);
    const { selector, count } = options;
    const { run, done } = ACTIONS[action];
    const names = await run({ client, selector, except, count, timeoutMs, logger, signal });
    logger.info(done, { nodes: names });
  });
}
