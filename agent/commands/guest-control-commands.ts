import { type Command, InvalidArgumentError, Option } from 'commander';
import { messageOf } from '../../base/errors.ts';
import { parseDuration } from '../config/duration.ts';
import type { NodeCommandsOptions } from './node-commands.ts';

/** An hour: as long as the supervisor allows. */
const MAX_PROFILE_MS = 3_600_000;

/** What can be done with guests of runtime class wasm-interpreter: docs/interpreter.md. */
export function addGuestControlCommands(root: Command, { withConfig, configOf }: NodeCommandsOptions): void {
  const command = (usage: string, description: string): Command =>
    withConfig(root.command(usage).description(`${description} (wasm-interpreter)`));

  command('pause <container...>', 'Make guests stand still').action(async (ids: string[], _options, self) => {
    const { pauseCommand } = await import('./guest-control.ts');
    await pauseCommand(configOf(self as Command), ids);
  });

  command('resume <container...>', 'Let guests go on that stand still').action(
    async (ids: string[], _options, self) => {
      const { resumeCommand } = await import('./guest-control.ts');
      await resumeCommand(configOf(self as Command), ids);
    },
  );

  command('stack <container>', 'Print the calls of a guest, innermost first')
    .option('-l, --locals', 'with parameters and locals', false)
    .addOption(new Option('-o, --output <form>', 'form of the output').choices(['text', 'json']).default('text'))
    .action(async (id: string, options: { locals: boolean; output: 'text' | 'json' }, self) => {
      const { stackCommand } = await import('./guest-control.ts');
      await stackCommand(configOf(self as Command), id, options);
    });

  command('profile <container>', 'Sample where a guest spends its fuel, for pprof')
    .addOption(new Option('-d, --duration <time>', 'for so long').argParser(duration).default(10_000, '10s'))
    .requiredOption('-o, --output <file>', 'file to write')
    .action(async (id: string, options: { duration: number; output: string }, self) => {
      const { profileCommand } = await import('./guest-control.ts');
      await profileCommand(configOf(self as Command), id, options);
    });

  command('checkpoint <container>', 'Write the whole state of a guest into a file')
    .requiredOption('-o, --output <file>', 'file to write')
    .action(async (id: string, { output }: { output: string }, self) => {
      const { checkpointCommand } = await import('./guest-control.ts');
      await checkpointCommand(configOf(self as Command), id, output);
    });
}

function duration(text: string): number {
  let milliseconds: number;
  try {
    milliseconds = parseDuration(text);
  } catch (error) {
    throw new InvalidArgumentError(messageOf(error));
  }
  if (milliseconds >= 1 && milliseconds <= MAX_PROFILE_MS) return Math.round(milliseconds);
  throw new InvalidArgumentError('Expected a time from 1ms to 1h.');
}
