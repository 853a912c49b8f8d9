import { setTimeout as sleep } from 'node:timers/promises';
import type { Dispatcher } from 'undici';
import { errnoOf, messageOf, WasmletError } from '../../base/errors.ts';
import { LIMITS } from '../limits.ts';
import { shown } from './errors.ts';
import { allowsPlainHttp, isLoopback, type PlainHttp } from './hosts.ts';
import type { Http } from './http.ts';

/** An answer whose body is still to be read; whoever gets it reads or destroys the body. */
export interface Reply {
  readonly url: URL;
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: Dispatcher.ResponseData['body'];
  /** Whether a redirect led to another origin than the one that was asked. */
  readonly foreign: boolean;
}

export interface Request {
  readonly method: 'GET' | 'HEAD' | 'POST' | 'PATCH' | 'PUT';
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  /** Authorization header; never leaves the origin of `url`. */
  readonly authorization?: string | undefined;
  readonly body?: string | Uint8Array;
  readonly followRedirects: boolean;
}

export interface TransportOptions extends PlainHttp {
  /** Milliseconds without an answer, or without progress of a body, after which a request is given up. */
  readonly progressDeadlineMs: number;
  readonly connectTimeoutMs: number;
  readonly retry: RetryOptions;
}

export interface RetryOptions {
  /** Tries of one request in all. */
  readonly attempts: number;
  /** Wait before the second try, in milliseconds; doubles with each, with jitter. */
  readonly baseDelayMs: number;
}

const RETRIED_FAULTS = new Set(['ECONNRESET', 'ECONNREFUSED', 'EPIPE', 'EAI_AGAIN', 'UND_ERR_SOCKET']);
const RETRIED_STATUSES = new Set([429, 500, 502, 503, 504]);

/** HTTP to registries: time-outs, retries, and redirects that carry no credential to another origin. */
export class Transport {
  readonly #options: TransportOptions;
  #http: Promise<Http> | undefined;

  constructor(options: TransportOptions) {
    this.#options = options;
  }

  /** Milliseconds that a body may make no progress. */
  get progressDeadlineMs(): number {
    return this.#options.progressDeadlineMs;
  }

  /** Waits before the next try of something that failed: doubling up to eightfold, with jitter. */
  async pause(attempt: number, signal: AbortSignal): Promise<void> {
    await sleep(this.#options.retry.baseDelayMs * 2 ** Math.min(attempt, 3) * (0.5 + Math.random()), undefined, {
      signal,
    });
  }

  /**
   * Sends a request, tries again where that can help (a dropped connection, 429, 5xx), follows redirects.
   * @returns whatever answer came at last, also an error status
   * @throws WasmletError RegistryUnavailable when no answer came, ErrImagePull for a redirect that is not allowed
   */
  async send(what: Request, signal: AbortSignal): Promise<Reply> {
    for (let attempt = 0; ; attempt++) {
      const last = attempt + 1 >= this.#options.retry.attempts;
      let reply: Reply;
      try {
        reply = await this.#follow(what, signal);
      } catch (error) {
        signal.throwIfAborted();
        if (error instanceof WasmletError) throw error;
        if (!last && RETRIED_FAULTS.has(errnoOf(error) ?? '')) {
          await this.pause(attempt, signal);
          continue;
        }
        throw new WasmletError(
          'RegistryUnavailable',
          `failed to do request: ${what.method} ${shown(what.url)}: ${messageOf(error)}`,
          { cause: error },
        );
      }
      if (last || !RETRIED_STATUSES.has(reply.status)) return reply;
      await this.drain(reply);
      const asked = retryAfterMs(reply.headers['retry-after']);
      if (asked === undefined) await this.pause(attempt, signal);
      else await sleep(asked, undefined, { signal });
    }
  }

  async #follow(what: Request, signal: AbortSignal): Promise<Reply> {
    const { request, direct, proxied } = await (this.#http ??= open(this.#options));
    let { url } = what;
    let foreign = false;
    for (let hop = 0; hop <= LIMITS.redirects; hop++) {
      const { statusCode, headers, body } = await request(url, {
        method: what.method,
        headers: {
          'user-agent': 'wasmlet',
          ...what.headers,
          ...(what.authorization === undefined || foreign ? {} : { authorization: what.authorization }),
        },
        ...(what.body === undefined ? {} : { body: what.body }),
        dispatcher: isLoopback(url.hostname) ? direct : proxied,
        signal,
      });
      const reply: Reply = { url, status: statusCode, headers, body, foreign };
      const location = headers['location'];
      if (!what.followRedirects || ![301, 302, 303, 307, 308].includes(statusCode) || typeof location !== 'string') {
        return reply;
      }
      await this.drain(reply);
      const target = this.#redirectTarget(url, location);
      foreign ||= target.origin !== url.origin;
      url = target;
    }
    throw new WasmletError('ErrImagePull', `${shown(what.url)} redirects more than ${LIMITS.redirects} times`);
  }

  /**
   * Where a redirect leads, if it may lead there: not from HTTPS to plain HTTP, and not from elsewhere to this machine,
   * whose services trust what comes from loopback.
   */
  #redirectTarget(from: URL, location: string): URL {
    const target = URL.canParse(location, from) ? new URL(location, from) : undefined;
    const allowed =
      target !== undefined &&
      (target.protocol === 'https:' ||
        (target.protocol === 'http:' && from.protocol === 'http:' && allowsPlainHttp(target, this.#options))) &&
      (isLoopback(from.hostname) || !isLoopback(target.hostname));
    if (!allowed) {
      const where = target === undefined ? 'an address that does not parse' : shown(target);
      throw new WasmletError('ErrImagePull', `${shown(from)} redirects to ${where}, which is not followed`);
    }
    target.username = '';
    target.password = '';
    return target;
  }

  /**
   * Reads a small body whole.
   * @throws WasmletError ErrImagePull when it is longer than `maxBytes`, RegistryUnavailable when it does not come whole
   *   within the progress deadline
   */
  async readBody(reply: Reply, maxBytes: number, signal: AbortSignal): Promise<Buffer> {
    const deadlineMs = this.#options.progressDeadlineMs;
    const late = new WasmletError(
      'RegistryUnavailable',
      `${shown(reply.url)} did not send its answer within ${deadlineMs / 1000}s`,
    );
    const timer = setTimeout(() => reply.body.destroy(late), deadlineMs);
    const chunks: Buffer[] = [];
    let length = 0;
    try {
      for await (const chunk of reply.body as AsyncIterable<Buffer>) {
        length += chunk.length;
        if (length > maxBytes) {
          throw new WasmletError('ErrImagePull', `${shown(reply.url)} answered with more than ${maxBytes} bytes`);
        }
        chunks.push(chunk);
      }
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof WasmletError) throw error;
      throw new WasmletError('RegistryUnavailable', `reading ${shown(reply.url)}: ${messageOf(error)}`, {
        cause: error,
      });
    } finally {
      clearTimeout(timer);
    }
    return Buffer.concat(chunks);
  }

  /** The start of a body that matters no more, or only for a message; never throws. */
  async drain(reply: Reply): Promise<Buffer> {
    try {
      return await this.readBody(reply, LIMITS.errorBytes, new AbortController().signal);
    } catch {
      return Buffer.alloc(0);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const http = await this.#http;
    await Promise.all([http?.direct.destroy(), http?.proxied.destroy()]);
  }
}

/** Milliseconds that a Retry-After header asks for (RFC 9110, 10.2.3), bounded; undefined where it says nothing. */
function retryAfterMs(header: string | string[] | undefined): number | undefined {
  if (typeof header !== 'string') return undefined;
  const ms = /^\d+$/.test(header) ? Number(header) * 1000 : Date.parse(header) - Date.now();
  return Number.isNaN(ms) ? undefined : Math.min(Math.max(ms, 0), LIMITS.retryAfterMs);
}

/** Loaded when there is something to send: a command that only looks into the store starts sooner without. */
async function open(options: TransportOptions): Promise<Http> {
  const { openHttp } = await import('./http.ts');
  return openHttp(options);
}
