import { fileURLToPath } from 'node:url';
import type { Command, Option } from 'commander';
import { format, resolveConfig } from 'prettier';
import { expect, test } from 'vitest';
import { configOptions } from './config/options.ts';
import { program } from './program.ts';

const REFERENCE = fileURLToPath(new URL('../docs/reference/command-line.md', import.meta.url));

const INTRODUCTION = `# Commands

All commands of \`wasmlet\` with their own options; [the command line](../command-line.md) tells how they are used. Those of the
configuration are named only: [configuration.md](configuration.md) tells of each. Every command has \`--help\`, and every one
that takes options of the configuration \`--config FILE\`.

This page is made from the commands themselves: \`npm run test:unit -- agent/command-reference -u\` writes it anew, and the
same test without \`-u\` fails when the two differ.
`;

const CONFIGURATION = new Set(configOptions().map(({ flag }) => `--${flag}`));
/** Beyond so many, a command takes the whole configuration. */
const ALL = configOptions().length;

const escaped = (text: string): string => text.replaceAll('|', '\\|');

function optionRow({ flags, description, defaultValue, argChoices, mandatory }: Option): string {
  const isTold =
    defaultValue !== undefined && ![false, ''].includes(defaultValue as false) && typeof defaultValue !== 'object';
  const more = [
    ...(argChoices ? [`one of ${argChoices.map((choice) => `\`${choice}\``).join(', ')}`] : []),
    ...(isTold ? [`default \`${String(defaultValue)}\``] : []),
    ...(mandatory ? ['required'] : []),
  ];
  return `| \`${escaped(flags)}\` | ${escaped([description, ...more].join('; ').replaceAll(/<(\w+)>/g, '`<$1>`'))} |`;
}

function section(command: Command, path: readonly string[]): string {
  const own = command.options.filter(({ long }) => !CONFIGURATION.has(long ?? '') && long !== '--config');
  const configured = command.options.flatMap(({ long }) => (CONFIGURATION.has(long ?? '') ? [`\`${long}\``] : []));
  const args = command.registeredArguments.map((argument) => {
    const word = `${argument.name()}${argument.variadic ? '...' : ''}`;
    return argument.required ? `<${word}>` : `[${word}]`;
  });
  const rows = own.map(optionRow);
  return [
    `## ${path.join(' ')}`,
    '',
    `\`${['wasmlet', ...path, ...args].join(' ')}\`: ${command.description()}.`,
    ...(command.aliases().length > 0 ? ['', `Also \`${command.aliases().join('`, `')}\`.`] : []),
    ...(rows.length > 0 ? ['', '| option | what it does |', '| --- | --- |', ...rows] : []),
    ...(configured.length === 0 ? [] : ['', configuredText(configured)]),
    '',
  ].join('\n');
}

const configuredText = (flags: readonly string[]): string =>
  flags.length === ALL ? 'Takes all options of the configuration.' : `Of the configuration: ${flags.join(', ')}.`;

function sections(command: Command, path: readonly string[] = []): string[] {
  const own = path.length === 0 || command.commands.length > 0 ? [] : [section(command, path)];
  return [...own, ...command.commands.flatMap((child) => sections(child, [...path, child.name()]))];
}

test('docs/reference/command-line.md lists every command and option as the program has it', async () => {
  const style = await resolveConfig(REFERENCE);
  const text = [INTRODUCTION, ...sections(program(() => undefined))].join('\n');
  await expect(await format(text, { ...style, parser: 'markdown' })).toMatchFileSnapshot(REFERENCE);
});

test('every command says what it is for', () => {
  const silent = (command: Command): string[] => [
    ...(command.description() === '' ? [command.name()] : []),
    ...command.commands.flatMap(silent),
  ];
  expect(silent(program(() => undefined))).toEqual([]);
});
