import { randomInt, randomUUID } from 'node:crypto';
import { field, type Cause } from '../api/errors.ts';
import {
  labelCauses,
  labelProblem,
  pathSegmentProblem,
  qualifiedNameProblem,
  subdomainProblem,
} from '../resources/names.ts';
import type { Resource } from '../resources/resource.ts';
import type { ApiObject } from '../storage/object.ts';

/** What every object has in common (apimachinery pkg/api/validation/objectmeta.go, apiserver pkg/registry/rest). */

/** Letters and digits that spell no words (apimachinery util/rand). */
const ALPHABET = 'bcdfghjklmnpqrstvwxz2456789';
const SUFFIX_LENGTH = 5;
const MAX_GENERATED = 63 - SUFFIX_LENGTH;
const MAX_ANNOTATIONS = 256 * 1024;

export const randomSuffix = (): string =>
  Array.from({ length: SUFFIX_LENGTH }, () => ALPHABET[randomInt(ALPHABET.length)]).join('');

/** The API's form of a time. */
export const timestamp = (ms = Date.now()): string => new Date(ms).toISOString().replace(/\.\d+Z$/, 'Z');

/** Sets what the server alone decides of a new object. */
export function stampNew(object: ApiObject, namespace: string): void {
  const { metadata } = object;
  for (const key of [
    'deletionTimestamp',
    'deletionGracePeriodSeconds',
    'selfLink',
    'managedFields',
    'generation',
  ] as const) {
    Reflect.deleteProperty(metadata, key);
  }
  if (!metadata.name && metadata.generateName) {
    metadata.name = metadata.generateName.slice(0, MAX_GENERATED) + randomSuffix();
  }
  if (namespace === '') delete metadata.namespace;
  else metadata.namespace = namespace;
  metadata.uid = randomUUID();
  metadata.creationTimestamp = timestamp();
}

/** Puts what an update cannot change back. */
export function keepMetadata(object: ApiObject, old: ApiObject): void {
  const { metadata } = object;
  delete metadata.managedFields;
  delete metadata.selfLink;
  const kept = ['uid', 'creationTimestamp', 'deletionTimestamp', 'deletionGracePeriodSeconds', 'generateName'] as const;
  for (const key of kept) {
    const value = old.metadata[key];
    if (value === undefined) Reflect.deleteProperty(metadata, key);
    else Object.assign(metadata, { [key]: value });
  }
}

const NAMES: Readonly<Record<string, (name: string) => string | undefined>> = {
  label: labelProblem,
  path: pathSegmentProblem,
};

export function metadataCauses(resource: Pick<Resource, 'names'>, { metadata }: ApiObject): Cause[] {
  const { names = '' } = resource;
  const { name = '', labels = {}, annotations = {}, finalizers = [] } = metadata;
  const problem = name === '' ? undefined : (NAMES[names] ?? subdomainProblem)(name);
  const size = Object.entries(annotations).reduce((sum, [key, value]) => sum + key.length + value.length, 0);
  return [
    ...(name === '' ? [field.required('metadata.name', 'name or generateName is required')] : []),
    ...(problem === undefined ? [] : [field.invalid('metadata.name', name, problem)]),
    ...labelCauses(labels, 'metadata.labels'),
    ...Object.keys(annotations).flatMap((key) => {
      const wrong = qualifiedNameProblem(key.toLowerCase());
      return wrong === undefined ? [] : [field.invalid('metadata.annotations', key, wrong)];
    }),
    ...(size > MAX_ANNOTATIONS ? [field.tooLong('metadata.annotations', MAX_ANNOTATIONS)] : []),
    ...finalizers.flatMap((finalizer) => {
      const wrong = qualifiedNameProblem(finalizer);
      return wrong === undefined ? [] : [field.invalid('metadata.finalizers', finalizer, wrong)];
    }),
  ];
}
