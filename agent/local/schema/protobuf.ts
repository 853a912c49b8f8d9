import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { schemaOf } from './schema.ts';
import { wireFields, type WireField } from './wire.ts';

/**
 * Objects as typed clients send them (kubectl create among them): application/vnd.kubernetes.protobuf, brought into the
 * form of JSON. Only read, never written: each such client takes JSON for an answer.
 * Source: apimachinery pkg/runtime/serializer/protobuf, k8s.io/api (generated.proto).
 */

/** Fields of a message by their number: name and type ('string', '[]string', 'map:bytes', or a message's name). */
type Messages = Readonly<Record<string, Readonly<Record<string, readonly [name: string, type: string]>>>>;

const isSource = import.meta.url.endsWith('.ts');
/** Made by test/cluster/record-openapi.ts. */
const FILE = join(dirname(fileURLToPath(import.meta.url)), isSource ? 'protobuf.json' : 'local-protobuf.json');

let loaded: Messages | undefined;
const messages = (): Messages => (loaded ??= JSON.parse(readFileSync(FILE, 'utf8')) as Messages);

const MAGIC = Buffer.from('k8s\0');
const MACHINERY = 'io.k8s.apimachinery.pkg';
/** Deeper than any kind: a body cannot make us recurse for ever. */
const MAX_DEPTH = 64;

type Fields = Record<string, unknown>;

/**
 * @param body with its envelope, which says what kind it is
 * @throws RangeError, SyntaxError for what is no such message, or of a kind that is not known here
 */
export function decodeProtobuf(body: Buffer): Fields {
  if (!body.subarray(0, MAGIC.length).equals(MAGIC)) throw new RangeError('it does not begin with k8s');
  const { typeMeta, raw } = envelope(body.subarray(MAGIC.length));
  const name = messageName(typeMeta);
  return { ...typeMeta, ...decodeMessage(name, raw, 0) };
}

interface TypeMeta {
  readonly apiVersion: string;
  readonly kind: string;
}

/** runtime.Unknown: type, and the bytes of the object. */
function envelope(bytes: Buffer): { typeMeta: TypeMeta; raw: Buffer } {
  const parts = new Map([...wireFields(bytes)].map((field) => [field.number, field.bytes ?? Buffer.alloc(0)]));
  const type = new Map(
    [...wireFields(parts.get(1) ?? Buffer.alloc(0))].map((field) => [field.number, field.bytes?.toString() ?? '']),
  );
  return { typeMeta: { apiVersion: type.get(1) ?? '', kind: type.get(2) ?? '' }, raw: parts.get(2) ?? Buffer.alloc(0) };
}

function messageName({ apiVersion, kind }: TypeMeta): string {
  const [group = '', version = ''] = apiVersion.includes('/') ? apiVersion.split('/') : ['core', apiVersion];
  const folder = group.split('.')[0] ?? '';
  const found = [`io.k8s.api.${folder}.${version}.${kind}`, `${MACHINERY}.apis.meta.v1.${kind}`].find((name) =>
    Object.hasOwn(messages(), name),
  );
  if (found === undefined) throw new RangeError(`no kind ${kind} in version ${apiVersion} is known`);
  return found;
}

function decodeMessage(name: string, bytes: Buffer, depth: number): Fields {
  if (depth > MAX_DEPTH) throw new RangeError('it is nested too deeply');
  const known = messages()[name] ?? {};
  // What is embedded itself has no schema, and embeds nothing further.
  const { properties } = schemaOf(name).schema;
  const result: Fields = {};
  for (const field of wireFields(bytes)) {
    const [key, type] = known[field.number] ?? [];
    if (key === undefined || type === undefined) continue;
    if (type.startsWith('[]')) {
      const list = (result[key] ??= []) as unknown[];
      list.push(decodeValue(type.slice(2), field, depth));
    } else if (type.startsWith('map:')) {
      const [entry, value] = mapEntry(type.slice(4), field.bytes ?? Buffer.alloc(0), depth);
      result[key] = { ...(result[key] as Fields | undefined), [entry]: value };
    } else {
      const value = decodeValue(type, field, depth);
      // What Go embeds is a message of its own here, and in JSON no level.
      if (properties && !Object.hasOwn(properties, key) && isMessage(type)) Object.assign(result, value);
      else result[key] = value;
    }
  }
  return result;
}

const isMessage = (type: string): boolean => type.includes('.');

function mapEntry(type: string, bytes: Buffer, depth: number): [string, unknown] {
  let key = '';
  let value: unknown = isMessage(type) ? {} : '';
  for (const field of wireFields(bytes)) {
    if (field.number === 1) key = field.bytes?.toString() ?? '';
    if (field.number === 2) value = decodeValue(type, field, depth);
  }
  return [key, value];
}

function decodeValue(type: string, field: WireField, depth: number): unknown {
  const { bytes = Buffer.alloc(0), value = 0n } = field;
  switch (type) {
    case 'string':
      return bytes.toString('utf8');
    case 'bytes':
      return bytes.toString('base64');
    case 'bool':
      return value !== 0n;
    case 'int32':
    case 'int64':
      return Number(BigInt.asIntN(64, value));
    default:
      return SPECIAL[type]?.(bytes) ?? (Object.hasOwn(SPECIAL, type) ? null : decodeMessage(type, bytes, depth + 1));
  }
}

/** Seconds and the rest of a time; null for Go's zero time, which is sent as an empty message. */
function time(bytes: Buffer, digits: 0 | 6): string | null {
  const parts = new Map([...wireFields(bytes)].map(({ number, value = 0n }) => [number, BigInt.asIntN(64, value)]));
  const seconds = parts.get(1);
  if (seconds === undefined) return null;
  const text = new Date(Number(seconds) * 1000).toISOString().slice(0, 19);
  return digits === 0 ? `${text}Z` : `${text}.${String((parts.get(2) ?? 0n) / 1000n).padStart(6, '0')}Z`;
}

const firstBytes = (bytes: Buffer): Buffer => [...wireFields(bytes)][0]?.bytes ?? Buffer.alloc(0);

/** Messages that JSON has no object for. */
const SPECIAL: Readonly<Record<string, (bytes: Buffer) => unknown>> = {
  [`${MACHINERY}.apis.meta.v1.Time`]: (bytes) => time(bytes, 0),
  [`${MACHINERY}.apis.meta.v1.MicroTime`]: (bytes) => time(bytes, 6),
  [`${MACHINERY}.api.resource.Quantity`]: (bytes) => firstBytes(bytes).toString() || '0',
  [`${MACHINERY}.apis.meta.v1.FieldsV1`]: (bytes) => JSON.parse(firstBytes(bytes).toString() || '{}') as unknown,
  [`${MACHINERY}.runtime.RawExtension`]: (bytes) => JSON.parse(firstBytes(bytes).toString() || '{}') as unknown,
  [`${MACHINERY}.util.intstr.IntOrString`]: (bytes) => {
    const fields = [...wireFields(bytes)];
    const isText = fields.some(({ number, value }) => number === 1 && value === 1n);
    const number = fields.find((field) => field.number === 2)?.value ?? 0n;
    const text = fields.find((field) => field.number === 3)?.bytes?.toString() ?? '';
    return isText ? text : Number(BigInt.asIntN(64, number));
  },
  'io.k8s.api.authentication.v1.ExtraValue': (bytes) =>
    [...wireFields(bytes)].map((field) => field.bytes?.toString() ?? ''),
  'io.k8s.api.authorization.v1.ExtraValue': (bytes) =>
    [...wireFields(bytes)].map((field) => field.bytes?.toString() ?? ''),
};
