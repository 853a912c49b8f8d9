import { status } from '@grpc/grpc-js';
import { createServer, type AddressInfo } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { HEALTH_CHECK, serveGrpc, type UnaryHandler } from '../../../test/support/grpc-server.ts';
import { checkGrpc } from './grpc.ts';
import { decodeHealthResponse, encodeHealthRequest } from './health-messages.ts';

const servers: Disposable[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server[Symbol.dispose]();
});

/** A gRPC server with the one method that is given. */
async function serve(path: string, handle: UnaryHandler): Promise<number> {
  const server = await serveGrpc(path, handle);
  servers.push(server);
  return server.port;
}

const probe = (port: number, service = '', timeoutSeconds = 5) =>
  checkGrpc({ host: '127.0.0.1', port, service, timeoutSeconds }, new AbortController().signal);

const answering =
  (...bytes: number[]): UnaryHandler =>
  (_call, answer) =>
    answer(null, Buffer.from(bytes));

test('a server that serves is healthy, and sees who asks for what', async () => {
  let seen: unknown[] = [];
  const port = await serve(HEALTH_CHECK, (call, answer) => {
    seen = [call.request, String(call.metadata.get('user-agent')[0])];
    answer(null, Buffer.from([0x08, 1]));
  });
  expect(await probe(port, 'my.Service')).toEqual({ result: 'success', output: 'service healthy' });
  expect(seen).toEqual([
    Buffer.from([0x0a, 10, ...Buffer.from('my.Service')]),
    expect.stringMatching(/^kube-probe\/1\.36 /),
  ]);
});

test.each([
  ['NOT_SERVING', [0x08, 2]],
  ['SERVICE_UNKNOWN', [0x08, 3]],
  ['UNKNOWN', []],
])('a server that answers %s is unhealthy', async (name, bytes) => {
  const port = await serve(HEALTH_CHECK, answering(...bytes));
  expect(await probe(port)).toEqual({ result: 'failure', output: `service unhealthy (responded with "${name}")` });
});

test('an unknown service is told in the words of gRPC', async () => {
  const port = await serve(HEALTH_CHECK, (_call, answer) =>
    answer({ code: status.NOT_FOUND, details: 'unknown service' }),
  );
  expect((await probe(port)).output).toBe(
    'error: health rpc probe failed: rpc error: code = NotFound desc = unknown service',
  );
});

test('a server without the protocol is told so', async () => {
  const port = await serve('/other.Service/Call', answering());
  expect((await probe(port)).output).toMatch(
    /^error: this server does not implement the grpc health protocol \(grpc\.health\.v1\.Health\): /,
  );
});

test('a server that does not answer in time fails', async () => {
  const port = await serve(HEALTH_CHECK, () => undefined);
  expect(await probe(port, '', 1)).toEqual({
    result: 'failure',
    output: 'timeout: health rpc did not complete within 1s',
  });
});

test('a port that nobody listens on fails after its time', async () => {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  expect(await probe(port, '', 1)).toEqual({
    result: 'failure',
    output: `timeout: failed to connect service "127.0.0.1:${port}" within 1s: context deadline exceeded`,
  });
});

test('messages have the wire format of protocol buffers', () => {
  expect(encodeHealthRequest('')).toEqual(Buffer.alloc(0));
  expect(encodeHealthRequest('x'.repeat(300)).subarray(0, 4)).toEqual(Buffer.from([0x0a, 0xac, 0x02, 0x78]));
  // A field that this does not know (number 2, text) stands before the status.
  expect(decodeHealthResponse(Buffer.from([0x12, 2, 0x61, 0x62, 0x08, 1]))).toBe('SERVING');
  expect(decodeHealthResponse(Buffer.from([0x08, 9]))).toBe('9');
  expect(() => decodeHealthResponse(Buffer.from([0x08]))).toThrow(RangeError);
});
