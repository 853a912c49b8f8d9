import { Agent, EnvHttpProxyAgent, request } from 'undici';
import { HTTP1 } from '../../base/http.ts';

/** What speaks HTTP. */
export interface Http {
  readonly request: typeof request;
  /** For this machine. */
  readonly direct: Agent;
  /** Through the proxy of HTTP_PROXY, HTTPS_PROXY and NO_PROXY; never for loopback, as in Go's net/http. */
  readonly proxied: EnvHttpProxyAgent;
}

export interface HttpOptions {
  readonly connectTimeoutMs: number;
  /** Milliseconds without an answer. */
  readonly progressDeadlineMs: number;
}

/** Whoever gets it destroys its agents. */
export function openHttp({ connectTimeoutMs, progressDeadlineMs }: HttpOptions): Http {
  const shared = {
    ...HTTP1,
    connect: { timeout: connectTimeoutMs },
    headersTimeout: progressDeadlineMs,
    // Bodies have a watch of their own (download.ts, readBody), which also sees a drip.
    bodyTimeout: 0,
  };
  return { request, direct: new Agent(shared), proxied: new EnvHttpProxyAgent(shared) };
}
