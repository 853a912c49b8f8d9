import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { TLSSocket } from 'node:tls';
import { messageOf } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import { bearerTokenOf } from '../server/auth/bearer-token.ts';
import { userOfCertificate } from '../server/auth/client-certificate.ts';
import { badRequest, StatusError, unauthorized } from './api/errors.ts';
import { sendError, type Exchange } from './api/exchange.ts';
import { endWith } from './api/node-proxy.ts';
import { requestInfo } from './api/request-info.ts';
import { authorize, proxyTarget, route, type RouterContext } from './api/router.ts';
import type { Pki } from './auth/pki.ts';

/** The only addresses that this server is asked under: another Host is a web page's, by a name that it had pointed here. */
const HOSTS = ['127.0.0.1', 'localhost', '[::1]'];
const LOOPBACK = '127.0.0.1';
const HEADERS_MS = 10_000;
const REQUEST_MS = 60_000;
const KEEP_ALIVE_MS = 90_000;
const MAX_CONNECTIONS = 4096;
const MAX_HEADER_BYTES = 64 * 1024;

export interface LocalServerOptions extends Omit<RouterContext, 'address'> {
  readonly pki: Pki;
  /** 0: any that is free. */
  readonly port: number;
  readonly logger: Logger;
}

export interface LocalServer extends AsyncDisposable {
  readonly port: number;
}

/**
 * Serves the API over HTTPS on loopback.
 * @throws the system's error, EADDRINUSE for one
 */
export async function startLocalServer(options: LocalServerOptions): Promise<LocalServer> {
  const { pki, port, logger } = options;
  const server = createServer({
    cert: pki.server.certificate,
    key: pki.server.key,
    ca: pki.authority.certificate,
    requestCert: true,
    // Pods come with tokens; what a certificate is worth is looked at with each request.
    rejectUnauthorized: false,
    minVersion: 'TLSv1.2',
    noDelay: true,
    keepAliveTimeout: KEEP_ALIVE_MS,
    headersTimeout: HEADERS_MS,
    requestTimeout: REQUEST_MS,
    maxHeaderSize: MAX_HEADER_BYTES,
  });
  server.maxConnections = MAX_CONNECTIONS;
  const context: RouterContext = { ...options, address: () => `${LOOPBACK}:${portOf(server)}` };
  server.on('request', (request, response) => void answerRequest(context, request, response, logger));
  server.on('upgrade', (request, socket, head) => answerUpgrade(context, request, socket, head));
  server.on('tlsClientError', (error) => logger.debug('TLS handshake failed', { error: error.message }));
  const { promise, resolve, reject } = Promise.withResolvers<undefined>();
  server.once('error', reject).listen({ host: LOOPBACK, port }, () => resolve(undefined));
  await promise;
  return {
    port: portOf(server),
    [Symbol.asyncDispose]: async () => {
      const closed = new Promise((done) => server.close(done));
      server.closeAllConnections();
      await closed;
    },
  };
}

const portOf = (server: Server): number => (server.address() as AddressInfo | null)?.port ?? 0;

async function answerRequest(
  context: RouterContext,
  request: IncomingMessage,
  response: ServerResponse,
  logger: Logger,
): Promise<void> {
  const warnings: string[] = [];
  try {
    await route(context, exchangeOf(context, request, response, warnings));
  } catch (error) {
    const status = statusOf(error);
    if (status.code === 500) {
      logger.error('a request failed', { method: request.method, url: request.url, error: messageOf(error) });
    }
    if (response.headersSent) response.destroy();
    else {
      // A refused body is not read to its end: the connection cannot be used again.
      if (!request.complete) response.setHeader('Connection', 'close');
      sendError({ response, warnings }, status);
    }
  }
}

/** What opens a stream over WebSocket or SPDY: all of that is the node's. */
function answerUpgrade(context: RouterContext, request: IncomingMessage, socket: Duplex, head: Buffer): void {
  socket.on('error', () => socket.destroy());
  try {
    const exchange = exchangeOf(context, request, undefined as unknown as ServerResponse, []);
    const info = requestInfo(exchange.path);
    const target = info && proxyTarget(context, info, exchange);
    if (!info || !target) throw badRequest('this request cannot be upgraded to another protocol');
    authorize(exchange, info);
    context.proxy.upgrade(target, exchange, socket, head);
  } catch (error) {
    endWith(socket, statusOf(error));
  }
}

function statusOf(error: unknown): StatusError {
  if (error instanceof StatusError) return error;
  if (error instanceof URIError) return badRequest('the path is not encoded as it has to be');
  return new StatusError(500, 'InternalError', `Internal error occurred: ${messageOf(error)}`);
}

/** @throws StatusError Forbidden for a web page, Unauthorized */
function exchangeOf(
  { tokens }: RouterContext,
  request: IncomingMessage,
  response: ServerResponse,
  warnings: string[],
): Exchange {
  checkPlace(request);
  const { socket, headers } = request;
  const user =
    (socket instanceof TLSSocket ? userOfCertificate(socket) : undefined) ??
    tokens.authenticate(bearerTokenOf(headers.authorization) ?? '')?.user;
  if (!user) throw unauthorized();
  const { pathname, searchParams } = new URL(request.url ?? '/', 'https://localhost');
  return { request, response, path: pathname, query: searchParams, user, warnings };
}

/** Whatever a browser sends on behalf of a page is refused before anything is looked at. */
function checkPlace({ headers }: IncomingMessage): void {
  const host = (headers.host ?? '').replace(/:\d+$/, '').toLowerCase();
  if (HOSTS.includes(host) && headers.origin === undefined && headers['sec-fetch-site'] === undefined) return;
  throw new StatusError(403, 'Forbidden', 'only programs on this machine are answered, under 127.0.0.1 or localhost');
}
