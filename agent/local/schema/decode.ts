import { asQuantity, formatQuantity } from '../../config/quantity.ts';
import { badRequest } from '../api/errors.ts';
import { resolve, schemaOf, type Resolved, type Schema } from './schema.ts';

export interface Decoded {
  /** As Kubernetes would give it back: what the kind does not know and what is empty is left out. */
  readonly value: Record<string, unknown>;
  /** Of what was left out because the kind does not know it: 'unknown field "spec.foo"', in the order of the object. */
  readonly unknown: readonly string[];
}

const QUANTITY = 'io.k8s.apimachinery.pkg.api.resource.Quantity';
const INT_OR_STRING = 'io.k8s.apimachinery.pkg.util.intstr.IntOrString';
/** Booleans that Go keeps without a pointer: false is as if they were not there. */
const PLAIN_BOOLEANS = new Set(['readOnly', 'stdin', 'stdinOnce', 'tty', 'hostNetwork', 'hostPID', 'hostIPC', 'ready']);
/** And numbers: of them 0. */
const PLAIN_NUMBERS = new Set([
  'hostPort',
  'initialDelaySeconds',
  'timeoutSeconds',
  'periodSeconds',
  'successThreshold',
  'failureThreshold',
  'generation',
  'count',
]);
const GO_TYPES: Readonly<Record<string, string>> = { integer: 'int64', boolean: 'bool', number: 'float64' };

/**
 * Reads an object as its Go type would be read and written again: field by field after the kind's schema.
 * @param name of the schema
 * @throws StatusError BadRequest for a value of another type, in encoding/json's words
 */
export function decode(name: string, value: unknown, title: { kind: string; version: string }): Decoded {
  const unknown: string[] = [];
  const decoder = new Decoder(unknown, title);
  const decoded = decoder.read(schemaOf(name), value, [], '');
  return { value: (decoded ?? {}) as Record<string, unknown>, unknown };
}

class Decoder {
  readonly #unknown: string[];
  readonly #title: { kind: string; version: string };

  constructor(unknown: string[], title: { kind: string; version: string }) {
    this.#unknown = unknown;
    this.#title = title;
  }

  /** @param path with indices, for messages @param owner the struct that the value is a field of */
  read({ schema, name }: Resolved, value: unknown, path: readonly (string | number)[], owner: string): unknown {
    if (name === QUANTITY) return this.#quantity(value);
    if (name === INT_OR_STRING || schema.oneOf) return value;
    switch (schema.type) {
      case 'object':
        return this.#object({ schema, name }, value, path, owner);
      case 'array': {
        if (!Array.isArray(value)) throw this.#mismatch(value, path, owner, goType({ schema, name }));
        const items = resolve(schema.items ?? {});
        return value.map((item, index) => this.read(items, item, [...path, index], owner));
      }
      case 'string':
      case 'integer':
      case 'number':
      case 'boolean':
        return this.#scalar({ schema, name }, value, path, owner);
      default:
        return value; // RawExtension, FieldsV1, JSON: whatever it is
    }
  }

  #object({ schema, name }: Resolved, value: unknown, path: readonly (string | number)[], owner: string): unknown {
    if (!isObject(value)) throw this.#mismatch(value, path, owner, goType({ schema, name }));
    const { properties, additionalProperties } = schema;
    if (!properties && !additionalProperties) return value;
    const result: Record<string, unknown> = {};
    for (const [key, item] of Object.entries(value)) {
      const known = fieldOf(schema, key);
      if (!known) this.#unknown.push(`unknown field "${pathText([...path, key])}"`);
      else if (properties) this.#property(result, { schema, name }, { key, item, path });
      else set(result, key, this.read(resolve(known), item ?? '', path, owner));
    }
    return result;
  }

  #property(
    result: Record<string, unknown>,
    { schema, name }: Resolved,
    { key, item, path }: { key: string; item: unknown; path: readonly (string | number)[] },
  ): void {
    if (item === null) {
      if (isNullable(key)) result[key] = null;
      return;
    }
    const target = resolve(fieldOf(schema, key) ?? {});
    const read = this.read(target, item, [...path, key], name.split('.').at(-1) ?? '');
    const isRequired = schema.required?.includes(key) ?? false;
    if (isRequired || !isEmpty(key, target.schema, read)) set(result, key, read);
  }

  #scalar({ schema, name }: Resolved, value: unknown, path: readonly (string | number)[], owner: string): unknown {
    if (schema.format === 'byte' && typeof value === 'string') return this.#bytes(value);
    const wanted = schema.type === 'integer' || schema.type === 'number' ? 'number' : schema.type;
    if (typeof value === wanted && (schema.type !== 'integer' || Number.isSafeInteger(value))) return value;
    throw this.#mismatch(value, path, owner, goType({ schema, name }));
  }

  /** Bytes, in Base64. */
  #bytes(value: string): string {
    const wrong = /[^A-Za-z0-9+/]/.exec(value.replace(/={0,2}$/, ''));
    if (!wrong && value.length % 4 === 0) return value;
    throw this.#cannotBeHandled(`illegal base64 data at input byte ${wrong?.index ?? value.length}`);
  }

  #quantity(value: unknown): string {
    const isWritten = typeof value === 'string' || typeof value === 'number';
    const quantity = isWritten ? asQuantity(String(value).trim()) : undefined;
    if (quantity) return formatQuantity(quantity);
    throw this.#cannotBeHandled(
      "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'",
    );
  }

  #mismatch(value: unknown, path: readonly (string | number)[], owner: string, type: string): Error {
    const names = path.filter((part) => typeof part === 'string').join('.');
    const where = names === '' ? `Go value of type ${type}` : `Go struct field ${owner}.${names} of type ${type}`;
    const what = typeof value === 'number' && !Number.isInteger(value) ? `number ${value}` : jsonType(value);
    return this.#cannotBeHandled(`json: cannot unmarshal ${what} into ${where}`);
  }

  #cannotBeHandled(why: string): Error {
    const { kind, version } = this.#title;
    return badRequest(`${kind} in version "${version}" cannot be handled as a ${kind}: ${why}`);
  }
}

const fieldOf = ({ properties, additionalProperties }: Schema, key: string): Schema | undefined =>
  properties ? (Object.hasOwn(properties, key) ? properties[key] : undefined) : additionalProperties;

/** Times that the API shows as null when they are not set. */
const isNullable = (key: string): boolean => key === 'lastProbeTime' || key === 'lastTransitionTime';

/** `__proto__` is a name like any other. */
function set(target: Record<string, unknown>, key: string, value: unknown): void {
  Object.defineProperty(target, key, { value, enumerable: true, writable: true, configurable: true });
}

/** What Go's omitempty leaves out. */
function isEmpty(key: string, schema: Schema, value: unknown): boolean {
  if (value === '') return true;
  if (value === 0) return PLAIN_NUMBERS.has(key);
  if (value === false) return PLAIN_BOOLEANS.has(key);
  if (Array.isArray(value)) return value.length === 0;
  return schema.additionalProperties !== undefined && isObject(value) && Object.keys(value).length === 0;
}

/** The Go type that messages name. */
function goType({ schema, name }: Resolved): string {
  if (name !== '' && schema.type === 'object') return name.split('.').slice(-2).join('.');
  if (schema.type === 'array') return `[]${goType(resolve(schema.items ?? {}))}`;
  if (schema.type === 'object') return `map[string]${goType(resolve(schema.additionalProperties ?? {}))}`;
  if (schema.type === 'integer') return schema.format ?? 'int64';
  return GO_TYPES[schema.type ?? ''] ?? 'string';
}

function jsonType(value: unknown): string {
  if (Array.isArray(value)) return 'array';
  return typeof value === 'boolean' ? 'bool' : typeof value;
}

const pathText = (path: readonly (string | number)[]): string =>
  path.map((part, index) => (typeof part === 'number' ? `[${part}]` : index === 0 ? part : `.${part}`)).join('');

export const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
