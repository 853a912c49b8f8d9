import { once } from 'node:events';
import { createServer, type IncomingMessage, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, test } from 'vitest';
import type { StatusError } from './errors.ts';
import { NodeProxy, type Target } from './node-proxy.ts';

async function serve(listener: RequestListener): Promise<AsyncDisposable & { readonly port: number }> {
  const server = createServer(listener).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** What a client gets where the node answers so. */
async function answerFor(code: number, text: string, target: Partial<Target>) {
  await using node = await serve((_request, response) => response.writeHead(code).end(text));
  const proxy = new NodeProxy({ certificate: '', key: '' });
  const onward: Target = { protocol: 'http', host: '127.0.0.1', port: node.port, path: '/', ...target };
  const forward = async (request: IncomingMessage, response: Parameters<RequestListener>[1]) => {
    const exchange = {
      request,
      response,
      path: '/',
      query: new URLSearchParams(),
      user: { name: 'me', uid: '', groups: [], extra: {} },
    };
    try {
      await proxy.forward(onward, { ...exchange, warnings: [] });
    } catch (error) {
      const status = error as StatusError;
      response.writeHead(status.code).end(JSON.stringify(status.toStatus()));
    }
  };
  await using front = await serve((request, response) => void forward(request, response));
  const answer = await fetch(`http://127.0.0.1:${front.port}/`);
  return { code: answer.status, text: await answer.text() };
}

test('a log that the node refuses is told as the API server tells it, so that kubectl shows why', async () => {
  const waiting = 'container "c" in pod "web" is waiting to start: ContainerCreating';
  const refusal = async (code: number, text: string) => {
    const answer = await answerFor(code, text, { logOf: 'web' });
    expect(answer.code).toBe(code);
    return JSON.parse(answer.text) as object;
  };
  expect(await refusal(400, waiting)).toMatchObject({ kind: 'Status', reason: 'BadRequest', message: waiting });
  expect(await refusal(500, 'disk')).toMatchObject({
    reason: 'InternalError',
    message: 'Internal error occurred: disk',
  });
  expect(await refusal(404, 'pod "web" not found')).toMatchObject({
    reason: 'NotFound',
    message: 'the server could not find the requested resource ( pods/log web)',
    details: { kind: 'pods/log', name: 'web' },
  });
  expect(await refusal(502, 'x')).toMatchObject({
    reason: 'InternalError',
    message: expect.stringContaining('("x")') as string,
  });
});

test('no more of a refusal is told than 50,000 bytes', async () => {
  const { text } = await answerFor(400, 'x'.repeat(60_000), { logOf: 'web' });
  expect((JSON.parse(text) as { message: string }).message).toHaveLength(50_000);
});

test('what the node answers otherwise goes through as it is', async () => {
  expect(await answerFor(200, 'line\n', { logOf: 'web' })).toEqual({ code: 200, text: 'line\n' });
  expect(await answerFor(404, 'no such page', {})).toEqual({ code: 404, text: 'no such page' });
});
