import { isObject } from '../schema/decode.ts';
import { jsonPatch } from '../schema/json-patch.ts';
import { mergePatch } from '../schema/merge-patch.ts';
import { strategicMergePatch } from '../schema/strategic-merge.ts';
import type { DeleteOptions } from '../registry/deletion.ts';
import type { Place, UpdateKind } from '../registry/registry.ts';
import { notHere } from '../resources/refused.ts';
import { apiVersionOf, type Resource } from '../resources/resource.ts';
import type { ApiObject } from '../storage/object.ts';
import { decodeObject, isDryRun, mediaType, readJson, readObject } from './body.ts';
import type { Call } from './call.ts';
import { badRequest, StatusError, notFound } from './errors.ts';
import { sendJson, type Exchange } from './exchange.ts';
import { pageOf, sendObject } from './read.ts';
import type { RequestInfo } from './request-info.ts';

/** create, update, patch, delete, deletecollection. */

/** A deletion of a collection goes by pages of so many. */
const PAGE = 500;

export async function create({ registry, resource, info, exchange }: Call): Promise<void> {
  const object = await readObject(exchange, resource);
  const { namespace = '' } = object.metadata;
  if (resource.namespaced && namespace !== '' && namespace !== info.namespace) {
    throw badRequest(`the namespace of the provided object does not match the namespace sent on the request`);
  }
  const dryRun = isDryRun(exchange.query);
  const created = registry.create(resource, object, resource.namespaced ? info.namespace : '', { dryRun });
  sendObject(exchange, resource, created, 201);
}

const placeOf = (resource: Resource, { namespace, name }: RequestInfo): Place => ({ resource, namespace, name });

const kindOf = ({ subresource }: RequestInfo): UpdateKind => (subresource === 'status' ? 'status' : 'object');

/** That the object in a request is the one that its path names. */
function checkName({ metadata }: ApiObject, { name, namespace }: RequestInfo): void {
  const problem = (what: string, given: string, wanted: string) =>
    badRequest(`the ${what} of the object (${given}) does not match the ${what} on the URL (${wanted})`);
  if (metadata.name === undefined || metadata.name === '') metadata.name = name;
  if (metadata.name !== name) throw problem('name', metadata.name, name);
  if ((metadata.namespace ?? '') === '' && namespace !== '') metadata.namespace = namespace;
  if ((metadata.namespace ?? '') !== namespace) throw problem('namespace', metadata.namespace ?? '', namespace);
}

export async function update({ registry, resource, info, exchange }: Call): Promise<void> {
  const object = await readObject(exchange, resource);
  checkName(object, info);
  const place = placeOf(resource, info);
  const dryRun = isDryRun(exchange.query);
  if (resource.strategy.allowsCreateOnUpdate && !object.metadata.resourceVersion && !registry.find(place)) {
    sendObject(exchange, resource, registry.create(resource, object, info.namespace, { dryRun }), 201);
    return;
  }
  sendObject(
    exchange,
    resource,
    registry.update(place, kindOf(info), () => object, { dryRun }),
    200,
  );
}

export async function patch({ registry, resource, info, exchange }: Call): Promise<void> {
  const change = await patchOf(exchange, resource);
  const place = placeOf(resource, info);
  if (!registry.find(place)) throw notFound(resource, info.name);
  const dryRun = isDryRun(exchange.query);
  const patched = registry.update(
    place,
    kindOf(info),
    (current) => {
      const object = change(current);
      checkName(object, info);
      return object;
    },
    { dryRun },
  );
  sendObject(exchange, resource, patched, 200);
}

/** What a patch makes of an object. @throws StatusError for a body that is no patch of its type */
export async function patchOf(exchange: Exchange, resource: Resource): Promise<(current: ApiObject) => ApiObject> {
  const type = mediaType(exchange);
  if (type.startsWith('application/apply-patch')) throw notHere('server-side apply');
  const body = await readJson(exchange);
  const apply = patchFunction(type, body, resource);
  const isStrategic = type.includes('strategic');
  return (current) => {
    const result = apply(current);
    if (!isObject(result)) throw badRequest('the patch leaves no object');
    const { kind, apiVersion } = result;
    if (kind !== resource.kind || apiVersion !== apiVersionOf(resource)) {
      throw badRequest(`the patch makes it another kind: ${String(kind)} in version ${String(apiVersion)}`);
    }
    const refuse = (why: string) => invalidPatch(isStrategic ? goText(body) : JSON.stringify(result), why);
    try {
      return decodeObject(exchange, resource, result, refuse);
    } catch (error) {
      if (!(error instanceof StatusError) || error.code !== 400) throw error;
      throw refuse(error.message.replace(/^.*? cannot be handled as a \S+: /, ''));
    }
  };
}

/** A patch whose result is no object of the kind. */
function invalidPatch(text: string, why: string): StatusError {
  const message = `Invalid value: ${JSON.stringify(text)}: ${why}`;
  const causes = [{ reason: 'FieldValueInvalid', field: 'patch', message }];
  return new StatusError(422, 'Invalid', ` "" is invalid: patch: ${message}`, { causes });
}

function patchFunction(type: string, body: unknown, resource: Resource): (current: ApiObject) => unknown {
  switch (type) {
    case 'application/json-patch+json':
      return (current) => jsonPatch(current, body);
    case 'application/merge-patch+json':
      return (current) => mergePatch(current, body);
    case 'application/strategic-merge-patch+json':
      if (!isObject(body)) throw badRequest('the patch is no object');
      return (current) => strategicMergePatch(resource.schema, current, body);
    default:
      throw new StatusError(
        415,
        'UnsupportedMediaType',
        'the body of the request was in an unknown format - accepted media types include: application/json-patch+json, ' +
          'application/merge-patch+json, application/strategic-merge-patch+json',
      );
  }
}

/** A value as Go's %v prints it: that is how the API server names a patch that it refuses. */
function goText(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(goText).join(' ')}]`;
  if (value === null || value === undefined) return '<nil>';
  if (!isObject(value)) return typeof value === 'string' ? value : JSON.stringify(value);
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return `map[${entries.map(([key, item]) => `${key}:${goText(item)}`).join(' ')}]`;
}

/** The options of a deletion: in the body, or in the query. */
async function deleteOptions(exchange: Exchange): Promise<DeleteOptions> {
  const body = (await readJson(exchange)) as
    (DeleteOptions & { dryRun?: string[]; orphanDependents?: boolean }) | undefined;
  const { query } = exchange;
  const seconds = query.get('gracePeriodSeconds');
  const policy = body?.propagationPolicy ?? query.get('propagationPolicy') ?? undefined;
  if (policy !== undefined && !['Background', 'Foreground', 'Orphan'].includes(policy)) {
    throw badRequest(
      `invalid propagationPolicy ${JSON.stringify(policy)}: Background, Foreground and Orphan are supported`,
    );
  }
  return {
    gracePeriodSeconds: body?.gracePeriodSeconds ?? (seconds === null ? undefined : Number(seconds)),
    propagationPolicy: body?.orphanDependents === true ? 'Orphan' : (policy as DeleteOptions['propagationPolicy']),
    preconditions: body?.preconditions,
    dryRun: isDryRun(query) || (body?.dryRun ?? []).length > 0,
  };
}

export async function remove({ registry, resource, info, exchange }: Call): Promise<void> {
  const options = await deleteOptions(exchange);
  const { object, gone } = registry.delete(placeOf(resource, info), options);
  // Who deletes a pod is shown its last state; of other kinds, that it was done (the Go registries' returnDeletedObject).
  if (!gone || resource.plural === 'pods') {
    sendObject(exchange, resource, object, 200);
    return;
  }
  const { name = '', uid = '' } = object.metadata;
  const details = { name, ...(resource.group === '' ? {} : { group: resource.group }), kind: resource.plural, uid };
  sendJson(exchange, 200, { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', details });
}

export async function removeCollection({ registry, resource, info, exchange }: Call): Promise<void> {
  const options = await deleteOptions(exchange);
  const { objects, metadata } = pageOf(registry, resource, info, exchange.query);
  const items: ApiObject[] = [];
  for (let first = 0; first < objects.length; first += PAGE) {
    registry.store.batch(() => {
      for (const { metadata: own } of objects.slice(first, first + PAGE)) {
        const place = { resource, namespace: own.namespace ?? '', name: own.name ?? '' };
        if (registry.find(place)) items.push(registry.delete(place, options).object);
      }
    });
    // Others have their turn: a collection may be large.
    await new Promise(setImmediate);
  }
  sendJson(exchange, 200, { kind: `${resource.kind}List`, apiVersion: apiVersionOf(resource), metadata, items });
}
