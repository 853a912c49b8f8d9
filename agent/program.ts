import { Argument, Command, Option } from 'commander';
import { addClusterCommands } from './commands/cluster-commands.ts';
import { COMPLETION_HELP, completionScript, SHELLS, type Shell } from './commands/completion.ts';
import { addImageCommands } from './commands/image-commands.ts';
import { addNodeCommands } from './commands/node-commands.ts';
import { addRunCommand } from './commands/run-command.ts';
import { addUpCommand } from './commands/up.ts';
import { versionCommand } from './commands/version.ts';
import { loadConfig } from './config/load.ts';
import { configOptions, PLACEHOLDERS, type ConfigOption } from './config/options.ts';
import type { Config } from './config/schema.ts';

/** One command line option for each option of the configuration. */
function commandOption(option: ConfigOption): Option {
  const { flag, kind, description, variable } = option;
  // A boolean flag alone means true.
  const value = kind === 'boolean' ? `[${PLACEHOLDERS.boolean}]` : `<${choicesOf(option)}>`;
  const standard = kind === 'json' || option.default === '' ? '' : `; default ${defaultText(option)}`;
  return new Option(`--${flag} ${value}`, `${description} (${variable}${standard})`);
}

const choicesOf = ({ choices, kind }: ConfigOption): string =>
  choices.length > 0 ? choices.join('|') : PLACEHOLDERS[kind];

function defaultText(option: ConfigOption): string {
  const { kind, default: value } = option;
  if (kind === 'taints') return 'kubernetes.io/arch=wasm:NoSchedule';
  if (kind === 'list') return (value as readonly string[]).join(',') || 'none';
  if (kind !== 'map') return String(value);
  const entries = Object.entries(value as Readonly<Record<string, unknown>>);
  return entries.map(([key, item]) => `${key}=${String(item)}`).join(',') || 'none';
}

/** Adds the configuration's flags to a command. */
function withConfig(command: Command, options: readonly ConfigOption[]): Command {
  command.showHelpAfterError(`(see wasmlet ${command.name()} --help)`);
  command.option('--config <file>', 'YAML or JSON file with the same options (WASMLET_CONFIG)');
  for (const option of options) command.addOption(commandOption(option));
  return command;
}

function configOf(command: Command, options: readonly ConfigOption[]): Config {
  const { config: file, ...values } = command.opts<Record<string, string | true | undefined> & { config?: string }>();
  const flags: Record<string, string> = {};
  for (const option of options) {
    const text = values[new Option(`--${option.flag}`).attributeName()];
    // `true` is a boolean flag without a value.
    if (text !== undefined) flags[option.flag] = String(text);
  }
  return loadConfig({ flags, file, env: process.env });
}

/** What says which node's runtime is meant. */
const RUNTIME_OPTIONS = ['rootDir', 'runtimeSocket'];

/**
 * The command line: every command with its options.
 * @param exitWith takes the exit code of the process, where a command has one of its own
 */
export function program(exitWith: (code: number) => void): Command {
  const options = configOptions();
  const withSome = (command: Command, keys: readonly string[]): Command =>
    withConfig(
      command,
      options.filter(({ key }) => keys.includes(key)),
    );
  const root = new Command('wasmlet')
    .description('A Kubernetes node agent for WebAssembly: runs pods whose images are Wasm modules.')
    .exitOverride()
    // What follows the command of exec or run is that command's.
    .enablePositionalOptions()
    .showHelpAfterError('(see wasmlet --help)')
    .helpCommand(false)
    .addHelpText(
      'after',
      '\nOptions come from flags, then the environment (WASMLET_…), then the file of --config.\n' +
        'Start: wasmlet agent --kubeconfig node.kubeconfig --node-name $(hostname)',
    );

  addUpCommand(root);
  withConfig(root.command('agent').description('Run the node agent'), options).action(async (_options, command) => {
    const { agentCommand } = await import('./commands/agent.ts');
    await agentCommand(configOf(command as Command, options));
  });
  withConfig(
    root.command('runtime').description('Run the runtime supervisor in the foreground; the agent starts one otherwise'),
    options,
  ).action(async (_options, command) => {
    const { runtimeCommand } = await import('./commands/runtime.ts');
    await runtimeCommand(configOf(command as Command, options));
  });
  withConfig(
    root.command('cri').description('Serve the runtime to a kubelet or crictl, over the Container Runtime Interface'),
    options,
  ).action(async (_options, command) => {
    const { criCommand } = await import('./commands/cri.ts');
    await criCommand(configOf(command as Command, options));
  });
  withConfig(root.command('config').description('Print the configuration that would be used'), options)
    .addOption(new Option('-o, --output <form>', 'form of the output').choices(['yaml', 'json']).default('yaml'))
    .action(async (_options, self) => {
      const { configCommand } = await import('./commands/config.ts');
      const command = self as Command;
      configCommand(configOf(command, options), command.opts<{ output: 'yaml' | 'json' }>().output);
    });
  root
    .command('version')
    .description('Print the version')
    .addOption(new Option('-o, --output <form>', 'form of the output').choices(['text', 'json']).default('text'))
    .action((_options, command: Command) => {
      versionCommand(command.opts<{ output: 'text' | 'json' }>().output);
    });
  addClusterCommands(root, {
    withConfig: (command) => withConfig(command, options),
    configOf: (command) => configOf(command, options),
  });
  addNodeCommands(root, {
    withConfig: (command, more = []) => withSome(command, [...RUNTIME_OPTIONS, ...more]),
    configOf: (command) => configOf(command, options),
    exitWith,
  });
  addRunCommand(root, { withConfig: withSome, configOf: (command) => configOf(command, options), exitWith });
  addImageCommands(root, { withConfig: withSome, configOf: (command) => configOf(command, options) });
  root
    .command('completion')
    .description('Print the completions of a shell')
    .addArgument(new Argument('<shell>').choices(SHELLS))
    .addHelpText('after', COMPLETION_HELP)
    .action((shell: Shell) => {
      process.stdout.write(completionScript(root, shell));
    });
  return root;
}
