import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** What is used of OpenAPI v3, as Kubernetes writes it. */
export interface Schema {
  readonly description?: string;
  readonly type?: 'object' | 'array' | 'string' | 'integer' | 'number' | 'boolean';
  readonly format?: string;
  readonly $ref?: string;
  readonly allOf?: readonly Schema[];
  readonly oneOf?: readonly Schema[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly additionalProperties?: Schema;
  readonly items?: Schema;
  readonly required?: readonly string[];
  readonly 'x-kubernetes-patch-strategy'?: string;
  readonly 'x-kubernetes-patch-merge-key'?: string;
  readonly 'x-kubernetes-group-version-kind'?: readonly { group: string; version: string; kind: string }[];
}

/**
 * The schemas of what is served, by name ('io.k8s.api.core.v1.Pod'), as the real API server publishes them:
 * test/cluster/record-openapi.ts writes the file.
 */
const isSource = import.meta.url.endsWith('.ts');
const FILE = join(dirname(fileURLToPath(import.meta.url)), isSource ? 'openapi.json' : 'local-openapi.json');

let loaded: Readonly<Record<string, Schema>> | undefined;

/** Read at first use: most commands never need it. */
export function schemas(): Readonly<Record<string, Schema>> {
  return (loaded ??= JSON.parse(readFileSync(FILE, 'utf8')) as Record<string, Schema>);
}

const PREFIX = '#/components/schemas/';

/** A schema behind its references, with the name of the one that it stands for. */
export interface Resolved {
  readonly schema: Schema;
  /** 'io.k8s.api.core.v1.Container'; '' for what has no name. */
  readonly name: string;
}

/** Follows `$ref` and the `allOf` of one element that Kubernetes wraps it in. */
export function resolve(schema: Schema, name = ''): Resolved {
  const next = schema.$ref ?? schema.allOf?.[0]?.$ref;
  if (next === undefined) return { schema, name };
  const target = next.slice(PREFIX.length);
  return resolve(schemas()[target] ?? {}, target);
}

export const schemaOf = (name: string): Resolved => resolve(schemas()[name] ?? {}, name);
