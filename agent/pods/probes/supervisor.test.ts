import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { Container } from '../../kube/types.ts';
import type { ProbedContainer, ProbeSupervisor } from '../context.ts';
import { container, makePod } from '../testing/fixtures.ts';
import { createProbeSupervisor } from './supervisor.ts';

let server: Server;
let port: number;
let statusCode: number;
let events: string[];
let probes: ProbeSupervisor;

beforeEach(async () => {
  statusCode = 200;
  events = [];
  server = createServer((_request, response) => response.writeHead(statusCode).end());
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  ({ port } = server.address() as AddressInfo);
  probes = createProbeSupervisor({
    record: (_ref, _type, reason, message) => void events.push(`${reason}: ${message}`),
  });
});

afterEach(() => {
  probes.remove('uid-1');
  server.close();
});

const running: ProbedContainer = {
  id: 'id-1',
  name: 'app',
  startedAt: '2026-01-01T00:00:00Z',
  wasStarted: false,
  wasReady: false,
};

/** Begins to probe; resolves at the next change of a result. */
function begin(fields: Partial<Container>, seen = running): Promise<void> {
  const pod = makePod({ containers: [container('app', fields)] });
  return new Promise((resolve) => probes.update(pod, [seen], '127.0.0.1', resolve));
}

test('a server that answers makes its container ready', async () => {
  await begin({ readinessProbe: { httpGet: { port, path: '/healthz?x=1' } } });
  expect(probes.readiness('id-1')).toBe(true);
});

test('a server that answers 500 fails the liveness probe, after its threshold', async () => {
  statusCode = 500;
  await begin({ livenessProbe: { httpGet: { port }, failureThreshold: 1 } });
  expect(probes.liveness('id-1')).toBe(false);
  expect(events).toEqual(['Unhealthy: Liveness probe failed: HTTP probe failed with statuscode: 500']);
});

test('an open port is enough for tcpSocket, a closed one is not', async () => {
  await begin({ readinessProbe: { tcpSocket: { port } } });
  expect(probes.readiness('id-1')).toBe(true);
  probes.remove('uid-1');
  await new Promise((resolve) => server.close(resolve));
  await begin({ livenessProbe: { tcpSocket: { port }, failureThreshold: 1 } });
  expect(probes.liveness('id-1')).toBe(false);
  expect(events[0]).toMatch(/^Unhealthy: Liveness probe failed: .*ECONNREFUSED/);
});

test('nothing else is probed before the container has started up', async () => {
  statusCode = 500;
  const requests = vi.fn();
  server.on('request', requests);
  await begin({
    startupProbe: { httpGet: { port }, failureThreshold: 1 },
    livenessProbe: { httpGet: { port }, failureThreshold: 1 },
  });
  expect(probes.startup('id-1')).toBe(false);
  expect(probes.liveness('id-1')).toBeUndefined();
  expect(requests).toHaveBeenCalledTimes(1);
});

test('a container that was ready stays so until a probe says otherwise', () => {
  statusCode = 500;
  void begin(
    { readinessProbe: { httpGet: { port }, initialDelaySeconds: 3600 } },
    { ...running, wasReady: true, startedAt: new Date().toISOString() },
  );
  expect(probes.readiness('id-1')).toBe(true);
});

test('results go with their container', async () => {
  await begin({ readinessProbe: { httpGet: { port } } });
  probes.update(makePod(), [], '127.0.0.1', () => undefined);
  expect(probes.readiness('id-1')).toBeUndefined();
});
