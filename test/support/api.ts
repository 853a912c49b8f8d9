import { request } from 'node:https';
import type { RequestOptions } from 'node:https';
import type { IncomingMessage } from 'node:http';
import { text } from 'node:stream/consumers';
import { KubeConfig } from '@kubernetes/client-node';
import type { KubeObject } from '../../agent/kube/types.ts';
import { errnoOf, WasmletError } from '../../base/errors.ts';

export interface ApiAnswer<T> {
  /** HTTP status. */
  readonly status: number;
  readonly body: T;
}

export interface WatchedEvent<T> {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED';
  readonly object: T;
}

export interface WaitOptions {
  readonly fieldSelector?: string;
  readonly labelSelector?: string;
  /** Milliseconds; default 60 s. */
  readonly timeoutMs?: number;
}

/** The API server as the tests see it: plain requests and waits, apart from the client that is under test. */
export interface Api {
  /**
   * One request; the answer whatever its status. `path` is absolute: '/api/v1/pods'.
   * @param contentType of the body; default: application/json. PATCH needs one of its own.
   */
  request<T = KubeObject>(method: string, path: string, body?: object, contentType?: string): Promise<ApiAnswer<T>>;
  /** The states of the objects under a list path: those that are there (ADDED), then each change. Ends with the signal. */
  watch<T extends KubeObject>(
    path: string,
    selectors: Pick<WaitOptions, 'fieldSelector' | 'labelSelector'>,
    signal: AbortSignal,
  ): AsyncIterable<WatchedEvent<T>>;
  /**
   * Waits until an object under a list path is as wished, by a watch.
   * @throws WasmletError DeadlineExceeded that shows the last state seen
   */
  waitFor<T extends KubeObject>(path: string, wished: (object: T) => boolean, options?: WaitOptions): Promise<T>;
}

const REQUEST_TIMEOUT_MS = 30_000;
const WAIT_MS = 120_000;

/** @param kubeconfig path of the kubeconfig to come with; undefined for nobody: then `server` and `authority` say where */
export async function createApi(
  kubeconfig: string | { readonly server: string; readonly authority: string },
): Promise<Api> {
  const { server, options } = await connection(kubeconfig);
  const send = (
    method: string,
    path: string,
    signal: AbortSignal,
    { body, contentType = 'application/json' }: { body?: object | undefined; contentType?: string | undefined } = {},
  ): Promise<IncomingMessage> =>
    new Promise((resolve, reject) => {
      const content = body === undefined ? '' : JSON.stringify(body);
      // DELETE has a length or no body: Node does not send one in chunks.
      const about = body ? { 'content-type': contentType, 'content-length': Buffer.byteLength(content) } : {};
      request(
        `${server}${path}`,
        { ...options, method, headers: { accept: 'application/json', ...about }, signal },
        resolve,
      )
        .on('error', reject)
        .end(content);
    });
  async function* watch<T extends KubeObject>(
    path: string,
    selectors: Pick<WaitOptions, 'fieldSelector' | 'labelSelector'>,
    signal: AbortSignal,
  ): AsyncGenerator<WatchedEvent<T>> {
    const query = new URLSearchParams({ watch: 'true', ...selectors });
    // Without a resource version a watch begins with what is there: a watch that ends is simply begun again.
    while (!signal.aborted) {
      const response = await send('GET', `${path}?${query.toString()}`, signal);
      if (response.statusCode !== 200) {
        throw new WasmletError(
          'Internal',
          `watch ${path}: HTTP ${String(response.statusCode)} ${await text(response)}`,
        );
      }
      try {
        for await (const line of linesOf(response)) yield JSON.parse(line) as WatchedEvent<T>;
      } catch (error) {
        if (errnoOf(error) !== 'ECONNRESET') throw error;
      }
    }
  }
  return {
    request: async <T = KubeObject>(
      method: string,
      path: string,
      body?: object,
      contentType?: string,
    ): Promise<ApiAnswer<T>> => {
      const response = await send(method, path, AbortSignal.timeout(REQUEST_TIMEOUT_MS), { body, contentType });
      const content = await text(response);
      return { status: response.statusCode ?? 0, body: JSON.parse(content) as T };
    },
    watch,
    waitFor: async <T extends KubeObject>(
      path: string,
      wished: (object: T) => boolean,
      { timeoutMs = WAIT_MS, ...selectors }: WaitOptions = {},
    ) => {
      const ended = new AbortController();
      const timer = setTimeout(() => ended.abort(), timeoutMs);
      let last: T | undefined;
      try {
        for await (const { type, object } of watch<T>(path, selectors, ended.signal)) {
          last = object;
          if (type !== 'DELETED' && wished(object)) return object;
        }
      } catch (error) {
        if (!ended.signal.aborted) throw error;
      } finally {
        clearTimeout(timer);
        ended.abort();
      }
      const seen = last === undefined ? 'nothing was seen' : `last seen: ${JSON.stringify(last, undefined, 1)}`;
      throw new WasmletError('DeadlineExceeded', `${path}: not as wished after ${timeoutMs / 1000} s; ${seen}`);
    },
  };
}

async function connection(
  kubeconfig: string | { readonly server: string; readonly authority: string },
): Promise<{ server: string; options: RequestOptions }> {
  if (typeof kubeconfig !== 'string') return { server: kubeconfig.server, options: { ca: kubeconfig.authority } };
  const config = new KubeConfig();
  config.loadFromFile(kubeconfig);
  const options: RequestOptions = {};
  await config.applyToHTTPSOptions(options);
  return { server: config.getCurrentCluster()?.server ?? '', options };
}

async function* linesOf(stream: IncomingMessage): AsyncGenerator<string> {
  let rest = '';
  for await (const chunk of stream.setEncoding('utf8') as AsyncIterable<string>) {
    const lines = (rest + chunk).split('\n');
    rest = lines.pop() ?? '';
    yield* lines;
  }
}
