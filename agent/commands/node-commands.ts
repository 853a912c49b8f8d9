import { type Command, InvalidArgumentError, Option } from 'commander';
import type { Config } from '../config/schema.ts';
import { addGuestControlCommands } from './guest-control-commands.ts';

export interface NodeCommandsOptions {
  /** Adds the options that say which node's runtime is meant, and more of the configuration's. */
  readonly withConfig: (command: Command, more?: readonly string[]) => Command;
  readonly configOf: (command: Command) => Config;
  /** Takes the exit code of this process, where it is not 0. */
  readonly exitWith: (code: number) => void;
}

/** For an image that is looked at. */
const IMAGE_OPTIONS = ['insecureRegistries', 'imagePullProgressDeadline', 'maxImageBytes'];

/** For the person who stands at the node: what runs on it and what to do about it, in crictl's words. */
export function addNodeCommands(root: Command, options: NodeCommandsOptions): void {
  const { withConfig, configOf, exitWith } = options;
  const command = (usage: string, description: string, more?: readonly string[]): Command =>
    withConfig(root.command(usage).description(description), more);

  command('ps', 'List the containers that run on this node')
    .option('-a, --all', 'also those that do not run', false)
    .option('-q, --quiet', 'only their ids', false)
    .addOption(new Option('-o, --output <form>', 'form of the output').choices(['table', 'json']).default('table'))
    .action(async (options: { all: boolean; quiet: boolean; output: 'table' | 'json' }, self) => {
      const { psCommand } = await import('./ps.ts');
      await psCommand(configOf(self as Command), options);
    });

  command('inspect <name...>', 'Print all that is known of containers, images and modules, as JSON', IMAGE_OPTIONS)
    .addHelpText(
      'after',
      "\nA file that ends in .wasm is a module; a name with a '/', ':' or '@' in it is an image, of this node or else of " +
        'its registry; anything else begins the id of a container.',
    )
    .action(async (names: string[], _options, self) => {
      const { inspectCommand } = await import('./inspect.ts');
      await inspectCommand(configOf(self as Command), names);
    });

  command('logs <container>', 'Print the log of a container')
    .option('-f, --follow', 'go on until the container ends', false)
    .option('-t, --timestamps', 'begin each line with its time', false)
    .option('--tail <lines>', 'only so many from the end', wholeNumber)
    .action(async (id: string, options: { follow: boolean; timestamps: boolean; tail?: number }, self) => {
      const { logsCommand } = await import('./logs.ts');
      await logsCommand(configOf(self as Command), id, options);
    });

  command('exec <container> <command...>', 'Run a program of its image in a container, without input')
    .option('--timeout <seconds>', 'kill it after so long; 0: never', wholeNumber, 0)
    .passThroughOptions()
    .action(async (id: string, words: string[], { timeout }: { timeout: number }, self) => {
      const { execCommand } = await import('./exec.ts');
      exitWith(await execCommand(configOf(self as Command), id, words, timeout));
    });

  command('stop <container...>', 'End containers; an agent starts them again as their restart policy says')
    .option('-t, --timeout <seconds>', 'SIGKILL after so long', wholeNumber, 10)
    .action(async (ids: string[], { timeout }: { timeout: number }, self) => {
      const { stopCommand } = await import('./stop.ts');
      await stopCommand(configOf(self as Command), ids, timeout);
    });

  addGuestControlCommands(root, options);
}

function wholeNumber(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new InvalidArgumentError('Expected a whole number.');
  return Number(text);
}
