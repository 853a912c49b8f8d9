import { type Command, InvalidArgumentError, Option } from 'commander';
import { isIP } from 'node:net';
import type { Config } from '../config/schema.ts';
import type { PublishedPort, RunOptions, RunMount } from './run.ts';

export interface RunCommandOptions {
  readonly withConfig: (command: Command, keys: readonly string[]) => Command;
  readonly configOf: (command: Command) => Config;
  readonly exitWith: (code: number) => void;
}

const OPTIONS = ['insecureRegistries', 'imagePullProgressDeadline', 'maxImageBytes', 'confinement', 'posixExtension'];

/** Adds `wasmlet run`. */
export function addRunCommand(root: Command, { withConfig, configOf, exitWith }: RunCommandOptions): void {
  withConfig(root.command('run <image> [args...]').description('Run one module in the foreground'), OPTIONS)
    .option('-e, --env <key=value>', 'variable; without =value that of this shell; may be given again', variable, [])
    .option('-v, --mount <host:guest[:ro]>', 'file or folder of this machine; may be given again', mount, [])
    .option('-p, --publish <port>', '[address:]port:port of this machine and of the guest', publish, [])
    .option('-m, --memory <quantity>', 'memory that the guest may have, for example 64Mi', quantity)
    .option('--cpus <number>', 'CPU time that the guest may have, for example 0.5', cpus)
    .addOption(new Option('--engine <engine>', 'what runs it').choices(['v8', 'interpreter']).default('v8'))
    .option('-w, --workdir <path>', "the guest's working directory")
    .option('-u, --user <user>', 'user, or user:group, by number or as the image names it')
    .option('--entrypoint <path>', 'program in the image')
    .option('-i, --interactive', 'give the guest the standard input', false)
    .option('-t, --tty', 'have the guest see a terminal', false)
    .addOption(new Option('--pull <when>', 'when to pull').choices(['missing', 'always', 'never']).default('missing'))
    .addHelpText('after', '\nA file that is there is run as it is; anything else is the name of an image.')
    .passThroughOptions()
    .action(async (image: string, args: string[], options: Omit<RunOptions, 'args'>, self) => {
      const { runCommand } = await import('./run.ts');
      exitWith(await runCommand(configOf(self as Command), image, { ...options, args }));
    });
}

function variable(text: string, earlier: readonly string[]): string[] {
  if (text.startsWith('=') || text === '') throw new InvalidArgumentError('Expected key=value.');
  if (text.includes('=')) return [...earlier, text];
  const value = process.env[text];
  return value === undefined ? [...earlier] : [...earlier, `${text}=${value}`];
}

function mount(text: string, earlier: readonly RunMount[]): RunMount[] {
  const [hostPath = '', containerPath = '', mode = 'rw', ...more] = text.split(':');
  const isRight = hostPath !== '' && containerPath.startsWith('/') && ['ro', 'rw'].includes(mode) && more.length === 0;
  if (!isRight) throw new InvalidArgumentError('Expected HOST:GUEST or HOST:GUEST:ro, GUEST an absolute path.');
  return [...earlier, { hostPath, containerPath, readonly: mode === 'ro' }];
}

function publish(text: string, earlier: readonly PublishedPort[]): PublishedPort[] {
  const [, given, host = '', guest = ''] = /^(?:(.+):)?(\d+):(\d+)$/.exec(text) ?? [];
  const address = given?.replace(/^\[|\]$/g, '') ?? '127.0.0.1';
  const ports = [host, guest].map(Number);
  if (isIP(address) === 0 || ports.some((port) => port < 1 || port > 65_535)) {
    throw new InvalidArgumentError('Expected HOST:GUEST or ADDRESS:HOST:GUEST, for example 8080:80.');
  }
  const [hostPort = 0, guestPort = 0] = ports;
  return [...earlier, { address, hostPort, guestPort }];
}

const UNITS: Readonly<Record<string, number>> = {
  '': 1,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  Ki: 1024,
  Mi: 1024 ** 2,
  Gi: 1024 ** 3,
};

function quantity(text: string): number {
  const [, number = '', unit = ''] = /^(\d+(?:\.\d+)?)([A-Za-z]{0,2})$/.exec(text) ?? [];
  const factor = UNITS[unit];
  if (number === '' || factor === undefined) throw new InvalidArgumentError('Expected a quantity, for example 64Mi.');
  return Math.ceil(Number(number) * factor);
}

function cpus(text: string): number {
  const number = Number(text);
  if (!/^\d*\.?\d+$/.test(text) || number <= 0) throw new InvalidArgumentError('Expected a number above 0.');
  return number;
}
