import { hostname } from 'node:os';
import { resolve } from 'node:path';
import { type Command, InvalidArgumentError, Option } from 'commander';
import type { LogLevel } from '../../base/log.ts';
import { defaultRoot, nodeFolderOf } from '../local/folders.ts';
import { endOnSignals } from './signals.ts';
import { shellWord } from './shell-word.ts';

interface UpFlags {
  readonly root?: string;
  readonly port: number;
  readonly nodeName: string;
  readonly webPort?: number;
  readonly web: boolean;
  readonly leavePods: boolean;
  readonly config?: string;
  readonly logLevel: LogLevel;
}

/** Not one that k3s (6443, 6444), kind or minikube take. */
const DEFAULT_PORT = 7443;
const LOG_LEVELS = ['error', 'warn', 'info', 'debug'];

export function addUpCommand(root: Command): void {
  root
    .command('up')
    .description('Run a small Kubernetes API server and a node on this machine alone, until Ctrl-C (docs/local.md)')
    .option('--root <folder>', 'where its state is kept; default /var/lib/wasmlet-local, or ~/.local/state/wasmlet')
    .option('--port <port>', 'port of the API server on 127.0.0.1; 0: any that is free', portNumber, DEFAULT_PORT)
    .option('--node-name <name>', 'name of the node', hostname().toLowerCase())
    .option('--web-port <port>', 'port of the page for browsers; default 7480, or any where that is taken', portNumber)
    .option('--no-web', 'no page for browsers')
    .option('--leave-pods', 'pods go on running when this ends, and the next start takes them over', false)
    .option('--config <file>', 'YAML or JSON file with further options of the agent (WASMLET_CONFIG)')
    .addOption(
      new Option('--log-level <level>', 'least severe level that is logged').choices(LOG_LEVELS).default('warn'),
    )
    .action(async (flags: UpFlags) => await upCommand(flags));
}

async function upCommand({ root, port, nodeName, leavePods, config, logLevel, ...flags }: UpFlags): Promise<void> {
  const { createLogger } = await import('../../base/log.ts');
  const { runLocal } = await import('../local/up.ts');
  const logger = createLogger({ level: logLevel, format: 'human' });
  // Whoever read what is printed may go: that is no reason to leave the node's pods alone.
  process.stdout.on('error', () => undefined);
  const folder = resolve(root ?? defaultRoot(process.env));
  await endOnSignals(logger, async (signal) => {
    signal.addEventListener('abort', () => process.stdout.write('\nending; a second Ctrl-C ends at once\n'));
    await runLocal({
      root: folder,
      port,
      nodeName,
      web: flags.web ? { port: flags.webPort } : undefined,
      leavePods,
      configFile: config,
      env: process.env,
      logger,
      signal,
      onReady: (running) => process.stdout.write(welcome(running, nodeName, folder)),
    });
  });
}

interface Running {
  readonly kubeconfig: string;
  readonly url: string;
  readonly link: string | undefined;
}

const welcome = ({ kubeconfig, url, link }: Running, nodeName: string, root: string): string => `\
node ${nodeName} is Ready; the API server is at ${url}

  export KUBECONFIG=${shellWord(kubeconfig)}
  wasmlet images import --root-dir ${shellWord(nodeFolderOf(root))} FILE NAME
  kubectl apply -f pod.yaml
  kubectl get pods
  kubectl logs -f NAME
${link === undefined ? '' : `\nIn a browser, once: ${link}\n`}
Ctrl-C ends it; what was applied is kept.
`;

function portNumber(text: string): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : NaN;
  if (port <= 65_535) return port;
  throw new InvalidArgumentError('Expected a port from 0 to 65535.');
}
