import type { Dispatcher } from 'undici';
import { messageOf, WasmletError } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import { VERSION } from '../../base/version.ts';
import { resourceOf, type Verb } from './api-path.ts';
import { sleep } from './backoff.ts';
import {
  KubeApiError,
  type KubeClient,
  type KubeList,
  type PatchType,
  type RequestOptions,
  type WatchEvent,
} from './client.ts';
import { jsonLines } from './json-lines.ts';
import { loadKubeConfig, type KubeConfig } from './kubeconfig.ts';
import { createRateLimiter, type RateLimiter } from './rate-limit.ts';
import { createTransport, isReset, type Transport } from './transport.ts';
import type { KubeObject, Status } from './types.ts';

export type KubeClientOptions = KubeClientSettings &
  ({ readonly kubeconfigFile: string } | { readonly kubeConfig: KubeConfig });

export interface KubeClientSettings {
  /** Requests per second over time; Infinity: no limit. */
  readonly qps: number;
  /** Requests at once. */
  readonly burst: number;
  readonly logger: Logger;
  /** Milliseconds that a request may take, watches apart. Default 30 000. */
  readonly timeoutMs?: number;
  /** Milliseconds without a byte, bookmarks included, after which a watch is given up. Default 180 000. */
  readonly watchIdleMs?: number;
  /** Told of each request once its answer has begun, or there is none. Time spent in the rate limit does not count. */
  readonly onAnswer?: (answer: RequestAnswer) => void;
}

export interface RequestAnswer {
  /** As in HTTP: GET, POST, … */
  readonly method: string;
  /** Host and port of the API server. */
  readonly host: string;
  /** HTTP status; undefined: no answer. */
  readonly status: number | undefined;
  readonly seconds: number;
}

/** A KubeClient over HTTP, whose client certificate can be changed while it runs. */
export interface HttpKubeClient extends KubeClient {
  /** Reads the credentials again; connections made from now on use them, requests under way end as they began. */
  reloadCredentials(): Promise<void>;
}

const TIMEOUT_MS = 30_000;
/** The watch cache sends bookmarks about once a minute: three of them missing is a dead connection. */
const WATCH_IDLE_MS = 180_000;
/** A list page is the largest answer; an object is at most 1.5 MB in etcd, and 500 of them are never all that large. */
const MAX_BODY_BYTES = 256 * 1024 ** 2;
const MAX_WATCH_LINE_BYTES = 16 * 1024 ** 2;
/** client-go rest/with_retry.go: as often is a request made again when the server asks for it by Retry-After. */
const MAX_RETRIES = 10;
const MAX_RETRY_AFTER_SECONDS = 60;

const PATCH_CONTENT_TYPES: Readonly<Record<PatchType, string>> = {
  strategic: 'application/strategic-merge-patch+json',
  merge: 'application/merge-patch+json',
  json: 'application/json-patch+json',
};
const METHODS: Readonly<Record<Verb, Dispatcher.HttpMethod>> = {
  get: 'GET',
  list: 'GET',
  watch: 'GET',
  create: 'POST',
  update: 'PUT',
  patch: 'PATCH',
  delete: 'DELETE',
};

interface WireList<T> {
  readonly apiVersion?: string;
  readonly kind?: string;
  readonly metadata: KubeList<T>['metadata'];
  readonly items: T[] | null;
}

interface Call extends RequestOptions {
  readonly verb: Verb;
  readonly path: string;
  readonly body?: unknown;
  readonly contentType?: string;
}

/**
 * Makes a client for the API server that a kubeconfig names. Nothing is sent before the first request.
 * @throws WasmletError InvalidConfig when the kubeconfig cannot be read
 */
export function createKubeClient(options: KubeClientOptions): HttpKubeClient {
  if ('kubeConfig' in options) return new HttpClient(createTransport(options.kubeConfig), options);
  const load = () => loadKubeConfig(options.kubeconfigFile);
  return new HttpClient(createTransport(load(), load), options);
}

class HttpClient implements HttpKubeClient {
  readonly #transport: Transport;
  readonly #limiter: RateLimiter | undefined;
  readonly #logger: Logger;
  readonly #timeoutMs: number;
  readonly #watchIdleMs: number;
  readonly #onAnswer: KubeClientSettings['onAnswer'];
  readonly #host: string;
  readonly #counts = new Map<string, number>();

  constructor(transport: Transport, options: KubeClientSettings) {
    this.#transport = transport;
    this.#limiter = Number.isFinite(options.qps) ? createRateLimiter(options.qps, options.burst) : undefined;
    this.#logger = options.logger;
    this.#onAnswer = options.onAnswer;
    this.#host = new URL(transport.server).host;
    this.#timeoutMs = options.timeoutMs ?? TIMEOUT_MS;
    this.#watchIdleMs = options.watchIdleMs ?? WATCH_IDLE_MS;
  }

  get server(): string {
    return this.#transport.server;
  }

  get requestCounts(): ReadonlyMap<string, number> {
    return this.#counts;
  }

  get<T extends KubeObject>(path: string, options: RequestOptions = {}): Promise<T> {
    return this.#json<T>({ ...options, verb: 'get', path });
  }

  async list<T extends KubeObject>(path: string, options: RequestOptions = {}): Promise<KubeList<T>> {
    const list = await this.#json<WireList<T>>({ ...options, verb: 'list', path });
    // Items of a list come without their type; Go prints an empty list as null now and then.
    const type = { apiVersion: list.apiVersion ?? 'v1', kind: (list.kind ?? '').replace(/List$/, '') };
    return { metadata: list.metadata, items: (list.items ?? []).map((item) => ({ ...type, ...item })) };
  }

  create<T extends KubeObject, R extends KubeObject = T>(
    path: string,
    body: T,
    options: RequestOptions = {},
  ): Promise<R> {
    return this.#json<R>({ ...options, verb: 'create', path, body });
  }

  update<T extends KubeObject>(path: string, body: T, options: RequestOptions = {}): Promise<T> {
    return this.#json<T>({ ...options, verb: 'update', path, body });
  }

  patch<T extends KubeObject>(path: string, type: PatchType, body: unknown, options: RequestOptions = {}): Promise<T> {
    return this.#json<T>({ ...options, verb: 'patch', path, body, contentType: PATCH_CONTENT_TYPES[type] });
  }

  async delete(path: string, body?: Record<string, unknown>, options: RequestOptions = {}): Promise<void> {
    await this.#json({ ...options, verb: 'delete', path, ...(body === undefined ? {} : { body }) });
  }

  async *watch<T extends KubeObject>(
    path: string,
    resourceVersion: string,
    options: RequestOptions = {},
  ): AsyncGenerator<WatchEvent<T>, void, undefined> {
    // As the reflector of client-go: between 5 and 10 minutes, so that not all watches are made again at one time.
    const timeoutSeconds = Math.round(300 * (1 + Math.random()));
    const query = { ...options.query, watch: true, allowWatchBookmarks: true, resourceVersion, timeoutSeconds };
    const idle = new IdleTimer(this.#watchIdleMs);
    const signal = options.signal ? AbortSignal.any([options.signal, idle.signal]) : idle.signal;
    try {
      const response = await this.#send({ ...options, query, verb: 'watch', path, signal });
      for await (const value of jsonLines(idle.over(response.body), MAX_WATCH_LINE_BYTES)) {
        yield watchEvent<T>(value);
      }
    } catch (error) {
      throw this.#explain(error, `watch ${path}`, options.signal);
    } finally {
      idle.stop();
    }
  }

  reloadCredentials(): Promise<void> {
    return this.#transport.reload();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#transport.close();
  }

  async #json<R>(call: Call): Promise<R> {
    const timeout = AbortSignal.timeout(this.#timeoutMs);
    const signal = call.signal ? AbortSignal.any([call.signal, timeout]) : timeout;
    try {
      const response = await this.#send({ ...call, signal });
      return JSON.parse(await readBody(response.body)) as R;
    } catch (error) {
      throw this.#explain(error, `${call.verb} ${call.path}`, call.signal);
    }
  }

  /** Sends a request, again where the server or a broken connection asks for that. The answer is 2xx. */
  async #send(call: Call & { readonly signal: AbortSignal }): Promise<Dispatcher.ResponseData> {
    for (let tries = 0; ; tries++) {
      await this.#limiter?.take(call.signal);
      let waitSeconds: number | undefined;
      let failure: unknown;
      try {
        const response = await this.#sendOnce(call);
        if (response.statusCode >= 200 && response.statusCode < 300) return response;
        const error = await apiError(response);
        // Retry-After comes with 429 (priority and fairness) and with 5xx of a server that starts or stops.
        if (error.status === 429 || error.status >= 500) waitSeconds = error.retryAfterSeconds;
        failure = error;
      } catch (error) {
        // A kept-alive connection may be closed by the server just as it is used again; a read can be made again.
        if (isReset(error) && METHODS[call.verb] === 'GET') waitSeconds = 0.1 * (tries + 1);
        failure = error;
      }
      if (waitSeconds === undefined || tries >= MAX_RETRIES) throw failure;
      this.#logger.debug('a request will be made again', { path: call.path, seconds: waitSeconds });
      if (!(await sleep(Math.min(waitSeconds, MAX_RETRY_AFTER_SECONDS) * 1000, call.signal))) throw failure;
    }
  }

  async #sendOnce(call: Call & { readonly signal: AbortSignal }): Promise<Dispatcher.ResponseData> {
    const startedAt = performance.now();
    let status: number | undefined;
    try {
      const response = await this.#request(call);
      status = response.statusCode;
      return response;
    } finally {
      const seconds = (performance.now() - startedAt) / 1000;
      this.#onAnswer?.({ method: METHODS[call.verb], host: this.#host, status, seconds });
    }
  }

  #request({ verb, path, query, body, contentType, signal }: Call & { readonly signal: AbortSignal }) {
    const counted = `${verb.toUpperCase()} ${resourceOf(path)}`;
    this.#counts.set(counted, (this.#counts.get(counted) ?? 0) + 1);
    return this.#transport.request({
      method: METHODS[verb],
      path: path + queryString(query),
      headers: {
        accept: 'application/json',
        'user-agent': `wasmlet/${VERSION}`,
        ...(body === undefined ? {} : { 'content-type': contentType ?? 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal,
    });
  }

  /** The error that the caller is told, for one that came from the network or from a signal. */
  #explain(error: unknown, what: string, signal: AbortSignal | undefined): unknown {
    if (error instanceof KubeApiError || error instanceof WasmletError) return error;
    if (signal?.aborted === true) {
      return new WasmletError('Cancelled', `${what}: given up`, { cause: error });
    }
    if (error instanceof Error && (error.name === 'TimeoutError' || /TIMEOUT/.test(String(codeOf(error))))) {
      return new WasmletError('DeadlineExceeded', `${what}: ${this.server} did not answer in time`, { cause: error });
    }
    return new WasmletError('Unavailable', `${what}: ${this.server} cannot be reached: ${messageOf(error)}`, {
      cause: error,
    });
  }
}

const codeOf = (error: Error): unknown => ('code' in error ? error.code : undefined);

function queryString(query: RequestOptions['query']): string {
  const parameters = new URLSearchParams();
  for (const [key, value] of Object.entries(query ?? {})) {
    if (value !== undefined) parameters.set(key, String(value));
  }
  return parameters.size === 0 ? '' : `?${parameters.toString()}`;
}

/** Ends a stream in which nothing comes any more. */
class IdleTimer {
  readonly #controller = new AbortController();
  readonly #timer: NodeJS.Timeout;

  constructor(ms: number) {
    this.#timer = setTimeout(() => {
      this.#controller.abort(new DOMException(`nothing came for ${ms} ms`, 'TimeoutError'));
    }, ms);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Passes a stream on and takes each chunk as a sign of life. */
  async *over(body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
    for await (const chunk of body) {
      this.#timer.refresh();
      yield chunk;
    }
  }

  stop(): void {
    clearTimeout(this.#timer);
  }
}

async function readBody(body: AsyncIterable<Uint8Array>): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of body) {
    chunks.push(chunk);
    bytes += chunk.length;
    if (bytes > MAX_BODY_BYTES) {
      throw new WasmletError('Unavailable', `the API server's answer is larger than ${MAX_BODY_BYTES} bytes`);
    }
  }
  return Buffer.concat(chunks).toString('utf8');
}

/** The error in an answer that is not 2xx: metav1.Status, or a proxy's page. */
async function apiError(response: Dispatcher.ResponseData): Promise<KubeApiError> {
  const text = await readBody(response.body);
  const header = Number(response.headers['retry-after']);
  const retryAfter = Number.isFinite(header) && response.headers['retry-after'] !== undefined ? header : undefined;
  return statusError(parseStatus(text) ?? { message: text.slice(0, 500) }, response.statusCode, retryAfter);
}

function parseStatus(text: string): Status | undefined {
  try {
    const parsed = JSON.parse(text) as Status | null;
    return parsed?.kind === 'Status' ? parsed : undefined;
  } catch {
    return undefined;
  }
}

function statusError(status: Status, code: number, retryAfter?: number): KubeApiError {
  const message = status.message ?? `HTTP status ${code}`;
  return new KubeApiError(code, status.reason ?? '', message, retryAfter ?? status.details?.retryAfterSeconds);
}

function watchEvent<T>(value: unknown): WatchEvent<T> {
  const { type, object } = (value ?? {}) as { type?: string; object?: unknown };
  switch (type) {
    case 'ADDED':
    case 'MODIFIED':
    case 'DELETED':
    case 'BOOKMARK':
      return { type, object: object as T };
    case 'ERROR': {
      const status = object as Status;
      throw statusError(status, status.code ?? 500);
    }
    default:
      throw new WasmletError('Unavailable', `a watch sent an event of unknown type ${String(type)}`);
  }
}
