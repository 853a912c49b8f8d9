import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { Agent, get as httpsGet, request as httpsRequest, type RequestOptions } from 'node:https';
import type { IncomingMessage } from 'node:http';
import { connect } from 'node:tls';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createGunzip } from 'node:zlib';
import { text as textOf } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { WasmletError } from '../../base/errors.ts';
import { silentLogger } from '../../base/log.ts';
import { formatEntry } from '../../runtime/host/log-format.ts';
import { createAuthority, type Authority, type KeyPair } from '../../test/cluster/certificates.ts';
import { KubeApiError, type KubeClient } from '../kube/client.ts';
import type { ConfigMap, KubeObject, Pod, SubjectAccessReview, TokenReview } from '../kube/types.ts';
import { createAgentMetrics } from '../metrics/agent-metrics.ts';
import type { MetricsEndpoints } from '../metrics/endpoints.ts';
import { createNodeServer, type NodeServer, type NodeServerOptions } from './index.ts';

const NODE = 'node-a';
const TOKENS: Readonly<Record<string, string>> = { 'good-token': 'system:serviceaccount:default:reader' };

/** The API server's part: reviews by a table of rights, and the ConfigMap when it is readable. */
class FakeApi {
  readonly reviews: SubjectAccessReview['spec'][] = [];
  readonly tokens: string[] = [];
  /** '<user> <verb> <subresource>' */
  rights = new Set<string>();
  isDown = false;
  publishedCA: string | undefined;

  readonly client = {
    server: 'https://api.example',
    get: (): Promise<ConfigMap> => {
      if (this.publishedCA === undefined) return Promise.reject(new KubeApiError(403, 'Forbidden', 'not for nodes'));
      return Promise.resolve({ data: { 'client-ca-file': this.publishedCA } });
    },
    create: (path: string, body: KubeObject): Promise<KubeObject> => {
      if (this.isDown) return Promise.reject(new WasmletError('Unavailable', 'the API server is down'));
      return Promise.resolve(path.endsWith('tokenreviews') ? this.#token(body) : this.#access(body));
    },
  } as unknown as KubeClient;

  #token(body: KubeObject): TokenReview {
    const review = body as TokenReview;
    const { token } = review.spec;
    this.tokens.push(token);
    const username = TOKENS[token];
    return {
      ...review,
      status: username === undefined ? { authenticated: false } : { authenticated: true, user: { username } },
    };
  }

  #access(body: KubeObject): SubjectAccessReview {
    const review = body as SubjectAccessReview;
    this.reviews.push(review.spec);
    const { verb = '', subresource = '' } = review.spec.resourceAttributes ?? {};
    return { ...review, status: { allowed: this.rights.has(`${review.spec.user ?? ''} ${verb} ${subresource}`) } };
  }
}

let folder: string;
let authority: Authority;
let admin: KeyPair;
let api: FakeApi;
let server: NodeServer;
let logPath: string;
let ended: AbortController;
const pod: Pod = {
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'web', namespace: 'default', uid: 'u1' },
  spec: { containers: [{ name: 'app' }] },
};

/** What is sent is another's matter (agent/metrics, agent/stats): each answers with its own name. */
const endpoints: MetricsEndpoints = {
  agent: () => Promise.resolve('agent'),
  resource: () => Promise.resolve('resource '.repeat(1000)),
  probes: () => Promise.resolve('probes'),
  cadvisor: () => Promise.resolve('cadvisor'),
  summary: (only) => Promise.resolve(`{"only":${only}}`),
};

const config = () => ({
  rootDir: folder,
  address: '127.0.0.1',
  port: 0,
  tlsCertFile: '',
  tlsPrivateKeyFile: '',
  clientCAFile: '',
  streamingConnectionIdleTimeout: '4h',
});

/** Keeps connections open for the next request. */
function disposableAgent(): { value: Agent } & Disposable {
  const value = new Agent({ keepAlive: true });
  return { value, [Symbol.dispose]: () => value.destroy() };
}

async function start(change: Partial<NodeServerOptions> = {}): Promise<NodeServer> {
  const started = createNodeServer({
    config: config(),
    client: api.client,
    clusterCA: () => authority.certificate,
    node: { name: NODE, addresses: ['127.0.0.1'] },
    metrics: createAgentMetrics(),
    endpoints,
    pods: {
      pods: () => [pod],
      containerLogPath: (_namespace, _pod, _container, previous) =>
        previous
          ? Promise.reject(
              new WasmletError('FailedPrecondition', 'previous terminated container "app" in pod "web" not found'),
            )
          : Promise.resolve({
              path: logPath,
              ended: ended.signal,
              running: () => Promise.resolve(!ended.signal.aborted),
            }),
    },
    logger: silentLogger,
    ...change,
  });
  await started.listen(new AbortController().signal);
  return started;
}

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'wasmlet-server-'));
  await mkdir(join(folder, 'log'));
  logPath = join(folder, 'log/0.log');
  ended = new AbortController();
  authority = await createAuthority('test-ca');
  admin = await authority.client('admin', ['operators', 'others']);
  api = new FakeApi();
  api.rights = new Set(['admin get proxy', 'system:serviceaccount:default:reader get healthz']);
  server = await start();
});
afterEach(async () => {
  await server[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

type Options = RequestOptions & { pair?: KeyPair; token?: string };

async function open(path: string, { pair, token, ...options }: Options = {}): Promise<IncomingMessage> {
  const request = httpsRequest({
    host: '127.0.0.1',
    port: server.port,
    path,
    rejectUnauthorized: false,
    agent: false,
    ...(pair ? { cert: pair.certificate, key: pair.key } : {}),
    ...(token === undefined ? {} : { headers: { authorization: `Bearer ${token}` } }),
    ...options,
  });
  request.end();
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  return response;
}

async function fetchText(path: string, options?: Options): Promise<[status: number, body: string]> {
  const response = await open(path, options);
  return [response.statusCode ?? 0, await textOf(response)];
}

describe('who asks', () => {
  test('nothing is anonymous, not even what does not exist', async () => {
    for (const path of ['/healthz', '/pods', '/no/such/path']) {
      expect(await fetchText(path)).toEqual([401, 'Unauthorized']);
    }
    expect(api.reviews).toEqual([]);
  });

  test('a client certificate of the client CA names user and groups', async () => {
    expect(await fetchText('/healthz', { pair: admin })).toEqual([200, 'ok']);
    expect(api.reviews[0]).toMatchObject({
      user: 'admin',
      groups: ['operators', 'others', 'system:authenticated'],
      extra: { 'authentication.kubernetes.io/credential-id': [expect.stringMatching(/^X509SHA256=[0-9a-f]{64}$/)] },
      resourceAttributes: { verb: 'get', version: 'v1', resource: 'nodes', subresource: 'healthz', name: NODE },
    });
  });

  test('a certificate of another authority, or one for servers, is nobody', async () => {
    const stranger = await (await createAuthority('test-ca')).client('admin', ['system:masters']);
    expect(await fetchText('/healthz', { pair: stranger })).toEqual([401, 'Unauthorized']);
    const serving = await authority.server('admin', { dns: ['admin'], ip: [] });
    expect(await fetchText('/healthz', { pair: serving })).toEqual([401, 'Unauthorized']);
  });

  test('without any client CA no certificate is believed', async () => {
    await server[Symbol.asyncDispose]();
    server = await start({ clusterCA: () => '' });
    expect(await fetchText('/healthz', { pair: admin })).toEqual([401, 'Unauthorized']);
    expect(await fetchText('/healthz', { token: 'good-token' })).toEqual([200, 'ok']);
  });

  test('the client CA that the API server publishes goes before that of the kubeconfig', async () => {
    const published = await createAuthority('published');
    api.publishedCA = published.certificate;
    await server[Symbol.asyncDispose]();
    server = await start();
    expect(await fetchText('/healthz', { pair: admin })).toEqual([401, 'Unauthorized']);
    expect(await fetchText('/healthz', { pair: await published.client('admin') })).toEqual([200, 'ok']);
  });

  test('another client CA counts from the moment that it is there, also for connections that are open', async () => {
    const file = join(folder, 'client-ca.crt');
    writeFileSync(file, authority.certificate);
    await server[Symbol.asyncDispose]();
    server = await start({ config: { ...config(), clientCAFile: file }, reloadMs: 20 });
    using agent = disposableAgent();
    expect(await fetchText('/healthz', { pair: admin, agent: agent.value })).toEqual([200, 'ok']);
    const next = await createAuthority('next');
    const successor = await next.client('admin');
    writeFileSync(file, next.certificate);
    await expect.poll(() => fetchText('/healthz', { pair: successor })).toEqual([200, 'ok']);
    expect(await fetchText('/healthz', { pair: admin })).toEqual([401, 'Unauthorized']);
    expect(await fetchText('/healthz', { pair: admin, agent: agent.value })).toEqual([401, 'Unauthorized']);
  });

  test('a bearer token is reviewed once and remembered, and a bad one too', async () => {
    for (let times = 0; times < 3; times++) {
      expect(await fetchText('/healthz', { token: 'good-token' })).toEqual([200, 'ok']);
      expect(await fetchText('/healthz', { token: 'bad-token' })).toEqual([401, 'Unauthorized']);
    }
    expect(api.tokens).toEqual(['good-token', 'bad-token']);
    expect(api.reviews).toHaveLength(1);
  });

  test('an API server that is down lets nobody new in', async () => {
    api.isDown = true;
    expect(await fetchText('/healthz', { token: 'good-token' })).toEqual([401, 'Unauthorized']);
    expect(await fetchText('/pods', { pair: admin })).toEqual([
      500,
      'Authorization error (user=admin, verb=get, resource=nodes, subresource=pods)',
    ]);
    api.isDown = false;
    expect((await fetchText('/pods', { pair: admin }))[0]).toBe(200);
  });

  test('a user without the right is told which is missing', async () => {
    expect(await fetchText('/pods', { token: 'good-token' })).toEqual([
      403,
      'Forbidden (user=system:serviceaccount:default:reader, verb=get, resource=nodes, subresource(s)=[pods proxy])\n',
    ]);
  });

  test('a right to get does not execute', async () => {
    expect((await fetchText('/exec/default/web/app?command=sh', { pair: admin }))[0]).toBe(403);
    api.rights.add('admin create proxy');
    const other = await authority.client('other');
    expect((await fetchText('/exec/default/web/app?command=sh', { pair: other }))[0]).toBe(403);
  });

  test('no way to spell a path is authorised as another than is served', async () => {
    api.rights = new Set(['admin get healthz', 'admin get metrics']);
    const paths = [
      '/metrics/../pods',
      '/healthz/../pods',
      '//pods',
      '/%70ods',
      '/PODS',
      '/healthz/..%2fpods',
      '/pods;x',
    ];
    for (const path of paths) {
      const [status, body] = await fetchText(path, { pair: admin });
      expect([403, 404], path).toContain(status);
      expect(body).not.toContain('PodList');
    }
  });

  test('TLS 1.1 is refused', async () => {
    const socket = connect({
      host: '127.0.0.1',
      port: server.port,
      rejectUnauthorized: false,
      minVersion: 'TLSv1',
      maxVersion: 'TLSv1.1',
      ciphers: 'DEFAULT@SECLEVEL=0',
    });
    await expect(once(socket, 'secureConnect')).rejects.toThrow();
  });
});

describe('what is served', () => {
  const ask = (path: string, options: Options = {}) => fetchText(path, { pair: admin, ...options });

  test('health, as a word, in detail, and one check alone', async () => {
    await server[Symbol.asyncDispose]();
    let well = true;
    const check = () => {
      if (!well) throw new Error('the loop stands still');
    };
    server = await start({ checks: [{ name: 'syncloop', check }] });
    expect(await ask('/healthz')).toEqual([200, 'ok']);
    expect(await ask('/healthz/ping')).toEqual([200, 'ok']);
    expect(await ask('/healthz?verbose&exclude=log&exclude=x')).toEqual([
      200,
      '[+]ping ok\n[+]log excluded: ok\n[+]syncloop ok\n' +
        'warn: some health checks cannot be excluded: no matches for "x"\nhealthz check passed\n',
    ]);
    well = false;
    expect(await ask('/healthz')).toEqual([
      500,
      '[+]ping ok\n[+]log ok\n[-]syncloop failed: reason withheld\nhealthz check failed\n',
    ]);
    expect(await ask('/healthz/syncloop')).toEqual([500, 'internal server error: the loop stands still\n']);
  });

  test('the pods as a PodList', async () => {
    const response = await open('/pods', { pair: admin });
    expect(response.headers['content-type']).toBe('application/json');
    expect(JSON.parse(await textOf(response))).toEqual({
      kind: 'PodList',
      apiVersion: 'v1',
      metadata: {},
      items: [{ metadata: pod.metadata, spec: pod.spec }],
    });
  });

  test("metrics with Prometheus' content type, compressed for those who take that, whatever the method", async () => {
    api.rights = new Set(['admin get metrics', 'admin create metrics']);
    for (const name of ['cadvisor', 'probes']) expect(await ask(`/metrics/${name}`)).toEqual([200, name]);
    expect(await ask('/metrics')).toEqual([200, 'agent']);
    expect((await ask('/metrics', { method: 'POST' }))[0]).toBe(200);
    expect((await ask('/metrics/'))[0]).toBe(404);
    expect((await ask('/metrics/unknown'))[0]).toBe(404);
    const plain = await open('/metrics/resource', { pair: admin });
    expect(plain.headers['content-type']).toBe('text/plain; version=0.0.4; charset=utf-8');
    expect(plain.headers['content-encoding']).toBeUndefined();
    const whole = await textOf(plain);
    const headers = { 'accept-encoding': 'gzip' };
    const compressed = await open('/metrics/resource', { pair: admin, headers });
    expect(compressed.headers['content-encoding']).toBe('gzip');
    expect(await textOf(compressed.pipe(createGunzip()))).toBe(whole);
  });

  test('statistics as JSON, of CPU and memory alone if so asked, and why there are none', async () => {
    api.rights = new Set(['admin get stats', 'admin create stats', 'admin delete stats', 'admin  stats']);
    const response = await open('/stats/summary', { pair: admin });
    expect(response.headers['content-type']).toBe('application/json');
    expect(await textOf(response)).toBe('{"only":false}');
    expect(await ask('/stats/summary?only_cpu_and_memory=true')).toEqual([200, '{"only":true}']);
    expect(await ask('/stats/summary?only_cpu_and_memory=yes')).toEqual([200, '{"only":false}']);
    expect((await ask('/stats/summary', { method: 'POST' }))[0]).toBe(200);
    expect((await ask('/stats/summary', { method: 'DELETE' }))[0]).toBe(405);
    expect((await ask('/stats/summary', { method: 'HEAD' }))[0]).toBe(405);
    expect((await ask('/stats/'))[0]).toBe(404);
    await server[Symbol.asyncDispose]();
    const summary = () => Promise.reject(new WasmletError('Unavailable', 'the runtime is away'));
    server = await start({ endpoints: { ...endpoints, summary } });
    expect(await ask('/stats/summary')).toEqual([500, 'Internal Error: the runtime is away']);
  });

  test('metrics and statistics need rights of their own', async () => {
    api.rights = new Set(['admin get proxy', 'admin get stats']);
    expect((await ask('/metrics/resource'))[0]).toBe(403);
    expect((await ask('/stats/summary'))[0]).toBe(200);
    api.rights = new Set(['admin get metrics']);
    const other = await authority.client('other');
    expect((await fetchText('/metrics', { pair: other }))[0]).toBe(403);
  });

  test('requests are counted, and no path that somebody makes up makes a series', async () => {
    const metrics = createAgentMetrics();
    await server[Symbol.asyncDispose]();
    server = await start({ metrics });
    await ask('/healthz');
    await ask('/a');
    await ask('/b/c');
    await fetchText('/pods');
    const counted = () =>
      metrics.httpRequests.family().samples.map(({ labelValues, value }) => `${labelValues.join(' ')} ${value}`);
    expect(counted()).toEqual([
      'GET healthz readwrite false 1',
      'GET other readwrite false 2',
      'GET pods readwrite false 1',
    ]);
    const inFlight = () => metrics.httpInflightRequests.family().samples.map(({ value }) => value);
    await expect.poll(inFlight).toEqual([0, 0, 0]);
  });

  test('other paths and other methods are refused', async () => {
    api.rights.add('admin create proxy').add('admin create pods').add('admin  pods').add('admin  proxy');
    expect(await ask('/nothing')).toEqual([404, '404: Page Not Found']);
    expect(await ask('/containerLogs/default/web')).toEqual([404, '404: Page Not Found']);
    expect(await ask('/pods', { method: 'POST' })).toEqual([405, '405: Method Not Allowed']);
    expect((await ask('/pods', { method: 'HEAD' }))[0]).toBe(405);
    expect(await ask('/containerLogs/default/web/app', { method: 'POST' })).toEqual([405, '405: Method Not Allowed']);
  });

  test('a log that cannot be shown is refused in the words of the kubelet', async () => {
    expect(await ask('/containerLogs/default/nope/app')).toEqual([404, 'pod "nope" does not exist']);
    expect(await ask('/containerLogs/other/web/app')).toEqual([404, 'pod "web" does not exist']);
    expect(await ask('/containerLogs/default/web/x')).toEqual([404, 'container "x" not found in pod "web"']);
    expect(await ask('/containerLogs/default/web/app?tailLines=x')).toEqual([
      400,
      '{"message": "Unable to decode query."}',
    ]);
    expect(await ask('/containerLogs/default/web/app?tailLines=-1')).toEqual([422, '{"message": "Invalid request."}']);
    expect(await ask('/containerLogs/default/web/app?previous=true')).toEqual([
      400,
      'previous terminated container "app" in pod "web" not found',
    ]);
    const [status, body] = await ask('/containerLogs/default/web/app?follow=true');
    expect(status).toBe(400);
    expect(body).toMatch(/^failed to try resolving symlinks in path/);
    expect((await ask('/containerLogs/default/web/%E0%A4%A'))[0]).toBe(400);
  });

  test('a follow answers at once, shows what is added, and ends with the container', async () => {
    writeFileSync(logPath, '');
    const response = await open('/containerLogs/default/web/app?follow=true&stream=Stdout', { pair: admin });
    expect(response.statusCode).toBe(200);
    appendFileSync(logPath, formatEntry('stderr', 'F', Buffer.from('hidden'), Date.now()));
    appendFileSync(logPath, formatEntry('stdout', 'F', Buffer.from('shown'), Date.now()));
    const [chunk] = (await once(response.setEncoding('utf8'), 'data')) as [string];
    expect(chunk).toBe('shown\n');
    ended.abort();
    await once(response, 'end');
  });

  test('a reader that takes nothing holds the reading back, and takes all of it later', async () => {
    const entry = formatEntry('stdout', 'F', Buffer.alloc(1000, 'x'), Date.now());
    const lines = 60_000;
    writeFileSync(logPath, Buffer.concat(Array.from({ length: lines }, () => entry)));
    const before = process.memoryUsage().arrayBuffers + process.memoryUsage().external;
    const response = await open('/containerLogs/default/web/app', { pair: admin });
    response.pause();
    // Other requests are served all the while.
    for (let times = 0; times < 20; times++) expect((await ask('/healthz'))[0]).toBe(200);
    const held = process.memoryUsage().arrayBuffers + process.memoryUsage().external - before;
    expect(held).toBeLessThan(30e6);
    let bytes = 0;
    for await (const chunk of response) bytes += (chunk as Buffer).length;
    expect(bytes).toBe(lines * 1001);
  });

  test('a server that ends closes its follows', async () => {
    writeFileSync(logPath, '');
    const response = await open('/containerLogs/default/web/app?follow=true', { pair: admin });
    const broken = once(response, 'error');
    await server[Symbol.asyncDispose]();
    await broken;
    const refused = httpsGet({ host: '127.0.0.1', port: server.port });
    await once(refused, 'error');
  });
});
