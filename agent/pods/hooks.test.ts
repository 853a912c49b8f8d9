import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { runHook, type LifecycleHandler } from './hooks.ts';
import { FakeRuntime } from './testing/fake-runtime.ts';
import { container, makePod } from './testing/fixtures.ts';

let server: Server;
let port: number;
let requests: IncomingMessage[];
let statusCode: number;
let events: string[];
let runtime: FakeRuntime;

beforeEach(async () => {
  requests = [];
  events = [];
  statusCode = 200;
  runtime = new FakeRuntime();
  server = createServer((request, response) => {
    requests.push(request);
    response.writeHead(statusCode).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  ({ port } = server.address() as AddressInfo);
});

afterEach(() => server.close());

function run(handler: LifecycleHandler, signal = new AbortController().signal): Promise<void> {
  return runHook(handler, {
    pod: makePod(),
    container: container('app', { ports: [{ name: 'web', containerPort: port }] }),
    containerId: 'id-1',
    host: '127.0.0.1',
    runtime,
    recorder: { record: (_ref, _type, reason, message) => void events.push(`${reason}: ${message}`) },
    signal,
  });
}

test('a command runs in the container, its variables as they are written', async () => {
  await run({ exec: { command: ['echo', '$(HOME)'] } });
  expect(runtime.execs).toEqual([['id-1', 'echo', '$(HOME)']]);
});

test("a command that fails is told with what it wrote, in the kubelet's words", async () => {
  runtime.execResult = () => Promise.resolve({ stdout: Buffer.from('o\n'), stderr: Buffer.from('e'), exitCode: 3 });
  await expect(run({ exec: { command: ['a', 'b'] } })).rejects.toThrow(
    /^Exec lifecycle hook \(\[a b\]\) for Container "app" in Pod "\S+_default\(uid-1\)" failed - error: command 'a b' exited with 3: e, message: "o\\ne"$/,
  );
});

test('a request goes to the port of that name, and its status does not matter', async () => {
  statusCode = 500;
  await run({ httpGet: { port: 'web', path: '/warm?up=1', httpHeaders: [{ name: 'X-A', value: 'b' }] } });
  expect(requests[0]).toMatchObject({ url: '/warm?up=1' });
  expect(requests[0]?.headers).toMatchObject({ 'x-a': 'b', 'user-agent': 'kube-lifecycle/1.36', accept: '*/*' });
});

test('a request over TLS to a plain server is sent again without, and without its credentials', async () => {
  const httpHeaders = [{ name: 'Authorization', value: 'secret' }];
  await run({ httpGet: { port, path: '/', scheme: 'HTTPS', httpHeaders } });
  expect(requests[0]?.headers).not.toHaveProperty('authorization');
  expect(events).toEqual([
    `LifecycleHTTPFallback: request to HTTPS lifecycle hook 127.0.0.1:${port} got HTTP response, retry with HTTP succeeded`,
  ]);
});

test('a server that is not there fails the hook', async () => {
  await new Promise((resolve) => server.close(resolve));
  await expect(run({ httpGet: { port, path: '/x' } })).rejects.toThrow(
    `HTTP lifecycle hook (/x) for Container "app" in Pod`,
  );
  await expect(run({ httpGet: { port, path: '/x' } })).rejects.toThrow(
    `Get "http://127.0.0.1:${port}/x": dial tcp 127.0.0.1:${port}: connect: connection refused`,
  );
});

test('a pause ends with its container', async () => {
  await run({ sleep: { seconds: 0 } });
  await expect(run({ sleep: { seconds: 3600 } }, AbortSignal.abort())).rejects.toThrow(
    'Sleep lifecycle hook (3600) for Container "app"',
  );
});
