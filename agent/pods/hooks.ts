import { request } from 'undici';
import { WasmletError } from '../../base/errors.ts';
import { sleep } from '../kube/backoff.ts';
import type { Container } from '../kube/types.ts';

type LifecycleHandler = NonNullable<NonNullable<Container['lifecycle']>['postStart']>;
type HttpGet = NonNullable<LifecycleHandler['httpGet']>;

export interface HookTarget {
  readonly container: Container;
  /** The pod's address, where the hook names none. */
  readonly host: string;
  readonly signal: AbortSignal;
}

/**
 * Runs a postStart or preStop hook (pkg/kubelet/lifecycle/handlers.go). `exec` hooks are refused at admission.
 * @throws WasmletError FailedPrecondition when the server does not answer 2xx or 3xx; what the request throws
 */
export async function runHook(handler: LifecycleHandler, target: HookTarget): Promise<void> {
  if (handler.sleep) await sleep(handler.sleep.seconds * 1000, target.signal);
  else if (handler.httpGet) await get(handler.httpGet, target);
}

async function get(httpGet: HttpGet, { container, host, signal }: HookTarget): Promise<void> {
  const scheme = (httpGet.scheme ?? 'HTTP').toLowerCase();
  const address = firstSet(httpGet.host, host);
  const url = new URL(`${scheme}://${address.includes(':') ? `[${address}]` : address}`);
  url.port = String(portOf(httpGet.port, container));
  const [path = '', query = ''] = (httpGet.path ?? '/').split('?', 2);
  url.pathname = path;
  url.search = query;
  const headers = Object.fromEntries((httpGet.httpHeaders ?? []).map(({ name, value }) => [name, value]));
  const answer = await request(url, { headers: { 'user-agent': 'kube-lifecycle/wasmlet', ...headers }, signal });
  await answer.body.dump();
  if (answer.statusCode >= 400) {
    throw new WasmletError('FailedPrecondition', `GET ${url.href} answered ${answer.statusCode}`);
  }
}

const firstSet = (...texts: (string | undefined)[]): string =>
  texts.find((text) => text !== undefined && text !== '') ?? '';

/**
 * A port by number or by the name that it has in the container's spec.
 * @throws WasmletError InvalidArgument when no port has that name
 */
export function portOf(port: number | string, container: Container): number {
  if (typeof port === 'number') return port;
  const number = container.ports?.find(({ name }) => name === port)?.containerPort ?? Number.parseInt(port, 10);
  if (Number.isNaN(number)) {
    throw new WasmletError('InvalidArgument', `container ${container.name} has no port named ${port}`);
  }
  return number;
}
