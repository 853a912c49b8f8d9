/**
 * Writes agent/local/schema/openapi.json: the schemas of what local mode serves, as the real API server publishes them;
 * and protobuf.json: the numbers of the same kinds' fields, by the .proto files of Kubernetes' Go modules.
 *
 * Usage: node test/cluster/record-openapi.ts
 */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { runOrThrow } from '../support/command.ts';
import { startCluster } from './cluster.ts';

const OUTPUT = join(import.meta.dirname, '../../agent/local/schema');
const MODULES_VERSION = 'v0.36.3';
const PROTOS = [
  ...['authentication', 'authorization', 'coordination', 'core', 'events', 'node', 'policy'].map(
    (g) => `api@VERSION/${g}/v1`,
  ),
  'apimachinery@VERSION/pkg/apis/meta/v1',
];
const DOCUMENTS = [
  'api/v1',
  'apis/authentication.k8s.io/v1',
  'apis/authorization.k8s.io/v1',
  'apis/coordination.k8s.io/v1',
  'apis/events.k8s.io/v1',
  'apis/node.k8s.io/v1',
  'apis/policy/v1',
];
const ROOTS = [
  'io.k8s.api.authentication.v1.TokenRequest',
  'io.k8s.api.authentication.v1.TokenReview',
  'io.k8s.api.authentication.v1.SelfSubjectReview',
  'io.k8s.api.authorization.v1.SelfSubjectAccessReview',
  'io.k8s.api.authorization.v1.SubjectAccessReview',
  'io.k8s.api.coordination.v1.Lease',
  'io.k8s.api.core.v1.Binding',
  'io.k8s.api.core.v1.ConfigMap',
  'io.k8s.api.core.v1.Event',
  'io.k8s.api.core.v1.Namespace',
  'io.k8s.api.core.v1.Node',
  'io.k8s.api.core.v1.Pod',
  'io.k8s.api.core.v1.Secret',
  'io.k8s.api.core.v1.Service',
  'io.k8s.api.core.v1.ServiceAccount',
  'io.k8s.api.events.v1.Event',
  'io.k8s.api.node.v1.RuntimeClass',
  'io.k8s.api.policy.v1.Eviction',
  'io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions',
];

type Schemas = Record<string, object>;

async function read(kubectl: { ok(args: readonly string[]): Promise<string> }): Promise<Schemas> {
  const all: Schemas = {};
  for (const document of DOCUMENTS) {
    const text = await kubectl.ok(['get', '--raw', `/openapi/v3/${document}`]);
    Object.assign(all, (JSON.parse(text) as { components: { schemas: Schemas } }).components.schemas);
  }
  return all;
}

/** The roots and whatever they refer to. */
function reachable(all: Schemas): Schemas {
  const found = new Map<string, object>();
  const open = [...ROOTS];
  for (let name = open.pop(); name !== undefined; name = open.pop()) {
    const schema = all[name];
    if (!schema) throw new Error(`the API server publishes no ${name}`);
    if (found.has(name)) continue;
    found.set(name, schema);
    const references = JSON.stringify(schema).matchAll(/"\$ref":"#\/components\/schemas\/([^"]+)"/g);
    for (const [, reference = ''] of references) open.push(reference);
  }
  return Object.fromEntries([...found].sort(([a], [b]) => (a < b ? -1 : 1)));
}

type Fields = Record<string, [name: string, type: string]>;

/** name and type of each field of each message in a .proto file, by number. */
function messagesOf(proto: string, all: Map<string, Fields>): void {
  const folder = (/^package (\S+);/m.exec(proto)?.[1] ?? '').replace(/^k8s\.io\./, 'io.k8s.');
  const qualified = (type: string): string => {
    if (/^(string|bytes|bool|int32|int64)$/.test(type)) return type;
    return type.includes('.') ? type.replace(/^\.?k8s\.io\./, 'io.k8s.') : `${folder}.${type}`;
  };
  for (const [, message = '', body = ''] of proto.matchAll(/^message (\w+) \{\n([\s\S]*?)^\}/gm)) {
    const fields: Fields = {};
    for (const [, type = '', name = '', number = ''] of body.matchAll(/^ {2}map<string, (\S+)> (\w+) = (\d+);/gm)) {
      fields[number] = [name, `map:${qualified(type)}`];
    }
    const plain = /^ {2}(optional|repeated) (\S+) (\w+) = (\d+);/gm;
    for (const [, label, type = '', name = '', number = ''] of body.matchAll(plain)) {
      fields[number] = [name, (label === 'repeated' ? '[]' : '') + qualified(type)];
    }
    all.set(`${folder}.${message}`, fields);
  }
}

async function protobuf(roots: readonly string[]): Promise<Record<string, object>> {
  const cache = (await runOrThrow('go', ['env', 'GOMODCACHE'])).stdout.trim();
  const all = new Map<string, Fields>();
  for (const folder of PROTOS) {
    const file = join(cache, 'k8s.io', folder.replace('VERSION', MODULES_VERSION), 'generated.proto');
    messagesOf(await readFile(file, 'utf8'), all);
  }
  const found = new Map<string, Fields>();
  const open = [...roots];
  for (let name = open.pop(); name !== undefined; name = open.pop()) {
    const fields = all.get(name);
    if (!fields || found.has(name)) continue;
    found.set(name, fields);
    for (const [, type] of Object.values(fields)) open.push(type.replace(/^(\[\]|map:)/, ''));
  }
  return Object.fromEntries([...found].sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** A line per kind, so that a difference can be read. */
async function write(name: string, kinds: Record<string, object>): Promise<void> {
  const lines = Object.entries(kinds).map(([kind, value]) => `${JSON.stringify(kind)}:${JSON.stringify(value)}`);
  await writeFile(join(OUTPUT, name), `{\n${lines.join(',\n')}\n}\n`);
}

await write('protobuf.json', await protobuf(ROOTS));
await using cluster = await startCluster();
await write('openapi.json', reachable(await read(cluster.kubectl)));
