import type { ApiObject } from '../storage/object.ts';
import { badRequest, type StatusError } from './errors.ts';

export type Predicate = (object: ApiObject) => boolean;

const LABEL = /^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?\/)?[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$/;
const EVERYTHING: Predicate = () => true;

/**
 * A label selector as kubectl writes it: 'a=b,c!=d,e in (f,g),h notin (i),j,!k' (apimachinery pkg/labels).
 * @throws StatusError BadRequest
 */
export function labelSelector(text: string): Predicate {
  const requirements = splitRequirements(text).map(requirementOf);
  if (requirements.length === 0) return EVERYTHING;
  return ({ metadata }) => requirements.every((matches) => matches(metadata.labels ?? {}));
}

/** At the commas that stand outside of parentheses. */
function splitRequirements(text: string): string[] {
  return text
    .split(/,(?![^(]*\))/)
    .map((part) => part.trim())
    .filter((part) => part !== '');
}

type Requirement = (labels: Readonly<Record<string, string>>) => boolean;

function requirementOf(text: string): Requirement {
  const set = /^(\S+)\s+(in|notin)\s*\(([^)]*)\)$/.exec(text);
  if (set) {
    const values = (set[3] ?? '').split(',').map((value) => value.trim());
    const key = keyOf(set[1] ?? '', text);
    return set[2] === 'in'
      ? (labels) => Object.hasOwn(labels, key) && values.includes(labels[key] ?? '')
      : (labels) => !Object.hasOwn(labels, key) || !values.includes(labels[key] ?? '');
  }
  const compared = /^([^=!<>\s]+)\s*(==|=|!=|>|<)\s*(\S*)$/.exec(text);
  if (compared) return comparison(keyOf(compared[1] ?? '', text), compared[2] ?? '=', compared[3] ?? '');
  if (text.startsWith('!')) {
    const key = keyOf(text.slice(1).trim(), text);
    return (labels) => !Object.hasOwn(labels, key);
  }
  const key = keyOf(text, text);
  return (labels) => Object.hasOwn(labels, key);
}

function comparison(key: string, operator: string, value: string): Requirement {
  switch (operator) {
    case '!=':
      return (labels) => labels[key] !== value;
    case '>':
      return (labels) => Number(labels[key] ?? NaN) > Number(value);
    case '<':
      return (labels) => Number(labels[key] ?? NaN) < Number(value);
    default:
      return (labels) => labels[key] === value;
  }
}

function keyOf(key: string, text: string): string {
  if (LABEL.test(key)) return key;
  throw badRequest(`unable to parse requirement: found '${text}', expected: a label selector as 'key=value'`);
}

/** The fields of a kind that can be selected by, beside metadata.name and metadata.namespace. */
export type SelectableFields = Readonly<Record<string, (object: ApiObject) => string>>;

const METADATA: SelectableFields = {
  'metadata.name': ({ metadata }) => metadata.name ?? '',
  'metadata.namespace': ({ metadata }) => metadata.namespace ?? '',
};

/**
 * A field selector: 'a=b,c!=d' over the few fields that the API server offers for the kind (apimachinery pkg/fields).
 * @throws StatusError BadRequest for a field that the kind does not offer
 */
export function fieldSelector(text: string, fields: SelectableFields): Predicate {
  const known = { ...METADATA, ...fields };
  const tests = fieldTerms(text).map(({ name, isEqual, value }): Predicate => {
    const read = Object.hasOwn(known, name) ? known[name] : undefined;
    if (!read) throw unknownField(name, fields);
    return (object) => (read(object) === value) === isEqual;
  });
  return tests.length === 0 ? EVERYTHING : (object) => tests.every((matches) => matches(object));
}

/** Fields for which a selector leaves one value. @throws StatusError BadRequest */
export const exactFields = (text: string): ReadonlyMap<string, string> =>
  new Map(
    fieldTerms(text)
      .filter(({ isEqual }) => isEqual)
      .map(({ name, value }) => [name, value]),
  );

interface FieldTerm {
  readonly name: string;
  readonly isEqual: boolean;
  readonly value: string;
}

function fieldTerms(text: string): FieldTerm[] {
  const parts = text.split(',').filter((part) => part !== '');
  return parts.map((part) => {
    const parsed = /^([^=!]+)(==|=|!=)(.*)$/.exec(part);
    if (!parsed) throw badRequest(`invalid selector: '${text}'; can't understand '${part}'`);
    const [, name = '', operator, value = ''] = parsed;
    return { name, isEqual: operator !== '!=', value };
  });
}

/** Kinds with fields of their own say it in other words than those that have none. */
function unknownField(name: string, fields: SelectableFields): StatusError {
  if (Object.keys(fields).length > 0) return badRequest(`field label not supported: ${name}`);
  const known = Object.keys(METADATA).map((key) => JSON.stringify(key));
  return badRequest(`${JSON.stringify(name)} is not a known field selector: only ${known.join(', ')}`);
}

/** Both. */
export const both =
  (a: Predicate, b: Predicate): Predicate =>
  (object) =>
    a(object) && b(object);
