import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { messageOf } from '../../../base/errors.ts';
import type { Logger } from '../../../base/log.ts';
import type { Access } from './access.ts';
import type { Asset } from './assets.ts';
import type { Feed } from './feed.ts';
import type { LogSource } from './log.ts';

const LOOPBACK = '127.0.0.1';
const COOKIE = 'wasmlet';
const HEADERS_MS = 10_000;
const MAX_CONNECTIONS = 256;
/** Streams (states, logs) that are open at once. */
const MAX_STREAMS = 64;
/** A page that reads nothing for so many bytes is let go. */
const MAX_BEHIND_BYTES = 16 * 1024 * 1024;

/** The page and its own files, and nothing from anywhere else; in nobody's frame. */
const HEADERS = {
  'Content-Security-Policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; " +
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Referrer-Policy': 'no-referrer',
  'X-Content-Type-Options': 'nosniff',
  'Cache-Control': 'no-store',
} as const;

/**
 * What a link leads to: a page of this origin, so that the browser sends the cookie; the token leaves the address. A
 * browser that is told of no icon asks for one.
 */
const ENTRY = '<!doctype html><link rel="icon" href="data:," /><meta http-equiv="refresh" content="0; url=/" />';

export interface WebServerOptions {
  /** 0: any that is free. */
  readonly port: number;
  readonly access: (port: number) => Access;
  readonly assets: ReadonlyMap<string, Asset>;
  readonly feed: Feed;
  readonly logs: LogSource;
  readonly logger: Logger;
}

export interface WebServer extends AsyncDisposable {
  readonly port: number;
}

/**
 * Serves the page over HTTP on loopback: read-only, to browsers that came with a link.
 * @throws the system's error, EADDRINUSE for one
 */
export async function startWebServer(options: WebServerOptions): Promise<WebServer> {
  const server = createServer({ headersTimeout: HEADERS_MS, noDelay: true });
  server.maxConnections = MAX_CONNECTIONS;
  const { promise, resolve, reject } = Promise.withResolvers<undefined>();
  server.once('error', reject).listen({ host: LOOPBACK, port: options.port }, () => resolve(undefined));
  await promise;
  const port = (server.address() as AddressInfo).port;
  const site = new Site(options, options.access(port), [`${LOOPBACK}:${port}`, `localhost:${port}`]);
  server.on('request', (request, response) => site.answer(request, response));
  return { port, [Symbol.asyncDispose]: () => close(server) };
}

async function close(server: Server): Promise<void> {
  const closed = new Promise((resolve) => server.close(resolve));
  server.closeAllConnections();
  await closed;
}

class Site {
  readonly #options: WebServerOptions;
  readonly #access: Access;
  readonly #hosts: readonly string[];
  #streams = 0;

  constructor(options: WebServerOptions, access: Access, hosts: readonly string[]) {
    this.#options = options;
    this.#access = access;
    this.#hosts = hosts;
  }

  answer(request: IncomingMessage, response: ServerResponse): void {
    response.on('error', () => response.destroy());
    for (const [name, value] of Object.entries(HEADERS)) response.setHeader(name, value);
    const refusal = this.#refusalOf(request);
    if (refusal) {
      end(response, refusal.status, refusal.text);
      return;
    }
    const { pathname, searchParams } = new URL(request.url ?? '/', 'http://localhost');
    const token = searchParams.get('token');
    if (pathname === '/' && token !== null) this.#enter(response, token);
    else if (this.#access.isSession(cookieOf(request))) this.#show(pathname, searchParams, response);
    else end(response, 401, 'Open the link that wasmlet up has printed; the next one is in the file web-link there.\n');
  }

  /** A name that leads here is not ours (DNS rebinding), nor is a page of another origin. */
  #refusalOf({ method, headers }: IncomingMessage): { status: number; text: string } | undefined {
    if (!this.#hosts.includes(headers.host ?? '')) return { status: 421, text: 'this is 127.0.0.1\n' };
    const { origin } = headers;
    if (origin !== undefined && !this.#hosts.some((host) => origin === `http://${host}`)) {
      return { status: 403, text: 'not for other pages\n' };
    }
    return method === 'GET' ? undefined : { status: 405, text: 'this page only shows\n' };
  }

  #enter(response: ServerResponse, token: string): void {
    const session = this.#access.redeem(token);
    if (session === undefined) {
      end(response, 401, 'This link was used. The next one is in the file web-link of the folder of wasmlet up.\n');
      return;
    }
    response.setHeader('Set-Cookie', `${COOKIE}=${session}; HttpOnly; SameSite=Strict; Path=/`);
    end(response, 200, ENTRY, 'text/html; charset=utf-8');
  }

  #show(path: string, query: URLSearchParams, response: ServerResponse): void {
    const asset = this.#options.assets.get(path);
    if (asset) end(response, 200, asset.body, asset.type);
    else if (path === '/state') this.#stream(response, () => this.#follow(response));
    else if (path === '/log') this.#stream(response, () => this.#log(query, response));
    else end(response, 404, 'not found\n');
  }

  #stream(response: ServerResponse, run: () => void): void {
    if (this.#streams >= MAX_STREAMS) {
      end(response, 503, 'too many pages are open\n');
      return;
    }
    this.#streams++;
    response.once('close', () => this.#streams--);
    run();
  }

  /** Server-sent events: what there is, whenever it changes. */
  #follow(response: ServerResponse): void {
    response.writeHead(200, { 'Content-Type': 'text/event-stream' });
    const send = (event: string, data: object): void => {
      response.write(`event: ${event}\ndata: ${JSON.stringify(data)}\n\n`);
      if (response.writableLength > MAX_BEHIND_BYTES) response.destroy();
    };
    const unsubscribe = this.#options.feed.subscribe({
      state: (state) => send('state', state),
      usage: (usage) => send('usage', usage),
    });
    response.once('close', unsubscribe);
  }

  #log(query: URLSearchParams, response: ServerResponse): void {
    const [namespace = '', pod = '', container = ''] = ['namespace', 'pod', 'container'].map(
      (key) => query.get(key) ?? '',
    );
    const ended = new AbortController();
    response.once('close', () => ended.abort());
    this.#options.logs.follow({ namespace, pod, container }, response, ended.signal).catch((error: unknown) => {
      if (ended.signal.aborted) return;
      this.#options.logger.debug('a log cannot be shown', { namespace, pod, error: messageOf(error) });
      if (response.headersSent) response.destroy();
      else end(response, 502, `${messageOf(error)}\n`);
    });
  }
}

function end(response: ServerResponse, status: number, text: string, type = 'text/plain; charset=utf-8'): void {
  response.writeHead(status, { 'Content-Type': type }).end(text);
}

function cookieOf({ headers }: IncomingMessage): string {
  const pairs = (headers.cookie ?? '').split(';').map((pair) => pair.trim());
  return pairs.find((pair) => pair.startsWith(`${COOKIE}=`))?.slice(COOKIE.length + 1) ?? '';
}
