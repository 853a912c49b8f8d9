import { fileURLToPath } from 'node:url';
import { format, resolveConfig } from 'prettier';
import { expect, test } from 'vitest';
import { configOptions, PLACEHOLDERS, type ConfigOption } from './options.ts';
import { configSchema } from './schema.ts';

const REFERENCE = fileURLToPath(new URL('../../docs/reference/configuration.md', import.meta.url));

const INTRODUCTION = `# Configuration

Options of \`wasmlet agent\`. Each can be given as a flag, as an environment variable, or by its key in a YAML or JSON file
(\`--config\` or \`WASMLET_CONFIG\`); an option is taken whole from the first of these that has it, in this order, else from
its default. What is not known or not valid is refused at the start, with every problem at once. \`wasmlet config\` prints
the configuration in effect. Names are the kubelet's where it has one.

Times are written like \`300ms\`, \`10s\`, \`5m\`; sizes as Kubernetes quantities, like \`500m\`, \`10Mi\`.

This page is made from \`agent/config/schema.ts\`: \`npm run test:unit -- agent/config/reference -u\` writes it anew, and the
same test without \`-u\` fails when the two differ.
`;

/** Defaults that are found out on the machine. */
const FOUND_OUT: Readonly<Record<string, string>> = { nodeName: "the machine's host name" };

const code = (text: string): string => `\`${text.replaceAll('|', '\\|')}\``;

function defaultText(key: string, value: unknown): string {
  const found = FOUND_OUT[key];
  if (found !== undefined) return found;
  const isEmpty = value === '' || JSON.stringify(value) === '{}' || JSON.stringify(value) === '[]';
  return isEmpty ? 'empty' : code(typeof value === 'string' ? value : JSON.stringify(value));
}

function row(option: ConfigOption, value: unknown): string {
  const form = option.choices.length > 0 ? option.choices.join('|') : PLACEHOLDERS[option.kind];
  const flag = `--${option.flag} ${form}`;
  const cells = [code(option.key), code(flag), code(option.variable), defaultText(option.key, value)];
  return `| ${[...cells, option.description.replaceAll('|', '\\|').replaceAll(/<(\w+)>/g, '`<$1>`')].join(' | ')} |`;
}

test('docs/reference/configuration.md lists every option as the schema has it', async () => {
  const defaults: Readonly<Record<string, unknown>> = configSchema.parse({ nodeName: 'node' });
  const rows = configOptions().map((option) => row(option, defaults[option.key]));
  const table = ['| key | flag | environment | default | description |', '| --- | --- | --- | --- | --- |', ...rows];
  const style = await resolveConfig(REFERENCE);
  const page = await format(`${INTRODUCTION}\n${table.join('\n')}\n`, { ...style, parser: 'markdown' });
  await expect(page).toMatchFileSnapshot(REFERENCE);
});

test('every option says what it is for', () => {
  expect(configOptions().filter(({ description }) => description === '')).toEqual([]);
});
