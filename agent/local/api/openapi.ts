import { createHash } from 'node:crypto';
import { RESOURCES } from '../resources/table.ts';
import { apiVersionOf, type Resource } from '../resources/resource.ts';
import { schemas, type Schema } from '../schema/schema.ts';

/** OpenAPI v3 as far as kubectl asks: which schemas there are, and which requests take `fieldValidation`. */

const ROOT = '/openapi/v3';
const REFERENCE = /"\$ref":"#\/components\/schemas\/([^"]+)"/g;

const folderOf = (resource: Pick<Resource, 'group' | 'version'>): string =>
  resource.group === '' ? `api/${resource.version}` : `apis/${apiVersionOf(resource)}`;

/** Documents by folder ('api/v1'), made at first use. */
const made = new Map<string, string>();

function documentOf(folder: string): string | undefined {
  const known = made.get(folder);
  if (known !== undefined) return known;
  const resources = RESOURCES.filter((resource) => folderOf(resource) === folder);
  if (resources.length === 0) return undefined;
  const document = JSON.stringify({
    openapi: '3.0.0',
    info: { title: 'wasmlet', version: 'v1' },
    paths: Object.fromEntries(resources.flatMap((resource) => pathsOf(resource, folder))),
    components: { schemas: reachable(resources.map(({ schema }) => schema)) },
  });
  made.set(folder, document);
  return document;
}

const parameter = (name: string) => ({ name, in: 'query', schema: { type: 'string', uniqueItems: true } });

function pathsOf(resource: Resource, folder: string): [string, object][] {
  const { group, version, kind, plural, namespaced, schema } = resource;
  const gvk = { group, version, kind };
  const content = { 'application/json': { schema: { $ref: `#/components/schemas/${schema}` } } };
  const action = (name: string, writes: boolean) => ({
    responses: { 200: { description: 'OK', content } },
    'x-kubernetes-action': name,
    'x-kubernetes-group-version-kind': gvk,
    ...(writes
      ? { parameters: ['dryRun', 'fieldManager', 'fieldValidation'].map(parameter), requestBody: { content } }
      : {}),
  });
  const base = `/${folder}/${namespaced ? 'namespaces/{namespace}/' : ''}${plural}`;
  return [
    [base, { get: action('list', false), post: action('post', true) }],
    [`${base}/{name}`, { get: action('get', false), put: action('put', true), patch: action('patch', true) }],
  ];
}

function reachable(roots: readonly string[]): Record<string, Schema> {
  const found = new Map<string, Schema>();
  const open = [...roots];
  for (let name = open.pop(); name !== undefined; name = open.pop()) {
    const schema = schemas()[name];
    if (!schema || found.has(name)) continue;
    found.set(name, schema);
    open.push(...Array.from(JSON.stringify(schema).matchAll(REFERENCE), (match) => match[1] ?? ''));
  }
  return Object.fromEntries([...found].sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** @returns JSON; undefined for a path that is not one of OpenAPI's */
export function openApi(path: string): string | undefined {
  if (path === ROOT || path === `${ROOT}/`) {
    const folders = [...new Set(RESOURCES.map(folderOf))];
    const entries = folders.map((folder): [string, object] => {
      const text = documentOf(folder) ?? '';
      const hash = createHash('sha256').update(text).digest('hex');
      return [folder, { serverRelativeURL: `${ROOT}/${folder}?hash=${hash}` }];
    });
    return JSON.stringify({ paths: Object.fromEntries(entries) });
  }
  return path.startsWith(`${ROOT}/`) ? documentOf(path.slice(ROOT.length + 1)) : undefined;
}
