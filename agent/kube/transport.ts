import { Agent, ProxyAgent, type Dispatcher } from 'undici';
import { errnoOf } from '../../base/errors.ts';
import { HTTP1 } from '../../base/http.ts';
import { createCredentialSource, type Credentials, type CredentialSource } from './auth.ts';
import type { KubeConfig } from './kubeconfig.ts';

export type TransportRequest = Pick<Dispatcher.RequestOptions, 'method' | 'path' | 'body'> & {
  readonly headers: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
};

/** Connections to one API server, authenticated. */
export interface Transport {
  readonly server: string;
  request(request: TransportRequest): Promise<Dispatcher.ResponseData>;
  /** Uses the credentials as they are now from the next connection on. */
  reload(): Promise<void>;
  close(): Promise<void>;
}

const CONNECT_TIMEOUT_MS = 10_000;
const KEEP_ALIVE_PROBE_MS = 30_000;
/** How long an idle connection is kept: less than the 90 s of the API server, so that it is not ended under a request. */
const KEEP_ALIVE_MS = 45_000;
/** Watches have four of them for good; a burst of requests shares the rest. */
const MAX_CONNECTIONS = 36;
/** How long the answers of token files and exec plugins (which have caches of their own) are taken as they are. */
const CREDENTIALS_TTL_MS = 10_000;

/**
 * Credentials are read at the first request.
 * @param again loads the kubeconfig anew, for reload(); without it only what it points to is read again
 */
export function createTransport(config: KubeConfig, again?: () => KubeConfig): Transport {
  return new UndiciTransport(config, again);
}

class UndiciTransport implements Transport {
  readonly server: string;
  readonly #basePath: string;
  readonly #again: (() => KubeConfig) | undefined;
  readonly #retired = new Set<Dispatcher>();
  #config: KubeConfig;
  #source: CredentialSource;
  #dispatcher: Dispatcher | undefined;
  #credentials: Credentials = { tls: { rejectUnauthorized: true }, headers: {} };
  #readAt: number | undefined;
  #closed = false;

  constructor(config: KubeConfig, again: (() => KubeConfig) | undefined) {
    this.#config = config;
    this.#source = createCredentialSource(config);
    this.#again = again;
    const url = new URL(config.cluster.server);
    this.server = url.origin;
    this.#basePath = url.pathname.replace(/\/$/, '');
  }

  async request({ method, path, headers, body, signal }: TransportRequest): Promise<Dispatcher.ResponseData> {
    const ttlMs = this.#source.dynamic ? CREDENTIALS_TTL_MS : Infinity;
    if (this.#readAt === undefined || performance.now() - this.#readAt > ttlMs) await this.#read();
    const dispatcher = (this.#dispatcher ??= this.#connect());
    return dispatcher.request({
      origin: this.server,
      method,
      path: this.#basePath + path,
      headers: { ...headers, ...this.#credentials.headers },
      body: body ?? null,
      signal,
      // Requests have a deadline and watches an inactivity bound, both through the signal.
      headersTimeout: 0,
      bodyTimeout: 0,
    });
  }

  async reload(): Promise<void> {
    if (this.#again) this.#config = this.#again();
    this.#source = createCredentialSource(this.#config);
    await this.#read();
  }

  async close(): Promise<void> {
    this.#closed = true;
    const all = [...this.#retired, ...(this.#dispatcher ? [this.#dispatcher] : [])];
    await Promise.all(all.map((dispatcher) => dispatcher.destroy()));
  }

  /** Reads the credentials; connections are only made anew when their part of them has changed. */
  async #read(): Promise<void> {
    const credentials = await this.#source.read();
    const changed =
      credentials.tls.cert !== this.#credentials.tls.cert || credentials.tls.ca !== this.#credentials.tls.ca;
    this.#credentials = credentials;
    this.#readAt = performance.now();
    if (changed) this.#retire();
  }

  #retire(): void {
    const old = this.#dispatcher;
    this.#dispatcher = undefined;
    if (!old) return;
    this.#retired.add(old);
    // Waits for the requests under way: a watch goes on for its ten minutes at most.
    void old.close().finally(() => this.#retired.delete(old));
  }

  #connect(): Dispatcher {
    if (this.#closed) throw new Error('the client is closed');
    const { proxyUrl } = this.#config.cluster;
    if (proxyUrl !== undefined) return new ProxyAgent({ uri: proxyUrl, requestTls: this.#credentials.tls, ...HTTP1 });
    return new Agent({
      ...HTTP1,
      connections: MAX_CONNECTIONS,
      keepAliveTimeout: KEEP_ALIVE_MS,
      connect: {
        ...this.#credentials.tls,
        timeout: CONNECT_TIMEOUT_MS,
        keepAlive: true,
        keepAliveInitialDelay: KEEP_ALIVE_PROBE_MS,
      },
    });
  }
}

/** Whether the connection broke under a request, or could not be kept. */
export function isReset(error: unknown): boolean {
  return ['ECONNRESET', 'EPIPE', 'UND_ERR_SOCKET'].includes(errnoOf(error) ?? '');
}
