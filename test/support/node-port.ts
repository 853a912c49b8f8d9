import { request } from 'node:https';
import { text } from 'node:stream/consumers';
import type { Node } from '../../agent/kube/types.ts';
import type { Api } from './api.ts';

export interface NodeAnswer {
  readonly status: number;
  readonly contentType: string;
  readonly body: string;
}

/** A client certificate and its key, or a bearer token; without either nobody. */
export interface NodeCredentials {
  readonly pair?: { readonly certificate: string; readonly key: string };
  readonly token?: string;
}

const REQUEST_MS = 60_000;

/** The port of a node's own API, as its Node object says. */
export async function nodePort(api: Api, nodeName: string): Promise<number> {
  const { body } = await api.request<Node>('GET', `/api/v1/nodes/${nodeName}`);
  return body.status?.daemonEndpoints?.kubeletEndpoint?.Port ?? 0;
}

/** Asks a node on this machine, as Prometheus does: not through the API server. Who answers is no question here. */
export async function askNode(port: number, path: string, { pair, token }: NodeCredentials = {}): Promise<NodeAnswer> {
  return await new Promise((resolve, reject) => {
    request(
      {
        host: '127.0.0.1',
        port,
        path,
        agent: false,
        rejectUnauthorized: false,
        signal: AbortSignal.timeout(REQUEST_MS),
        ...(pair ? { cert: pair.certificate, key: pair.key } : {}),
        ...(token === undefined ? {} : { headers: { authorization: `Bearer ${token}` } }),
      },
      (response) => {
        const { statusCode: status = 0, headers } = response;
        const contentType = headers['content-type'] ?? '';
        text(response).then((body) => resolve({ status, contentType, body }), reject);
      },
    )
      .on('error', reject)
      .end();
  });
}
