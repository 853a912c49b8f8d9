import { connect } from 'node:net';
import { Agent, request } from 'undici';
import { messageOf } from '../../../base/errors.ts';
import { HTTP1 } from '../../../base/http.ts';
import type { Container } from '../../kube/types.ts';
import { portOf } from '../hooks.ts';

export type Probe = NonNullable<Container['livenessProbe']>;

export interface CheckTarget {
  readonly container: Container;
  /** The pod's address, where the probe names none. */
  readonly host: string;
  readonly signal: AbortSignal;
}

/** A server under test need not have a certificate that anyone trusts (pkg/probe/http: InsecureSkipVerify). */
const agent = new Agent({ ...HTTP1, connect: { rejectUnauthorized: false }, pipelining: 0 });

/**
 * Probes once.
 * @returns undefined when healthy, else what is wrong, for the Unhealthy event
 */
export async function check(probe: Probe, target: CheckTarget): Promise<string | undefined> {
  const timeoutMs = (probe.timeoutSeconds ?? 1) * 1000;
  const signal = AbortSignal.any([target.signal, AbortSignal.timeout(timeoutMs)]);
  try {
    if (probe.httpGet) return await checkHttp(probe.httpGet, { ...target, signal });
    if (probe.tcpSocket) await checkTcp(probe.tcpSocket, { ...target, signal });
    return undefined;
  } catch (error) {
    return signal.aborted ? 'context deadline exceeded (probe timed out)' : messageOf(error);
  }
}

async function checkHttp(httpGet: NonNullable<Probe['httpGet']>, target: CheckTarget): Promise<string | undefined> {
  const scheme = (httpGet.scheme ?? 'HTTP').toLowerCase();
  const host = hostOf(httpGet.host, target);
  const url = new URL(
    `${scheme}://${host.includes(':') ? `[${host}]` : host}:${portOf(httpGet.port, target.container)}`,
  );
  const [path = '', query = ''] = (httpGet.path ?? '/').split('?', 2);
  url.pathname = path;
  url.search = query;
  const headers = Object.fromEntries((httpGet.httpHeaders ?? []).map(({ name, value }) => [name, value]));
  const { statusCode, body } = await request(url, {
    dispatcher: agent,
    headers: { 'user-agent': 'kube-probe/1.36', accept: '*/*', ...headers },
    signal: target.signal,
  });
  await body.dump({ limit: 10 * 1024, signal: target.signal });
  return statusCode >= 200 && statusCode < 400 ? undefined : `HTTP probe failed with statuscode: ${statusCode}`;
}

function checkTcp(tcpSocket: NonNullable<Probe['tcpSocket']>, target: CheckTarget): Promise<void> {
  const host = hostOf(tcpSocket.host, target);
  const port = portOf(tcpSocket.port, target.container);
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port, signal: target.signal });
    socket.once('connect', () => {
      socket.destroy();
      resolve();
    });
    socket.once('error', (error) => {
      socket.destroy();
      reject(error);
    });
  });
}

const hostOf = (named: string | undefined, { host }: CheckTarget): string =>
  named === undefined || named === '' ? host : named;
