import { Agent, request, type Dispatcher } from 'undici';
import type { Container } from '../kube/types.ts';
import { joinHostPort } from './go-words.ts';

export type HttpGet = NonNullable<NonNullable<Container['livenessProbe']>['httpGet']>;

export interface HttpGetTarget {
  readonly container: Container;
  /** The pod's address, where the action names no host. */
  readonly host: string;
  /** 'probe' or 'lifecycle'. */
  readonly purpose: string;
}

export interface HttpGetRequest {
  readonly url: URL;
  readonly headers: Readonly<Record<string, string[]>>;
}

/** The release of Kubernetes whose kubelet this agent follows. */
export const KUBERNETES_MINOR = '1.36';

/** A server under test need not have a certificate that anyone trusts (pkg/probe/http: InsecureSkipVerify). */
const agent = new Agent({ connect: { rejectUnauthorized: false, timeout: 0 }, pipelining: 0 });

/**
 * The request that an httpGet action stands for (pkg/probe/http/request.go).
 * @throws Error when it names no port that there is
 */
export function httpGetRequest(action: HttpGet, target: HttpGetTarget): HttpGetRequest {
  const host = action.host === undefined || action.host === '' ? target.host : action.host;
  const url = new URL(
    `${(action.scheme ?? 'HTTP').toLowerCase()}://${joinHostPort(host, resolvePort(action.port, target.container))}`,
  );
  // Not through URL's own parser: '//x' and '../x' are paths here, not other places.
  const [path = '', query = ''] = (action.path ?? '/').replace(/#.*$/s, '').split(/\?(.*)/s, 2);
  url.pathname = path;
  url.search = query;
  return { url, headers: headersOf(action, target.purpose) };
}

function headersOf(action: HttpGet, purpose: string): Record<string, string[]> {
  const headers: Record<string, string[]> = {};
  for (const { name, value } of action.httpHeaders ?? []) (headers[name.toLowerCase()] ??= []).push(value);
  headers['user-agent'] ??= [`kube-${purpose}/${KUBERNETES_MINOR}`];
  headers['accept'] ??= ['*/*'];
  // Set to nothing, it is not sent.
  if (headers['accept'][0] === '') delete headers['accept'];
  return headers;
}

/** Sends it once; redirects are the caller's affair. */
export function sendHttpGet({ url, headers }: HttpGetRequest, signal: AbortSignal): Promise<Dispatcher.ResponseData> {
  return request(url, { dispatcher: agent, headers, signal });
}

/**
 * A port by number or by the name that it has in the container's spec (pkg/probe/util.go).
 * @throws Error in the kubelet's words when no port has that name
 */
export function resolvePort(port: number | string, container: Container): number {
  const number = typeof port === 'number' ? port : namedPort(port, container);
  if (number > 0 && number < 65_536) return number;
  throw new Error(`invalid port number: ${number}`);
}

function namedPort(name: string, { ports }: Container): number {
  const named = ports?.find((port) => port.name === name)?.containerPort;
  if (named !== undefined) return named;
  if (/^[+-]?\d+$/.test(name)) return Number.parseInt(name, 10);
  throw new Error(`strconv.Atoi: parsing ${JSON.stringify(name)}: invalid syntax`);
}
