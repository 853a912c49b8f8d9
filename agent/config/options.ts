import { z } from 'zod';
import { environmentName, flagName } from './names.ts';
import { configSchema } from './schema.ts';

/** What the text of a flag or a variable is read as. */
export type OptionKind = 'string' | 'number' | 'boolean' | 'list' | 'taints' | 'map' | 'json';

/** One option, as the schema describes it. */
export interface ConfigOption {
  /** Name in the configuration file. */
  readonly key: string;
  /** Without the dashes. */
  readonly flag: string;
  readonly variable: string;
  readonly kind: OptionKind;
  readonly description: string;
  readonly choices: readonly string[];
  readonly default: unknown;
}

interface JsonSchema {
  readonly type?: string;
  readonly enum?: readonly string[];
  readonly default?: unknown;
  readonly description?: string;
  readonly items?: JsonSchema;
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly additionalProperties?: JsonSchema | boolean;
}

/** Every option, in the schema's order: flags, variables and the documentation are made of this. */
export function configOptions(): readonly ConfigOption[] {
  const { properties = {} } = z.toJSONSchema(configSchema, { io: 'input', unrepresentable: 'any' }) as JsonSchema;
  // The schema's own default of a map leaves out what each of its keys has for one.
  const filled: Readonly<Record<string, unknown>> = configSchema.parse({ nodeName: 'node' });
  return Object.entries(properties).map(([key, schema]) => ({
    key,
    flag: flagName(key),
    variable: environmentName(key),
    kind: kindOf(schema),
    description: schema.description ?? '',
    choices: schema.enum ?? [],
    default: schema.type === 'object' ? filled[key] : schema.default,
  }));
}

function kindOf(schema: JsonSchema): OptionKind {
  switch (schema.type) {
    case 'number':
    case 'integer':
      return 'number';
    case 'boolean':
      return 'boolean';
    case 'array':
      return schema.items?.properties?.['effect'] ? 'taints' : 'list';
    case 'object': {
      const additional = typeof schema.additionalProperties === 'object' ? schema.additionalProperties : undefined;
      return additional?.type === 'object' ? 'json' : 'map';
    }
    default:
      return 'string';
  }
}

/** How a value of this kind is written as text, for help and errors. */
export const PLACEHOLDERS: Readonly<Record<OptionKind, string>> = {
  string: 'text',
  number: 'number',
  boolean: 'true|false',
  list: 'item,…',
  taints: 'key=value:Effect,…',
  map: 'key=value,…',
  json: 'JSON',
};

/**
 * Reads the text of a flag or a variable. What does not read as its kind is given back as it stands, for the schema to
 * refuse by its name.
 */
export function parseOptionText(kind: OptionKind, text: string): unknown {
  switch (kind) {
    case 'string':
      return text;
    case 'number':
      return text.trim() === '' || Number.isNaN(Number(text)) ? text : Number(text);
    case 'boolean':
      return text === 'true' ? true : text === 'false' ? false : text;
    case 'list':
      return splitList(text);
    case 'taints':
      return splitList(text).map(parseTaint);
    case 'map':
      return parseMap(text);
    case 'json':
      return parseJson(text);
  }
}

const splitList = (text: string): string[] =>
  text
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '');

/** 'key=value:Effect' or 'key:Effect', as kubectl taint and the kubelet's --register-with-taints have it. */
function parseTaint(text: string): unknown {
  const match = /^([^=:]+)(?:=([^:]*))?:(.+)$/.exec(text);
  return match ? { key: match[1], value: match[2] ?? '', effect: match[3] } : text;
}

function parseMap(text: string): unknown {
  if (text.trimStart().startsWith('{')) return parseJson(text);
  const entries = splitList(text).map((item) => {
    const at = item.indexOf('=');
    return at < 0 ? undefined : [item.slice(0, at), item.slice(at + 1)];
  });
  return entries.includes(undefined) ? text : Object.fromEntries(entries as [string, string][]);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
