import { z } from 'zod';
import { apiVersionOf, type Resource } from '../resources/resource.ts';
import type { Registry } from '../registry/registry.ts';
import type { ApiObject } from '../storage/object.ts';
import { CompactedError } from '../storage/store.ts';
import type { Call } from './call.ts';
import { badRequest, expired, StatusError } from './errors.ts';
import { sendJson, type Exchange } from './exchange.ts';
import type { RequestInfo } from './request-info.ts';
import { both, fieldSelector, labelSelector, type Predicate } from './selectors.ts';
import { answerForm, partialOf, tableOf } from './table-format.ts';

/** get and list. */

/** Where a list goes on: after which object, in the state of which revision. */
const continueSchema = z.object({
  v: z.literal(1),
  rv: z.number().int().nonnegative(),
  after: z.tuple([z.string(), z.string()]),
});
type Continue = z.infer<typeof continueSchema>;

const encodeContinue = (token: Continue): string => Buffer.from(JSON.stringify(token)).toString('base64url');

function decodeContinue(text: string): Continue {
  try {
    return continueSchema.parse(JSON.parse(Buffer.from(text, 'base64url').toString()));
  } catch {
    throw badRequest('continue key is not valid: it does not come from this server');
  }
}

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

/** The objects under a path in the state asked for, by pages. @throws StatusError Expired, BadRequest */
export function pageOf(registry: Registry, resource: Resource, info: RequestInfo, query: URLSearchParams): Page {
  const selected = selectorOf(resource, info, query);
  const token = query.get('continue');
  const from = token ? decodeContinue(token) : undefined;
  const limit = Number(query.get('limit') ?? 0);
  const exact = query.get('resourceVersionMatch') === 'Exact' ? revisionOf(query) : undefined;
  const listed = stateAt(registry, resource, info, from?.rv ?? exact);
  const rest = from ? listed.objects.filter((object) => isAfter(object, from.after)) : listed.objects;
  const shown = rest.map((object) => resource.fromStorage?.(object) ?? object);
  const found = shown.filter((object, index) => selected(rest[index] ?? object));
  const metadata: Record<string, unknown> = { resourceVersion: String(listed.revision) };
  if (!(limit > 0) || found.length <= limit) return { objects: found, metadata };
  const objects = found.slice(0, limit);
  metadata['continue'] = encodeContinue({ v: 1, rv: listed.revision, after: positionOf(objects.at(-1)) });
  // With a selector nobody knows how many are left, and Kubernetes does not say.
  if (!query.get('labelSelector') && !query.get('fieldSelector')) metadata['remainingItemCount'] = found.length - limit;
  return { objects, metadata };
}

const positionOf = (object: ApiObject | undefined): [string, string] => [
  object?.metadata.namespace ?? '',
  object?.metadata.name ?? '',
];

function stateAt(registry: Registry, resource: Resource, info: RequestInfo, revision: number | undefined) {
  const namespace = info.namespace === '' ? undefined : info.namespace;
  if (revision !== undefined && revision > registry.store.revision) throw tooLarge(revision, registry.store.revision);
  try {
    return registry.store.list(resource.storage, { namespace, revision });
  } catch (error) {
    if (!(error instanceof CompactedError)) throw error;
    throw expired(
      'The provided continue parameter is too old to display a consistent list result. You can start a new list without ' +
        'the continue parameter.',
    );
  }
}

function isAfter(
  { metadata: { namespace = '', name = '' } }: ApiObject,
  [lastNamespace, lastName]: readonly [string, string],
): boolean {
  return namespace === lastNamespace ? name > lastName : namespace > lastNamespace;
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
  new StatusError(504, 'Timeout', `Too large resource version: ${asked}, current: ${current}`, {
    causes: [{ reason: 'ResourceVersionTooLarge', message: 'Too large resource version' }],
    retryAfterSeconds: 1,
  });
