import { isDeepStrictEqual } from 'node:util';
import { badRequest } from '../api/errors.ts';
import { isObject } from './decode.ts';
import { resolve, schemaOf, type Schema } from './schema.ts';

const DIRECTIVE = '$patch';
const DELETE_FROM = '$deleteFromPrimitiveList/';
const ORDER = '$setElementOrder/';
const RETAIN = '$retainKeys';

type Item = Record<string, unknown>;

/**
 * Kubernetes' own merge patch (apimachinery pkg/util/strategicpatch): as a merge patch, but lists are merged by their
 * element's key where the kind's schema says so, and directives ($patch, $retainKeys, $setElementOrder,
 * $deleteFromPrimitiveList) say what cannot be said by values. Makes a new object.
 * @param name of the kind's schema
 * @throws StatusError BadRequest for a directive that does not exist
 */
export function strategicMergePatch(name: string, target: Item, patch: Item): Item {
  return mergeObject(target, patch, schemaOf(name).schema);
}

function mergeObject(target: Item, patch: Item, schema: Schema): Item {
  const directive = patch[DIRECTIVE];
  if (directive === 'replace') return clean(omit(patch, DIRECTIVE));
  if (directive === 'delete') return {};
  if (directive !== undefined && directive !== 'merge') {
    throw badRequest(`unknown patch type found: ${JSON.stringify(directive)}, in map: ${JSON.stringify(patch)}`);
  }
  const retained = patch[RETAIN];
  const kept = Array.isArray(retained)
    ? Object.fromEntries(Object.entries(target).filter(([key]) => retained.includes(key)))
    : target;
  const result = new Map(Object.entries(kept));
  for (const [key, value] of Object.entries(patch)) {
    if (key.startsWith('$')) continue;
    mergeField(result, key, value, schema);
  }
  for (const key of Object.keys(patch)) {
    if (key.startsWith(DELETE_FROM)) deletePrimitives(result, key.slice(DELETE_FROM.length), patch[key]);
    if (key.startsWith(ORDER)) reorder(result, key.slice(ORDER.length), patch, schema);
  }
  return Object.fromEntries(result);
}

function fieldSchema(schema: Schema, key: string): Schema {
  const { properties, additionalProperties } = schema;
  return (properties && Object.hasOwn(properties, key) ? properties[key] : undefined) ?? additionalProperties ?? {};
}

function mergeField(result: Map<string, unknown>, key: string, value: unknown, schema: Schema): void {
  if (value === null) {
    result.delete(key);
    return;
  }
  const own = fieldSchema(schema, key);
  const current = result.get(key);
  const strategy = own['x-kubernetes-patch-strategy'] ?? '';
  if (Array.isArray(value) && strategy.split(',').includes('merge')) {
    const mergeKey = own['x-kubernetes-patch-merge-key'];
    const before = Array.isArray(current) ? (current as unknown[]) : [];
    const elements = resolve(resolve(own).schema.items ?? {}).schema;
    const merged =
      mergeKey === undefined
        ? mergePrimitives(before, value)
        : mergeItems(before as Item[], value as Item[], mergeKey, elements);
    result.set(key, merged);
  } else if (isObject(value) && !strategy.split(',').includes('replace')) {
    const merged = mergeObject(isObject(current) ? current : {}, value, resolve(own).schema);
    if (value[DIRECTIVE] === 'delete') result.delete(key);
    else result.set(key, merged);
  } else {
    result.set(key, clean(value));
  }
}

const mergePrimitives = (before: readonly unknown[], added: readonly unknown[]): unknown[] => [
  ...before,
  ...added.filter((item, index) => !before.includes(item) && added.indexOf(item) === index),
];

function mergeItems(before: readonly Item[], patches: readonly Item[], key: string, schema: Schema): Item[] {
  if (patches.some((item) => item[DIRECTIVE] === 'replace' && !Object.hasOwn(item, key))) {
    return patches.filter((item) => item[DIRECTIVE] !== 'replace').map((item) => clean(item));
  }
  const result = [...before];
  for (const patch of patches) {
    if (!Object.hasOwn(patch, key)) {
      throw badRequest(`map: ${JSON.stringify(patch)} does not contain declared merge key: ${key}`);
    }
    const index = result.findIndex((item) => isDeepStrictEqual(item[key], patch[key]));
    const current = result[index];
    if (patch[DIRECTIVE] === 'delete') {
      if (current) result.splice(index, 1);
    } else if (patch[DIRECTIVE] === 'replace') {
      result.splice(current ? index : result.length, Number(current !== undefined), clean(omit(patch, DIRECTIVE)));
    } else if (current) {
      result[index] = mergeObject(current, patch, schema);
    } else {
      result.push(mergeObject({}, patch, schema));
    }
  }
  return result;
}

function deletePrimitives(result: Map<string, unknown>, key: string, values: unknown): void {
  const current = result.get(key);
  if (!Array.isArray(current) || !Array.isArray(values)) return;
  result.set(
    key,
    current.filter((item) => !values.includes(item)),
  );
}

/** Brings a list into the order that is wished; what the order does not name keeps its place after its left neighbour. */
function reorder(result: Map<string, unknown>, key: string, patch: Item, schema: Schema): void {
  const current = result.get(key);
  const order = patch[ORDER + key];
  if (!Array.isArray(current) || !Array.isArray(order)) return;
  const mergeKey = fieldSchema(schema, key)['x-kubernetes-patch-merge-key'];
  const idOf = (item: unknown): unknown => (mergeKey !== undefined && isObject(item) ? item[mergeKey] : item);
  const wished = order.map(idOf);
  const rank = (item: unknown): number => wished.findIndex((id) => isDeepStrictEqual(id, idOf(item)));
  const named = current.filter((item) => rank(item) >= 0).sort((a, b) => rank(a) - rank(b)) as unknown[];
  const sorted: unknown[] = [];
  for (const item of current as unknown[]) {
    // Others stand where they stood: after as many of the named as before them.
    if (rank(item) < 0) sorted.push(item);
    else sorted.push(named.shift());
  }
  result.set(key, sorted);
}

function omit(item: Item, key: string): Item {
  return Object.fromEntries(Object.entries(item).filter(([name]) => name !== key));
}

/** A value that is taken as it is, without the directives and nulls in it. */
function clean<T>(value: T): T {
  if (Array.isArray(value)) return value.map((item: unknown) => clean(item)) as T;
  if (!isObject(value)) return value;
  const entries = Object.entries(value).filter(([key, item]) => item !== null && !key.startsWith('$'));
  return Object.fromEntries(entries.map(([key, item]) => [key, clean(item)])) as T;
}
