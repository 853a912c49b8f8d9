import type { Command } from 'commander';
import type { Config } from '../config/schema.ts';
import type { NodesAction, NodesOptions } from './nodes.ts';

export interface ClusterCommandsOptions {
  /** Adds the options of the configuration. */
  readonly withConfig: (command: Command) => Command;
  readonly configOf: (command: Command) => Config;
}

const WHAT: Readonly<Record<NodesAction, string>> = {
  ready: 'Wait until nodes are Ready',
  drain: 'Cordon nodes and evict their pods, and wait until they are gone',
  remove: 'Delete Node objects once their agents have gone',
};

/** For who runs wasmlet in a cluster: what the chart's hooks and containers do, and administrators may. */
export function addClusterCommands(root: Command, { withConfig, configOf }: ClusterCommandsOptions): void {
  const nodes = root.command('nodes').description('Wait for nodes, and take them out of a cluster');
  for (const action of Object.keys(WHAT) as NodesAction[]) {
    nodes
      .command(action)
      .description(WHAT[action])
      .requiredOption('-l, --selector <selector>', 'labels of the nodes: wasmlet.dev/release=NAMESPACE.NAME')
      .option('--except <names>', 'names of nodes that stay, separated by commas', '')
      .option('--count <number>', 'of ready: so many nodes at least', Number, 1)
      .option('--timeout <duration>', 'give up after so long', '5m')
      .option('--kubeconfig <file>', 'credentials; default: KUBECONFIG, else the service account of the pod')
      .action(async (options: NodesOptions) => {
        const { nodesCommand } = await import('./nodes.ts');
        await nodesCommand(action, options);
      });
  }
  withConfig(
    root
      .command('host-program')
      .description('Copy this program to <rootDir>/program of the machine, for a runtime that outlives its container'),
  ).action(async (_options, command) => {
    const { hostProgramCommand } = await import('./host-program.ts');
    await hostProgramCommand(configOf(command as Command));
  });
}
