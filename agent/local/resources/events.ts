import type { ApiObject } from '../storage/object.ts';
import { at, since, textAt } from './columns.ts';
import { ALL_VERBS, type Column, type Resource } from './resource.ts';

/** Events: one store, two versions of the API (pkg/apis/events/v1/conversion.go). */

const wide = (name: string, cell: Column['cell']): Column => ({ name, wide: true, cell });

function firstSeen(event: ApiObject): string {
  const first = textAt(event, 'firstTimestamp');
  return first === '' ? since(textAt(event, 'eventTime')) : since(first);
}

function lastSeen(event: ApiObject): string {
  if (at(event, 'series') !== undefined) return since(textAt(event, 'series', 'lastObservedTime'));
  const last = textAt(event, 'lastTimestamp');
  return last === '' ? firstSeen(event) : since(last);
}

function target(event: ApiObject): string {
  const kind = textAt(event, 'involvedObject', 'kind').toLowerCase();
  const name = textAt(event, 'involvedObject', 'name');
  return name === '' ? kind : `${kind}/${name}`;
}

function source(event: ApiObject): string {
  const component = textAt(event, 'source', 'component') || textAt(event, 'reportingComponent');
  const instance = textAt(event, 'source', 'host') || textAt(event, 'reportingInstance');
  return instance === '' ? component : `${component}, ${instance}`;
}

const countOf = (event: ApiObject): number =>
  Number(textAt(event, 'series', 'count') || textAt(event, 'count') || '1') || 1;

const involved = (...path: readonly string[]) =>
  [`involvedObject.${path.join('.')}`, (event: ApiObject) => textAt(event, 'involvedObject', ...path)] as const;

const FIELDS = Object.fromEntries([
  ...['kind', 'namespace', 'name', 'uid', 'apiVersion', 'resourceVersion', 'fieldPath'].map((key) => involved(key)),
  ['reason', (event: ApiObject) => textAt(event, 'reason')] as const,
  ['reportingComponent', (event: ApiObject) => textAt(event, 'reportingComponent')] as const,
  ['source', (event: ApiObject) => textAt(event, 'source', 'component')] as const,
  ['type', (event: ApiObject) => textAt(event, 'type')] as const,
]);

const columns: readonly Column[] = [
  { name: 'Last Seen', cell: lastSeen },
  { name: 'Type', cell: (event) => textAt(event, 'type') },
  { name: 'Reason', cell: (event) => textAt(event, 'reason') },
  { name: 'Object', cell: target },
  wide('Subobject', (event) => textAt(event, 'involvedObject', 'fieldPath')),
  wide('Source', source),
  { name: 'Message', cell: (event) => textAt(event, 'message').trim() },
  wide('First Seen', firstSeen),
  wide('Count', countOf),
  wide('Name', ({ metadata }) => metadata.name ?? ''),
];

const shared = {
  kind: 'Event',
  plural: 'events',
  shortNames: ['ev'],
  namespaced: true,
  verbs: ALL_VERBS,
  storage: 'events',
  hasStatus: false,
  names: 'path',
  columns,
  strategy: { allowsCreateOnUpdate: true },
} as const;

export const coreEvents: Resource = {
  ...shared,
  group: '',
  version: 'v1',
  schema: 'io.k8s.api.core.v1.Event',
  fields: FIELDS,
  strategy: {
    ...shared.strategy,
    defaults: (event) => {
      event['eventTime'] ??= null;
      event['reportingComponent'] ??= '';
      event['reportingInstance'] ??= '';
      event['source'] ??= {};
    },
  },
};

/** What the newer version calls otherwise: its name, and that of core/v1. */
const RENAMED: readonly (readonly [string, string])[] = [
  ['regarding', 'involvedObject'],
  ['note', 'message'],
  ['reportingController', 'reportingComponent'],
  ['deprecatedSource', 'source'],
  ['deprecatedFirstTimestamp', 'firstTimestamp'],
  ['deprecatedLastTimestamp', 'lastTimestamp'],
  ['deprecatedCount', 'count'],
];

function rename(event: ApiObject, apiVersion: string, names: ReadonlyMap<string, string>): ApiObject {
  const entries = Object.entries(event).map(([key, value]) => [names.get(key) ?? key, value]);
  return { ...(Object.fromEntries(entries) as ApiObject), apiVersion };
}

const TO_CORE = new Map(RENAMED);
const FROM_CORE = new Map(RENAMED.map(([newer, older]) => [older, newer]));

export const newEvents: Resource = {
  ...shared,
  group: 'events.k8s.io',
  version: 'v1',
  schema: 'io.k8s.api.events.v1.Event',
  fields: FIELDS,
  fromStorage: (event) => rename(event, 'events.k8s.io/v1', FROM_CORE),
  toStorage: (event) => rename(event, 'v1', TO_CORE),
};
