import { apiVersionOf, type Resource } from '../resources/resource.ts';
import type { Registry } from '../registry/registry.ts';
import type { ApiObject } from '../storage/object.ts';
import { rangeAfter, rangeOf, rangeOfOne, type Range } from '../storage/range.ts';
import { CompactedError } from '../storage/store.ts';
import type { Call } from './call.ts';
import { encodeContinue, type Continue } from './continue.ts';
import { badRequest, expired, StatusError } from './errors.ts';
import { sendJson, type Exchange } from './exchange.ts';
import { listOptions } from './list-options.ts';
import type { RequestInfo } from './request-info.ts';
import { both, exactFields, fieldSelector, labelSelector, type Predicate } from './selectors.ts';
import { answerForm, partialOf, tableOf } from './table-format.ts';

/** get and list. */

/** What a request selects: labels, fields, and its name where it has one. */
export function selectorOf(
  resource: Pick<Resource, 'fields'>,
  { name }: Pick<RequestInfo, 'name'>,
  query: URLSearchParams,
): Predicate {
  const labels = query.get('labelSelector') ?? '';
  const fields = query.get('fieldSelector') ?? '';
  const selected = both(labelSelector(labels), fieldSelector(fields, resource.fields ?? {}));
  return name === '' ? selected : both(selected, ({ metadata }) => metadata.name === name);
}

export function get({ registry, resource, info, exchange }: Call): void {
  const object = registry.get({ resource, namespace: info.namespace, name: info.name });
  sendObject(exchange, resource, object, 200);
}

/** One object in the form that was asked for. */
export function sendObject(exchange: Exchange, resource: Resource, object: ApiObject, code: number): void {
  const { as, version } = answerForm(exchange.request.headers.accept);
  const { resourceVersion } = object.metadata;
  if (as === 'table') {
    const includeObject = exchange.query.get('includeObject') ?? 'Metadata';
    const options = { metadata: { resourceVersion }, version, includeObject, headers: true };
    sendJson(exchange, code, tableOf(resource, [object], options));
  } else {
    sendJson(exchange, code, as === 'partial' ? partialOf(object, version) : object);
  }
}

interface Page {
  readonly objects: ApiObject[];
  readonly metadata: Record<string, unknown>;
}

export function list({ registry, resource, info, exchange }: Call): void {
  const { as, version } = answerForm(exchange.request.headers.accept);
  const { objects, metadata } = pageOf(registry, resource, info, exchange.query);
  if (as === 'table') {
    const includeObject = exchange.query.get('includeObject') ?? 'Metadata';
    sendJson(exchange, 200, tableOf(resource, objects, { metadata, version, includeObject, headers: true }));
    return;
  }
  const partial = as === 'partial';
  sendJson(exchange, 200, {
    kind: partial ? 'PartialObjectMetadataList' : `${resource.kind}List`,
    apiVersion: partial ? `meta.k8s.io/${version}` : apiVersionOf(resource),
    metadata,
    items: objects.map((object) => (partial ? partialOf(object, version) : withoutType(object))),
  });
}

/** Elements of a typed list do not repeat what they are. */
function withoutType({ kind: _kind, apiVersion: _apiVersion, ...rest }: ApiObject): object {
  return rest;
}

/** The objects under a path in the state asked for, by pages. @throws StatusError Expired, BadRequest, Invalid */
export function pageOf(registry: Registry, resource: Resource, info: RequestInfo, query: URLSearchParams): Page {
  const { store } = registry;
  const { limit, from, exact, notOlderThan } = listOptions(query, info.namespace, resource.namespaced);
  const selected = selectorOf(resource, info, query);
  const asked = Math.max(exact ?? 0, notOlderThan);
  if (asked > store.revision) throw tooLarge(asked, store.revision);
  const whole = rangeOfRequest(resource, info, query);
  const range = from ? rangeAfter(whole, from.after) : whole;
  try {
    const { objects, revision, hasMore } = store.list(resource.storage, { range, revision: exact, limit, selected });
    const shown = objects.map((object) => resource.fromStorage?.(object) ?? object);
    const metadata: Record<string, unknown> = { resourceVersion: String(revision) };
    const last = objects.at(-1);
    if (!hasMore || !last) return { objects: shown, metadata };
    const after = { namespace: last.metadata.namespace ?? '', name: last.metadata.name ?? '' };
    // With a selector nobody knows how many are left, and Kubernetes does not say.
    const left = hasSelector(query)
      ? undefined
      : (from?.left ?? store.count(resource.storage, range, revision)) - objects.length;
    metadata['continue'] = encodeContinue({ revision, after, left }, info.namespace);
    if (left !== undefined) metadata['remainingItemCount'] = left;
    return { objects: shown, metadata };
  } catch (error) {
    throw error instanceof CompactedError ? tooOld(from, info.namespace) : error;
  }
}

const hasSelector = (query: URLSearchParams): boolean =>
  ['labelSelector', 'fieldSelector'].some((key) => (query.get(key) ?? '') !== '');

/** The part of a resource's objects that a request is about: one object where it can only be that one. */
export function rangeOfRequest(
  { namespaced }: Pick<Resource, 'namespaced'>,
  { namespace, name }: Pick<RequestInfo, 'namespace' | 'name'>,
  query: URLSearchParams,
): Range {
  const exact = exactFields(query.get('fieldSelector') ?? '');
  const place = {
    namespace: namespace === '' ? (exact.get('metadata.namespace') ?? '') : namespace,
    name: name === '' ? (exact.get('metadata.name') ?? '') : name,
  };
  const isAnyNamespace = namespaced && place.namespace === '';
  if (place.name !== '' && !isAnyNamespace) return rangeOfOne(place);
  return rangeOf(isAnyNamespace ? undefined : place.namespace);
}

/** A client that pages can go on where it was, in another state (apiserver pkg/storage/etcd3/errors.go). */
function tooOld(from: Continue | undefined, scope: string): StatusError {
  if (!from) return expired('The resourceVersion for the provided list is too old.');
  return expired(
    'The provided continue parameter is too old to display a consistent list result. You can start a new list without ' +
      'the continue parameter, or use the continue token in this response to retrieve the remainder of the results. ' +
      'Continuing with the provided token results in an inconsistent list - objects that were created, modified, or ' +
      'deleted between the time the first chunk was returned and now may show up in the list.',
    encodeContinue({ revision: undefined, after: from.after }, scope),
  );
}

/** The resourceVersion of a request; 0 stands for any. @throws StatusError BadRequest */
export function revisionOf(query: URLSearchParams): number {
  const text = query.get('resourceVersion') ?? '';
  if (text === '') return 0;
  if (/^\d{1,15}$/.test(text)) return Number(text);
  throw badRequest(`Invalid value for query parameter resourceVersion: ${JSON.stringify(text)}`);
}

/** For a version of the future: of another server, or of this one before its folder was replaced. */
export const tooLarge = (asked: number, current: number): StatusError =>
  new StatusError(504, 'Timeout', `Timeout: Too large resource version: ${asked}, current: ${current}`, {
    causes: [{ reason: 'ResourceVersionTooLarge', message: 'Too large resource version' }],
    retryAfterSeconds: 1,
  });
