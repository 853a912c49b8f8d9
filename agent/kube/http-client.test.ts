import { once } from 'node:events';
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { afterEach, describe, expect, test } from 'vitest';
import { silentLogger } from '../../base/log.ts';
import type { WatchEvent } from './client.ts';
import { createKubeClient, type HttpKubeClient, type KubeClientSettings, type RequestAnswer } from './http-client.ts';
import type { Pod } from './types.ts';

const stack: AsyncDisposable[] = [];
afterEach(async () => {
  for (const item of stack.splice(0).reverse()) await item[Symbol.asyncDispose]();
});

/** An API server that answers as told, and a client for it. */
async function serve(listener: RequestListener, settings: Partial<KubeClientSettings> = {}): Promise<HttpKubeClient> {
  const server = createServer(listener).listen(0, '127.0.0.1');
  await once(server, 'listening');
  stack.push({
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  });
  const { port } = server.address() as AddressInfo;
  const client = createKubeClient({
    kubeConfig: {
      cluster: { server: `http://127.0.0.1:${port}/base/`, insecureSkipTLSVerify: false },
      user: { token: 'secret-token' },
    },
    qps: Infinity,
    burst: 1,
    logger: silentLogger,
    ...settings,
  });
  stack.push(client);
  return client;
}

function answer(response: ServerResponse, status: number, body: unknown, headers: Record<string, string> = {}): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body));
}

const failure = (code: number, reason: string, message: string) => ({ kind: 'Status', code, reason, message });

describe('requests', () => {
  test('carry the token, the user agent, the base path and the query', async () => {
    const seen: IncomingMessage[] = [];
    const client = await serve((request, response) => {
      seen.push(request);
      answer(response, 200, { metadata: {}, items: null });
    });
    const query = { fieldSelector: 'spec.nodeName=a', limit: 5, absent: undefined };
    expect(await client.list('/api/v1/pods', { query })).toEqual({ metadata: {}, items: [] });
    expect(seen[0]?.url).toBe('/base/api/v1/pods?fieldSelector=spec.nodeName%3Da&limit=5');
    expect(seen[0]?.headers).toMatchObject({
      authorization: 'Bearer secret-token',
      'user-agent': expect.stringMatching(/^wasmlet\//) as string,
    });
  });

  test.each([
    ['strategic', 'application/strategic-merge-patch+json'],
    ['merge', 'application/merge-patch+json'],
    ['json', 'application/json-patch+json'],
  ] as const)('a %s patch has its own content type', async (type, contentType) => {
    const client = await serve((request, response) => {
      void text(request).then((body) => answer(response, 200, { got: [request.headers['content-type'], body] }));
    });
    expect(await client.patch('/api/v1/nodes/a/status', type, { a: 1 })).toEqual({ got: [contentType, '{"a":1}'] });
  });

  test('every answer is told, and that there was none', async () => {
    const answers: RequestAnswer[] = [];
    const onAnswer = (told: RequestAnswer) => void answers.push(told);
    const client = await serve(
      (request, response) => {
        if (request.method === 'POST') request.socket.destroy();
        else answer(response, 404, failure(404, 'NotFound', 'gone'));
      },
      { onAnswer },
    );
    await expect(client.get('/api/v1/nodes/a')).rejects.toMatchObject({ status: 404 });
    await expect(client.create('/api/v1/nodes', {})).rejects.toMatchObject({ code: 'Unavailable' });
    const { host } = new URL(client.server);
    expect(answers).toEqual([
      { method: 'GET', host, status: 404, seconds: expect.any(Number) as number },
      { method: 'POST', host, status: undefined, seconds: expect.any(Number) as number },
    ]);
  });

  test('an answer that is not 2xx becomes an error with its reason', async () => {
    const client = await serve((_request, response) => answer(response, 409, failure(409, 'Conflict', 'changed')));
    await expect(client.update('/api/v1/nodes/a', {})).rejects.toMatchObject({
      name: 'KubeApiError',
      status: 409,
      reason: 'Conflict',
      message: 'changed',
    });
  });

  test("a proxy's page is an error too", async () => {
    const client = await serve((_request, response) => response.writeHead(502).end('<html>bad gateway'));
    await expect(client.get('/healthz')).rejects.toMatchObject({ status: 502, message: '<html>bad gateway' });
  });

  test('429 with Retry-After is tried again, also for writes', async () => {
    let tries = 0;
    const client = await serve((_request, response) => {
      tries += 1;
      if (tries < 3) answer(response, 429, failure(429, 'TooManyRequests', 'slow down'), { 'retry-after': '0' });
      else answer(response, 201, { kind: 'Pod' });
    });
    expect(await client.create('/api/v1/namespaces/a/pods', {})).toEqual({ kind: 'Pod' });
    expect(client.requestCounts).toEqual(new Map([['CREATE pods', 3]]));
  });

  test('a connection that breaks is tried again for reads and told for writes', async () => {
    let tries = 0;
    const client = await serve((request, response) => {
      tries += 1;
      if (tries === 1 || request.method === 'POST') request.socket.destroy();
      else answer(response, 200, {});
    });
    expect(await client.get('/api/v1/nodes/a')).toEqual({});
    await expect(client.create('/api/v1/nodes', {})).rejects.toMatchObject({ code: 'Unavailable' });
  });

  test('a server that does not answer is given up after the time allowed', async () => {
    const client = await serve(() => undefined, { timeoutMs: 50 });
    await expect(client.get('/api/v1/nodes/a')).rejects.toMatchObject({ code: 'DeadlineExceeded' });
  });

  test('an answer that stops in the middle is given up as well', async () => {
    const client = await serve((_request, response) => response.write('{"kind":'), { timeoutMs: 50 });
    await expect(client.get('/api/v1/nodes/a')).rejects.toMatchObject({ code: 'DeadlineExceeded' });
  });

  test('the caller can end a request', async () => {
    const controller = new AbortController();
    const client = await serve(() => controller.abort());
    const request = client.get('/api/v1/nodes/a', { signal: controller.signal });
    await expect(request).rejects.toMatchObject({ code: 'Cancelled' });
  });

  test('the rate limit holds requests back, and a waiting one can be given up', async () => {
    const client = await serve((_request, response) => answer(response, 200, {}), { qps: 0.001, burst: 1 });
    await client.get('/api/v1/nodes/a');
    const controller = new AbortController();
    const waiting = client.get('/api/v1/nodes/a', { signal: controller.signal });
    controller.abort();
    await expect(waiting).rejects.toMatchObject({ code: 'Cancelled' });
    expect(client.requestCounts.get('GET nodes')).toBe(1);
  });
});

describe('a watch', () => {
  const event = (type: string, object: unknown) => `${JSON.stringify({ type, object })}\n`;

  test('decodes events wherever the chunks are cut', async () => {
    const stream = event('ADDED', { metadata: { name: 'ä' } }) + event('BOOKMARK', { metadata: {} });
    const bytes = Buffer.from(stream);
    let url = '';
    const client = await serve((request, response) => {
      url = request.url ?? '';
      const send = (at: number) => {
        if (at < bytes.length) response.write(bytes.subarray(at, at + 7), () => send(at + 7));
        else response.end();
      };
      send(0);
    });
    const events: WatchEvent<Pod>[] = [];
    for await (const each of client.watch<Pod>('/api/v1/pods', '17')) events.push(each);
    expect(events.map(({ type, object }) => [type, object.metadata?.name])).toEqual([
      ['ADDED', 'ä'],
      ['BOOKMARK', undefined],
    ]);
    const query = new URL(url, 'http://a').searchParams;
    expect(Object.fromEntries(query)).toMatchObject({
      watch: 'true',
      allowWatchBookmarks: 'true',
      resourceVersion: '17',
    });
    expect(Number(query.get('timeoutSeconds'))).toBeGreaterThanOrEqual(300);
    expect(Number(query.get('timeoutSeconds'))).toBeLessThanOrEqual(600);
  });

  const drain = async (client: HttpKubeClient): Promise<void> => {
    for await (const _ of client.watch('/api/v1/pods', '1'));
  };

  test('an ERROR event is thrown', async () => {
    const status = failure(410, 'Expired', 'too old');
    const client = await serve((_request, response) => response.end(event('ERROR', status)));
    await expect(drain(client)).rejects.toMatchObject({ status: 410, reason: 'Expired' });
  });

  test('a line without end is refused', async () => {
    const client = await serve((_request, response) => {
      const chunk = Buffer.alloc(4 * 1024 ** 2, 'x');
      const more = (error?: Error | null) => {
        if (!error) response.write(chunk, more);
      };
      more();
    });
    await expect(drain(client)).rejects.toThrow(/a line of more than/);
  });

  test('a silent connection is given up', async () => {
    const client = await serve((_request, response) => response.flushHeaders(), { watchIdleMs: 50 });
    await expect(drain(client)).rejects.toMatchObject({ code: 'DeadlineExceeded' });
  });

  test('ends its connection when the reader goes', async () => {
    const closed = Promise.withResolvers<undefined>();
    const client = await serve((request, response) => {
      request.on('close', () => closed.resolve(undefined));
      response.write(event('ADDED', {}));
    });
    for await (const _ of client.watch('/api/v1/pods', '1')) break;
    await closed.promise;
  });
});
