import { isDeepStrictEqual } from 'node:util';
import { field, type Cause } from '../api/errors.ts';
import type { ApiObject } from '../storage/object.ts';
import { AGE, NAME, at, sizeOf, textAt } from './columns.ts';
import { dataKeyProblem } from './names.ts';
import { ALL_VERBS, type Resource } from './resource.ts';

/** ConfigMaps and Secrets: values by key. Source: pkg/apis/core/validation, pkg/registry/core/{configmap,secret}. */

type Data = Readonly<Record<string, string>>;

/** Bytes of all values of one object. */
const MAX_SIZE = 1024 * 1024;
const IMMUTABLE = 'field is immutable when `immutable` is set';

const dataOf = (object: ApiObject, key: string): Data => (object[key] ?? {}) as Data;
const bytesOf = (base64: string): number => Buffer.byteLength(base64, 'base64');

function keyCauses(data: Data, path: string): Cause[] {
  return Object.keys(data).flatMap((key) => {
    const problem = dataKeyProblem(key);
    return problem === undefined ? [] : [field.invalid(`${path}[${key}]`, key, problem)];
  });
}

function validateConfigMap(object: ApiObject): Cause[] {
  const data = dataOf(object, 'data');
  const binary = dataOf(object, 'binaryData');
  const twice = Object.keys(data).filter((key) => Object.hasOwn(binary, key));
  const size =
    Object.values(data).reduce((sum, value) => sum + Buffer.byteLength(value), 0) +
    Object.values(binary).reduce((sum, value) => sum + bytesOf(value), 0);
  return [
    ...keyCauses(data, 'data'),
    ...twice.map((key) => field.invalid(`data[${key}]`, key, 'duplicate of key present in binaryData')),
    ...keyCauses(binary, 'binaryData'),
    ...(size > MAX_SIZE ? [field.tooLong('', MAX_SIZE)] : []),
  ];
}

/** What an object that was made immutable does not let change. */
function immutableCauses(object: ApiObject, old: ApiObject, fields: readonly string[]): Cause[] {
  if (old['immutable'] !== true) return [];
  const changed = fields.filter((name) => !isDeepStrictEqual(object[name] ?? {}, old[name] ?? {}));
  return [
    ...(object['immutable'] === true ? [] : [field.forbidden('immutable', IMMUTABLE)]),
    ...changed.map((name) => field.forbidden(name, IMMUTABLE)),
  ];
}

export const configMaps: Resource = {
  group: '',
  version: 'v1',
  kind: 'ConfigMap',
  plural: 'configmaps',
  shortNames: ['cm'],
  namespaced: true,
  verbs: ALL_VERBS,
  storage: 'configmaps',
  schema: 'io.k8s.api.core.v1.ConfigMap',
  hasStatus: false,
  columns: [
    NAME,
    {
      name: 'Data',
      cell: (object) => sizeOf(object['data']) + sizeOf(object['binaryData']),
    },
    AGE,
  ],
  strategy: {
    validate: validateConfigMap,
    validateUpdate: (object, old) => [
      ...immutableCauses(object, old, ['data', 'binaryData']),
      ...validateConfigMap(object),
    ],
  },
};

/** Keys that a Secret of a type has to have: one of each group. */
const SECRET_KEYS: Readonly<Record<string, readonly string[]>> = {
  'kubernetes.io/dockercfg': ['.dockercfg'],
  'kubernetes.io/dockerconfigjson': ['.dockerconfigjson'],
  'kubernetes.io/ssh-auth': ['ssh-privatekey'],
  'kubernetes.io/tls': ['tls.crt', 'tls.key'],
};

function typeCauses(object: ApiObject): Cause[] {
  const type = textAt(object, 'type');
  const data = dataOf(object, 'data');
  const missing = (keys: readonly string[]) =>
    keys.filter((key) => !Object.hasOwn(data, key)).map((key) => field.required(`data[${key}]`));
  if (type === 'kubernetes.io/basic-auth') {
    const absent = missing(['username', 'password']);
    return absent.length === 2 ? absent : [];
  }
  const keys = SECRET_KEYS[type] ?? [];
  const absent = missing(keys);
  const [key = ''] = keys;
  if (absent.length > 0 || !type.startsWith('kubernetes.io/dockerc')) return absent;
  try {
    JSON.parse(Buffer.from(data[key] ?? '', 'base64').toString());
    return [];
  } catch {
    return [field.invalid(`data[${key}]`, '<secret contents redacted>', 'invalid JSON')];
  }
}

function validateSecret(object: ApiObject): Cause[] {
  const data = dataOf(object, 'data');
  const size = Object.values(data).reduce((sum, value) => sum + bytesOf(value), 0);
  return [
    ...keyCauses(data, 'data'),
    ...(size > MAX_SIZE ? [field.tooLong('data', MAX_SIZE)] : []),
    ...typeCauses(object),
  ];
}

/** `stringData` is written, never read: its values become `data`. */
function mergeStringData(object: ApiObject): void {
  const text = Object.entries(dataOf(object, 'stringData'));
  if (text.length > 0) {
    const encoded = text.map(([key, value]) => [key, Buffer.from(value).toString('base64')] as const);
    object['data'] = { ...dataOf(object, 'data'), ...Object.fromEntries(encoded) };
  }
  delete object['stringData'];
}

export const secrets: Resource = {
  group: '',
  version: 'v1',
  kind: 'Secret',
  plural: 'secrets',
  namespaced: true,
  verbs: ALL_VERBS,
  storage: 'secrets',
  schema: 'io.k8s.api.core.v1.Secret',
  hasStatus: false,
  fields: { type: (object) => textAt(object, 'type') },
  columns: [
    NAME,
    {
      name: 'Type',
      cell: (object) => textAt(object, 'type'),
    },
    { name: 'Data', cell: (object) => sizeOf(at(object, 'data')) },
    AGE,
  ],
  strategy: {
    defaults: (object) => {
      mergeStringData(object);
      object['type'] ??= 'Opaque';
    },
    prepareForUpdate: (object, old) => {
      // As the type cannot change, none means the same as before.
      if (textAt(object, 'type') === '') object['type'] = old['type'];
    },
    validate: validateSecret,
    validateUpdate: (object, old) => [
      ...(object['type'] === old['type'] ? [] : [field.invalid('type', object['type'], 'field is immutable')]),
      ...immutableCauses(object, old, ['data']),
      ...validateSecret(object),
    ],
  },
};
