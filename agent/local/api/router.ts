import { isAllowed, refusalText, type Attributes } from '../auth/authorize.ts';
import type { Tokens } from '../auth/tokens.ts';
import type { Registry } from '../registry/registry.ts';
import { notHere, REFUSED, refusal } from '../resources/refused.ts';
import { findResource, REVIEWS, SUBRESOURCES } from '../resources/table.ts';
import type { Resource, Verb } from '../resources/resource.ts';
import type { Handler } from './call.ts';
import { discovery } from './discovery.ts';
import { forbidden, methodNotSupported, noSuchPath } from './errors.ts';
import { sendJson, sendText, type Exchange } from './exchange.ts';
import type { NodeProxy } from './node-proxy.ts';
import { nodeProxyTarget, podTarget, type Target } from './node-proxy.ts';
import { openApi } from './openapi.ts';
import { binding, ephemeralContainers, eviction } from './pod-subresources.ts';
import { get, list } from './read.ts';
import { requestInfo, type RequestInfo } from './request-info.ts';
import { createToken, review } from './reviews.ts';
import { watch } from './watch.ts';
import { create, patch, remove, removeCollection, update } from './write.ts';

export interface RouterContext {
  readonly registry: Registry;
  readonly tokens: Tokens;
  readonly proxy: NodeProxy;
  /** Of /version. */
  readonly version: object;
  /** 'host:port' of this server. */
  readonly address: () => string;
  /** Ends watches. */
  readonly signal: AbortSignal;
}

const PROXIED = ['log', 'exec', 'attach', 'portforward', 'proxy'];
const HEALTH = ['/healthz', '/livez', '/readyz'];

const HANDLERS: Readonly<Record<Verb, Handler>> = {
  get,
  list,
  watch,
  create,
  update,
  patch,
  delete: remove,
  deletecollection: removeCollection,
};

/** Answers one request of a known user. @throws StatusError, URIError */
export async function route(context: RouterContext, exchange: Exchange): Promise<void> {
  const info = requestInfo(exchange.path);
  if (!info) {
    answerPath(context, exchange);
    return;
  }
  const refused = REFUSED.find(
    ({ group, version, plural }) => group === info.group && version === info.version && plural === info.resource,
  );
  if (refused) throw refusal(refused);
  const asked = REVIEWS.find(
    ({ group, version, plural }) => group === info.group && version === info.version && plural === info.resource,
  );
  const resource = findResource(info.group, info.version, info.resource);
  if (!resource && !asked) throw noSuchPath();
  authorize(exchange, info);
  if (asked) await review(context, asked, exchange);
  else if (resource) await answer(context, resource, info, exchange);
}

/** The verb of a request (apiserver pkg/endpoints/request). */
function verbOf({ request, query }: Exchange, { name }: RequestInfo): Verb | '' {
  switch (request.method) {
    case 'POST':
      return 'create';
    case 'PUT':
      return 'update';
    case 'PATCH':
      return 'patch';
    case 'DELETE':
      return name === '' ? 'deletecollection' : 'delete';
    case 'GET':
    case 'HEAD':
      if (isTrue(query.get('watch'))) return 'watch';
      return name === '' ? 'list' : 'get';
    default:
      return '';
  }
}

const isTrue = (value: string | null): boolean => value !== null && value !== 'false' && value !== '0';

/** @throws StatusError Forbidden */
export function authorize(exchange: Exchange, info: RequestInfo): void {
  const { group, resource, subresource, namespace, name } = info;
  // What executes is create, whatever the method of the request that opens the stream.
  const verb = ['exec', 'attach', 'portforward'].includes(subresource) ? 'create' : verbOf(exchange, info);
  const attributes: Attributes = { verb, group, resource, subresource, namespace, name };
  if (isAllowed(exchange.user, attributes)) return;
  const kind = { group, plural: subresource === '' ? resource : `${resource}/${subresource}`, kind: resource };
  throw forbidden(kind, name, refusalText(exchange.user, attributes));
}

async function answer(
  context: RouterContext,
  resource: Resource,
  info: RequestInfo,
  exchange: Exchange,
): Promise<void> {
  const { subresource } = info;
  if (subresource !== '' && !(subresource === 'status' && resource.hasStatus)) {
    await answerSubresource(context, resource, info, exchange);
    return;
  }
  const asked = verbOf(exchange, info);
  const verb = resource.verbs.find((one) => one === asked);
  // What is only shown is made elsewhere.
  if (!verb) throw resource.verbs.includes('create') ? methodNotSupported(resource, asked) : refusal(resource);
  const { registry, signal } = context;
  await HANDLERS[verb]({ registry, resource, info, exchange, signal });
}

async function answerSubresource(
  context: RouterContext,
  resource: Resource,
  info: RequestInfo,
  exchange: Exchange,
): Promise<void> {
  const { registry, proxy } = context;
  if (info.subresource === 'log' && isUnassigned(registry, resource, info)) {
    sendText(exchange.response, 200, '');
    return;
  }
  const target = proxyTarget(context, info, exchange);
  if (target) {
    await proxy.forward(target, exchange);
    return;
  }
  const { method } = exchange.request;
  const known = SUBRESOURCES.some(({ of, name }) => of === resource.plural && name === info.subresource);
  if (resource.plural === 'pods' && info.subresource === 'resize') throw notHere('resizing a pod');
  if (!known) throw noSuchPath();
  switch (`${info.subresource} ${method ?? ''}`) {
    case 'binding POST':
      await binding(registry, info, exchange);
      return;
    case 'eviction POST':
      await eviction(registry, info, exchange);
      return;
    case 'token POST':
      await createToken(context, info, exchange);
      return;
    case 'ephemeralcontainers GET':
    case 'ephemeralcontainers PUT':
    case 'ephemeralcontainers PATCH':
      await ephemeralContainers(registry, info, exchange);
      return;
    default:
      throw methodNotSupported(resource, verbOf(exchange, info));
  }
}

/** A pod that is on no node yet has no log, and that is no error. */
function isUnassigned(registry: Registry, resource: Resource, { namespace, name }: RequestInfo): boolean {
  const { nodeName = '' } = (registry.get({ resource, namespace, name })['spec'] ?? {}) as { nodeName?: string };
  return nodeName === '';
}

/** Where a request goes on that is not answered here. @throws StatusError */
export function proxyTarget(
  { registry }: Pick<RouterContext, 'registry'>,
  info: RequestInfo,
  { query }: Exchange,
): Target | undefined {
  if (info.group !== '' || !PROXIED.includes(info.subresource)) return undefined;
  if (info.resource === 'pods') return podTarget(registry, info, query);
  return info.resource === 'nodes' && info.subresource === 'proxy' ? nodeProxyTarget(registry, info, query) : undefined;
}

/** Everything that is not about objects. @throws StatusError */
function answerPath({ version, address }: RouterContext, exchange: Exchange): void {
  const { path, request, response } = exchange;
  if (request.method !== 'GET' && request.method !== 'HEAD') throw noSuchPath();
  if (HEALTH.some((health) => path === health || path.startsWith(`${health}/`))) {
    sendText(response, 200, 'ok');
    return;
  }
  if (path === '/version' || path === '/version/') {
    sendJson(exchange, 200, version);
    return;
  }
  const document = openApi(path);
  if (document !== undefined) {
    sendText(response, 200, document, { type: 'application/json' });
    return;
  }
  const found = discovery(path, request.headers.accept ?? '', address());
  if (!found) throw noSuchPath();
  sendText(response, 200, `${JSON.stringify(found.body)}\n`, { type: found.type ?? 'application/json' });
}
