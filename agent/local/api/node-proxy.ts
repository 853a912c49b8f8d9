import { request as httpRequest, type IncomingHttpHeaders, type IncomingMessage, type RequestOptions } from 'node:http';
import { request as httpsRequest } from 'node:https';
import type { Duplex } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { messageOf } from '../../../base/errors.ts';
import type { Node, Pod } from '../../kube/types.ts';
import type { Registry } from '../registry/registry.ts';
import type { KeyPair } from '../auth/authority.ts';
import { nodes } from '../resources/cluster.ts';
import { pods } from '../resources/pods/pods.ts';
import { badRequest, conflict, StatusError } from './errors.ts';
import type { Exchange } from './exchange.ts';
import { isRefusal, logRefusal } from './node-refusal.ts';
import type { RequestInfo } from './request-info.ts';

/** Where a request goes on. */
export interface Target {
  readonly protocol: 'http' | 'https';
  readonly host: string;
  readonly port: number;
  readonly path: string;
  /** Of the pod whose log is asked for: a refusal of its node is told as the API server tells it. */
  readonly logOf?: string;
}

const CONNECT_MS = 30_000;
/** Headers of one connection alone (RFC 9110, 7.6.1), and credentials, which are for this server. */
const HOP_BY_HOP = [
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'host',
  'authorization',
];

const unavailable = (message: string): StatusError => new StatusError(503, 'ServiceUnavailable', message);

/** The node of a pod, or a node by name, as its own API is reached. */
function nodeTarget(registry: Registry, name: string, path: string): Target {
  const node = registry.get({ resource: nodes, namespace: '', name }) as unknown as Node;
  const host = node.status?.addresses?.find(({ type }) => type === 'InternalIP')?.address;
  const port = node.status?.daemonEndpoints?.kubeletEndpoint?.Port;
  if (host === undefined || !port) throw unavailable(`node ${name} does not say where its API is: has it started?`);
  return { protocol: 'https', host, port, path };
}

/** The container that is meant where a request names none (pkg/registry/core/pod/strategy.go, podAndContainer). */
function containerOf({ metadata, spec }: Pod, asked: string): string {
  const name = metadata?.name ?? '';
  const own = (spec?.containers ?? []).map((container) => container.name);
  const initial = (spec?.initContainers ?? []).map((container) => container.name);
  const ephemeral = (spec?.ephemeralContainers ?? []).map((container) => container.name);
  if (asked !== '') {
    if ([...own, ...initial, ...ephemeral].includes(asked)) return asked;
    throw badRequest(`container ${asked} is not valid for pod ${name}`);
  }
  const [only] = own;
  if (only !== undefined && own.length === 1) return only;
  const others = initial.length === 0 ? '' : ` or one of the init containers: [${initial.join(' ')}]`;
  throw badRequest(`a container name must be specified for pod ${name}, choose one of: [${own.join(' ')}]${others}`);
}

/** How the node calls the streams of exec and attach. */
const STREAMS: Readonly<Record<string, string>> = { stdin: 'input', stdout: 'output', stderr: 'error', tty: 'tty' };

function streamQuery(query: URLSearchParams): URLSearchParams {
  const result = new URLSearchParams();
  for (const [theirs, ours] of Object.entries(STREAMS)) {
    // Booleans of Kubernetes' query: present and not said to be false.
    const value = query.get(theirs);
    if (value !== null && !['false', '0', ''].includes(value)) result.set(ours, '1');
  }
  for (const command of query.getAll('command')) result.append('command', command);
  return result;
}

const withQuery = (path: string, query: URLSearchParams): string =>
  query.size === 0 ? path : `${path}?${query.toString()}`;

/** Where a request about a running pod goes on. @throws StatusError */
export function podTarget(registry: Registry, info: RequestInfo, query: URLSearchParams): Target {
  if (info.subresource === 'proxy') return podProxyTarget(registry, info, query);
  const { namespace, name, subresource } = info;
  const pod = registry.get({ resource: pods, namespace, name }) as unknown as Pod;
  const node = pod.spec?.nodeName;
  const path = ['log', 'exec', 'attach'].includes(subresource)
    ? `${subresource === 'log' ? 'containerLogs' : subresource}/${namespace}/${name}/${containerOf(pod, query.get('container') ?? '')}`
    : `portForward/${namespace}/${name}`;
  if (node === undefined || node === '') throw notAssigned(name);
  const passed =
    subresource === 'log' ? without(query, 'container') : subresource === 'portforward' ? query : streamQuery(query);
  const target = nodeTarget(registry, node, withQuery(`/${path}`, passed));
  return subresource === 'log' ? { ...target, logOf: name } : target;
}

const notAssigned = (name: string): StatusError => conflict(pods, name, `pod ${name} does not have a host assigned`);

function without(query: URLSearchParams, key: string): URLSearchParams {
  const copy = new URLSearchParams(query);
  copy.delete(key);
  return copy;
}

/** 'name', 'name:port' or 'https:name:port'. @throws StatusError BadRequest */
function parsePodId(id: string): { scheme: 'http' | 'https'; name: string; port: string } {
  const [, scheme = 'http', name = '', port = ''] = /^(?:(https?):(?=[^:]*:))?([^:]*)(?::([^:]*))?$/.exec(id) ?? [];
  if (name === '') throw badRequest(`invalid pod request "${id}"`);
  return { scheme: scheme === 'https' ? 'https' : 'http', name, port };
}

/** pods/proxy goes to the pod itself. */
function podProxyTarget(
  registry: Registry,
  { namespace, name: id, rest }: RequestInfo,
  query: URLSearchParams,
): Target {
  const asked = parsePodId(id);
  const pod = registry.get({ resource: pods, namespace, name: asked.name }) as unknown as Pod;
  const host = pod.status?.podIP;
  if (host === undefined) throw unavailable(`address not allowed: pod ${asked.name} has no address`);
  const ports = (pod.spec?.containers ?? []).flatMap((container) => container.ports ?? []);
  const named = ports.find((candidate) => candidate.name === asked.port)?.containerPort ?? Number(asked.port);
  const port = asked.port === '' ? (ports[0]?.containerPort ?? 80) : named;
  if (!Number.isInteger(port)) throw badRequest(`invalid pod request "${id}"`);
  return { protocol: asked.scheme, host, port, path: withQuery(`/${rest.map(encodeURIComponent).join('/')}`, query) };
}

/** nodes/NAME/proxy/PATH is PATH of the node's own API. */
export function nodeProxyTarget(registry: Registry, { name, rest }: RequestInfo, query: URLSearchParams): Target {
  return nodeTarget(registry, name, withQuery(`/${rest.map(encodeURIComponent).join('/')}`, query));
}

/** Hands requests on, streams and connections that become something else (WebSocket, SPDY) included. */
export class NodeProxy {
  readonly #client: KeyPair;

  /** @param client certificate with which the node is asked */
  constructor(client: KeyPair) {
    this.#client = client;
  }

  #options({ host, port, path }: Target, { method, headers }: IncomingMessage): RequestOptions {
    const passed: IncomingHttpHeaders = { ...headers };
    for (const name of HOP_BY_HOP) Reflect.deleteProperty(passed, name);
    return { host, port, path, method: method ?? 'GET', headers: passed, agent: false };
  }

  /** The node's certificate is of its own making, so it is not checked; as an API server without kubelet-certificate-authority. */
  #request({ protocol }: Target, options: RequestOptions) {
    const { certificate, key } = this.#client;
    return protocol === 'http'
      ? httpRequest(options)
      : httpsRequest({ ...options, cert: certificate, key, rejectUnauthorized: false });
  }

  /** Hands a request on and its answer back; ends with whichever side ends first. */
  async forward(target: Target, exchange: Exchange): Promise<void> {
    const { request, response } = exchange;
    const onward = this.#request(target, this.#options(target, request));
    response.once('close', () => onward.destroy());
    const connecting = setTimeout(() => onward.destroy(new Error('it did not answer')), CONNECT_MS);
    const answered = Promise.withResolvers<IncomingMessage>();
    onward.once('response', answered.resolve).once('error', answered.reject);
    request.pipe(onward);
    let answer: IncomingMessage;
    try {
      answer = await answered.promise;
    } catch (error) {
      throw unavailable(`error trying to reach ${target.host}:${target.port}: ${messageOf(error)}`);
    } finally {
      clearTimeout(connecting);
    }
    onward.on('error', () => response.destroy());
    if (target.logOf !== undefined && isRefusal(answer.statusCode ?? 502)) throw await logRefusal(answer, target.logOf);
    const headers = Object.fromEntries(Object.entries(answer.headers).filter(([name]) => !HOP_BY_HOP.includes(name)));
    response.writeHead(answer.statusCode ?? 502, headers as Record<string, string>);
    response.flushHeaders();
    // A client that goes, or a node that does, ends the other side; there is no one to tell.
    await pipeline(answer, response).catch(() => undefined);
  }

  /** Hands a connection on that is to become something else than HTTP. */
  upgrade(target: Target, exchange: Exchange, socket: Duplex, head: Buffer): void {
    const { request } = exchange;
    const options = this.#options(target, request);
    const { upgrade = '' } = request.headers;
    const onward = this.#request(target, {
      ...options,
      headers: { ...(options.headers as object), connection: 'Upgrade', upgrade },
    });
    socket.once('close', () => onward.destroy()).on('error', () => onward.destroy());
    onward.once('upgrade', (answer, other, rest) => {
      socket.write(statusLines(answer));
      if (rest.length > 0) socket.write(rest);
      if (head.length > 0) other.write(head);
      other.on('error', () => socket.destroy()).once('close', () => socket.destroy());
      socket.once('close', () => other.destroy());
      socket.pipe(other).pipe(socket);
    });
    onward.once('response', (answer) => {
      socket.write(statusLines(answer));
      answer.pipe(socket);
    });
    onward.once('error', (error) => {
      const refused = unavailable(`error trying to reach ${target.host}:${target.port}: ${messageOf(error)}`);
      endWith(socket, refused);
    });
    onward.end();
  }
}

function statusLines({ statusCode = 502, statusMessage = '', rawHeaders }: IncomingMessage): string {
  const lines = [`HTTP/1.1 ${statusCode} ${statusMessage}`];
  for (let index = 0; index < rawHeaders.length; index += 2)
    lines.push(`${rawHeaders[index] ?? ''}: ${rawHeaders[index + 1] ?? ''}`);
  return `${lines.join('\r\n')}\r\n\r\n`;
}

/** Answers on a socket that asked to become something else, and ends it. */
export function endWith(socket: Duplex, error: StatusError): void {
  const body = JSON.stringify(error.toStatus());
  socket.end(
    `HTTP/1.1 ${error.code} ${error.reason}\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n` +
      `Connection: close\r\n\r\n${body}`,
  );
}
