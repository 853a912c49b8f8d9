import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { WasmletError } from '../../../base/errors.ts';
import type { Container } from '../../kube/types.ts';
import { createProbeMetrics, type ProbeMetrics } from '../../metrics/agent-metrics.ts';
import type { EventRecorder, ProbedContainer, ProbeSupervisor } from '../context.ts';
import { container, makePod } from '../testing/fixtures.ts';
import { FakeRuntime } from '../testing/fake-runtime.ts';
import { createProbeSupervisor } from './supervisor.ts';
import { PATIENCE } from '../../../test/support/patience.ts';

let server: Server;
let port: number;
let statusCode: number;
let events: string[];
let runtime: FakeRuntime;
let metrics: ProbeMetrics;
let probes: ProbeSupervisor;

beforeEach(async () => {
  statusCode = 200;
  events = [];
  server = createServer((_request, response) => response.writeHead(statusCode).end());
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  ({ port } = server.address() as AddressInfo);
  runtime = new FakeRuntime();
  metrics = createProbeMetrics();
  const recorder: EventRecorder = {
    record: (_ref, _type, reason, message) => void events.push(`${reason}: ${message}`),
  };
  probes = createProbeSupervisor(runtime, recorder, metrics);
});

afterEach(() => {
  probes.remove('uid-1');
  server.close();
});

const running: ProbedContainer = {
  id: 'id-1',
  name: 'app',
  get startedAt() {
    return new Date().toISOString();
  },
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
  expect(events).toEqual([`Unhealthy: Liveness probe failed: dial tcp 127.0.0.1:${port}: connect: connection refused`]);
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

const ended =
  (exitCode: number, stdout = '', stderr = '') =>
  () =>
    Promise.resolve({ stdout: Buffer.from(stdout), stderr: Buffer.from(stderr), exitCode });

test('a command that ends with 0 makes its container ready; variables of the spec are filled in', async () => {
  await begin({
    env: [{ name: 'FILE', value: '/tmp/ready' }],
    readinessProbe: { exec: { command: ['cat', '$(FILE)', '$(HOSTNAME)'] } },
  });
  expect(probes.readiness('id-1')).toBe(true);
  expect(runtime.execs).toEqual([['id-1', 'cat', '/tmp/ready', '$(HOSTNAME)']]);
});

test('a command that ends otherwise fails its probe with what it wrote', async () => {
  runtime.execResult = ended(1, 'out;', 'err');
  await begin({ livenessProbe: { exec: { command: ['false'] }, failureThreshold: 1 } });
  expect(probes.liveness('id-1')).toBe(false);
  expect(events).toEqual(['Unhealthy: Liveness probe failed: out;err']);
});

test('a command that takes too long fails its probe', async () => {
  runtime.execResult = () => Promise.reject(new WasmletError('DeadlineExceeded', 'timeout'));
  await begin({ livenessProbe: { exec: { command: ['sleep', '9'] }, timeoutSeconds: 3, failureThreshold: 1 } });
  expect(events).toEqual(['Unhealthy: Liveness probe failed: command timed out: "sleep 9" timed out after 3s']);
});

test('a command that cannot be run is tried three times, told of, and decides nothing', async () => {
  runtime.execResult = () => Promise.reject(new WasmletError('FailedPrecondition', 'no such program'));
  void begin({ livenessProbe: { exec: { command: ['nope'] }, failureThreshold: 1 } });
  await vi.waitFor(() => expect(events).toHaveLength(1), PATIENCE);
  expect(runtime.execs).toHaveLength(3);
  expect(probes.liveness('id-1')).toBeUndefined();
  expect(events).toEqual([
    'Unhealthy: Liveness probe errored and resulted in unknown state: ' +
      'rpc error: code = FailedPrecondition desc = no such program',
  ]);
});

test('readiness is probed as soon as the container has started up', async () => {
  const requests = vi.fn();
  server.on('request', requests);
  let changes = 0;
  const pod = makePod({
    containers: [
      container('app', {
        startupProbe: { exec: { command: ['started'] }, periodSeconds: 3600 },
        readinessProbe: { httpGet: { port }, periodSeconds: 3600 },
      }),
    ],
  });
  await new Promise<void>((resolve) =>
    probes.update(pod, [running], '127.0.0.1', () => (++changes === 2 ? resolve() : undefined)),
  );
  expect([probes.startup('id-1'), probes.readiness('id-1')]).toEqual([true, true]);
});

test('a pod that is about to end is not probed for life any more, but still for readiness', async () => {
  runtime.execResult = () => new Promise(() => undefined);
  const changed = begin({
    startupProbe: { exec: { command: ['started'] } },
    readinessProbe: { httpGet: { port } },
    livenessProbe: { exec: { command: ['alive'] }, failureThreshold: 1 },
  });
  probes.stopLivenessAndStartup('uid-1');
  expect(probes.startup('id-1')).toBe(true);
  await changed;
  expect(probes.readiness('id-1')).toBe(true);
  expect(runtime.execs).toEqual([['id-1', 'started']]);
});

test('a redirect to another host is a success with a warning; one on the same host is followed', async () => {
  server.removeAllListeners('request');
  server.on('request', ({ url }, response) => {
    const location = url === '/same' ? '/elsewhere' : 'http://other.test/';
    response.writeHead(302, { location }).end('moved');
  });
  await begin({ readinessProbe: { httpGet: { port, path: '/same' } } });
  expect(probes.readiness('id-1')).toBe(true);
  expect(events).toEqual(['ProbeWarning: Readiness probe warning: Probe terminated redirects, Response body: moved']);
});

test('a server that does not answer in time fails its probe, in the words of the kubelet', async () => {
  server.removeAllListeners('request');
  await begin({ livenessProbe: { httpGet: { port, path: '/slow' }, failureThreshold: 1 } });
  expect(events).toEqual([
    `Unhealthy: Liveness probe failed: Get "http://127.0.0.1:${port}/slow": ` +
      'context deadline exceeded (Client.Timeout exceeded while awaiting headers)',
  ]);
  server.closeAllConnections();
});

test('a port by a name that the container does not have cannot be probed', async () => {
  void begin({ readinessProbe: { tcpSocket: { port: 'web' } } });
  await vi.waitFor(() => expect(events).toHaveLength(1), PATIENCE);
  expect(events[0]).toBe(
    'Unhealthy: Readiness probe errored and resulted in unknown state: strconv.Atoi: parsing "web": invalid syntax',
  );
});

test('what ran before the agent did is first probed within a period, not at once', async () => {
  vi.spyOn(Math, 'random').mockReturnValue(0.5);
  const before = performance.now();
  await begin(
    { readinessProbe: { httpGet: { port }, periodSeconds: 1 } },
    { ...running, startedAt: '2026-01-01T00:00:00Z' },
  );
  vi.restoreAllMocks();
  expect(performance.now() - before).toBeGreaterThan(450);
});

test('probes are counted by their result and timed where they passed, until their pod is gone', async () => {
  await begin({ readinessProbe: { httpGet: { port }, periodSeconds: 1 } });
  const results = () => metrics.probes.family().samples.map(({ labelValues }) => labelValues);
  const ofPod = ['app', 'web', 'default', 'uid-1'];
  expect(results()).toEqual([['Readiness', 'successful', ...ofPod]]);
  expect(metrics.probeDuration.family().samples.at(-1)).toMatchObject({ suffix: '_count', value: 1 });
  statusCode = 500;
  await expect.poll(results, PATIENCE).toContainEqual(['Readiness', 'failed', ...ofPod]);
  probes.remove('uid-1');
  expect(results()).toEqual([]);
  expect(metrics.probeDuration.family().samples).toEqual([]);
});
