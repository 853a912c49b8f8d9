import { readFileSync } from 'node:fs';
import { request } from 'node:https';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { createApi, type Api } from '../../test/support/api.ts';
import type { KubeObject, Pod } from '../kube/types.ts';
import { runtimeClass } from './controllers/seed.ts';
import { startTestApi } from './testing.ts';

// Much of it waits for the disk, which others may keep busy.
vi.setConfig({ testTimeout: 180_000, hookTimeout: 180_000 });

// Vitest's own are `any`.
const containing = (text: string): unknown => expect.stringContaining(text);
const like = (pattern: RegExp): unknown => expect.stringMatching(pattern);

interface Answer extends KubeObject {
  readonly [field: string]: unknown;
}

let local: Awaited<ReturnType<typeof startTestApi>>;
let api: Api;
let node: Api;
beforeAll(async () => {
  local = await startTestApi();
  api = await createApi(local.kubeconfig);
  node = await createApi(local.nodeKubeconfig);
});
afterAll(async () => local[Symbol.asyncDispose]());

const CONFIG_MAPS = '/api/v1/namespaces/default/configmaps';
const PODS = '/api/v1/namespaces/default/pods';
const configMap = (name: string, data: object = {}, metadata: object = {}) => ({
  metadata: { name, ...metadata },
  data,
});
const pod = (name: string, spec: object = {}, metadata: object = {}) => ({
  metadata: { name, ...metadata },
  spec: { containers: [{ name: 'c', image: 'example/i:1' }], ...spec },
});

async function ask(
  method: string,
  path: string,
  body?: object,
  type?: string,
): Promise<{ status: number; body: Answer }> {
  return await api.request<Answer>(method, path, body, type);
}

/** One request without the client that the other tests use. */
async function raw(
  path: string,
  headers: Record<string, string> = {},
): Promise<{ status: number; text: string; allow: unknown }> {
  const { promise, resolve, reject } = Promise.withResolvers<{ status: number; text: string; allow: unknown }>();
  request(`${local.url}${path}`, { headers, rejectUnauthorized: false, agent: false }, (response) => {
    const allow = response.headers['access-control-allow-origin'];
    void text(response).then((body) => resolve({ status: response.statusCode ?? 0, text: body, allow }), reject);
  })
    .on('error', reject)
    .end();
  return await promise;
}

describe('who is answered', () => {
  test.each(['/', '/api', '/api/v1/pods', '/version', '/healthz', '/openapi/v3', '/nope'])(
    'without a certificate or token, %s is not',
    async (path) => expect(await raw(path)).toMatchObject({ status: 401, text: containing('Unauthorized') }),
  );

  test('a token that this server did not sign is nobody’s', async () => {
    const head = Buffer.from('{"alg":"none"}').toString('base64url');
    const claims = Buffer.from('{"sub":"system:serviceaccount:default:default"}').toString('base64url');
    expect((await raw('/version', { authorization: `Bearer ${head}.${claims}.` })).status).toBe(401);
    expect((await raw('/version', { authorization: `Bearer ${head}.${claims}.AAAA` })).status).toBe(401);
  });

  test.each([{ origin: 'https://example.com' }, { host: 'rebound.example.com' }, { 'sec-fetch-site': 'cross-site' }])(
    'a web page is refused before anything else: %j',
    async (headers) => {
      const answer = await raw('/api/v1/pods', headers);
      expect(answer).toMatchObject({ status: 403, allow: undefined });
    },
  );

  test('a pod’s token is known, and has no rights but to ask about itself', async () => {
    const created = await ask('POST', '/api/v1/namespaces/default/serviceaccounts/default/token', { spec: {} });
    const { token } = created.body['status'] as { token: string };
    const authorization = `Bearer ${token}`;
    expect((await raw('/version', { authorization })).status).toBe(200);
    expect(JSON.parse((await raw(PODS, { authorization })).text)).toMatchObject({
      code: 403,
      message:
        'pods is forbidden: User "system:serviceaccount:default:default" cannot list resource "pods" in API group "" ' +
        'in the namespace "default"',
    });
    const review = { spec: { token } };
    expect((await ask('POST', '/apis/authentication.k8s.io/v1/tokenreviews', review)).body['status']).toMatchObject({
      authenticated: true,
      user: { username: 'system:serviceaccount:default:default' },
    });
  });

  test('the node may do what a node does', async () => {
    expect((await node.request('GET', PODS)).status).toBe(200);
    expect((await node.request('DELETE', '/api/v1/namespaces/default')).status).toBe(403);
    expect((await node.request('POST', CONFIG_MAPS, configMap('x'))).status).toBe(403);
  });
});

describe('writing', () => {
  test('an object gets what the server alone decides', async () => {
    const { status, body } = await ask('POST', CONFIG_MAPS, { metadata: { generateName: 'gen-', uid: 'mine' } });
    expect(status).toBe(201);
    expect(body.metadata).toMatchObject({
      name: like(/^gen-[a-z0-9]{5}$/),
      namespace: 'default',
      uid: like(/^[0-9a-f-]{36}$/),
      creationTimestamp: like(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/),
    });
  });

  test('an update of an old state is refused', async () => {
    const { body } = await ask('POST', CONFIG_MAPS, configMap('conflict'));
    const path = `${CONFIG_MAPS}/conflict`;
    expect((await ask('PUT', path, { ...body, data: { a: '1' } })).status).toBe(200);
    expect((await ask('PUT', path, { ...body, data: { a: '2' } })).body).toMatchObject({
      reason: 'Conflict',
      message:
        'Operation cannot be fulfilled on configmaps "conflict": the object has been modified; please apply your ' +
        'changes to the latest version and try again',
    });
  });

  test('an update that changes nothing is no revision', async () => {
    const { body } = await ask('POST', CONFIG_MAPS, configMap('same', { a: '1' }));
    const again = await ask('PUT', `${CONFIG_MAPS}/same`, body);
    expect(again.body.metadata?.resourceVersion).toBe(body.metadata?.resourceVersion);
  });

  test('a dry run checks, shows and writes nothing', async () => {
    expect((await ask('POST', `${CONFIG_MAPS}?dryRun=All`, configMap('dry'))).status).toBe(201);
    expect((await ask('GET', `${CONFIG_MAPS}/dry`)).status).toBe(404);
    expect((await ask('POST', `${CONFIG_MAPS}?dryRun=All`, configMap('D'))).status).toBe(422);
  });

  test('what a kind does not know is refused, warned of or ignored, as is asked', async () => {
    const body = { ...configMap('strict'), foo: 1 };
    expect((await ask('POST', `${CONFIG_MAPS}?fieldValidation=Strict`, body)).body).toMatchObject({
      code: 400,
      message: 'ConfigMap in version "v1" cannot be handled as a ConfigMap: strict decoding error: unknown field "foo"',
    });
    expect((await ask('POST', `${CONFIG_MAPS}?fieldValidation=Ignore`, body)).body).not.toHaveProperty('foo');
  });

  test('each way of patching is taken', async () => {
    await ask('POST', CONFIG_MAPS, configMap('patched', { a: '1', b: '2' }));
    const path = `${CONFIG_MAPS}/patched`;
    await ask('PATCH', path, { data: { a: null } }, 'application/merge-patch+json');
    await ask('PATCH', path, { data: { c: '3' } }, 'application/strategic-merge-patch+json');
    const operations = [{ op: 'replace', path: '/data/b', value: '4' }];
    const { body } = await ask('PATCH', path, operations, 'application/json-patch+json');
    expect(body['data']).toEqual({ b: '4', c: '3' });
  });

  test('server-side apply and the kinds of controllers are refused by name, with what to do', async () => {
    const applied = await ask('PATCH', `${CONFIG_MAPS}/x`, configMap('x'), 'application/apply-patch+yaml');
    expect(applied.body).toMatchObject({
      code: 405,
      message: containing('server-side apply is not part of'),
    });
    expect((await ask('POST', '/apis/apps/v1/namespaces/default/deployments', {})).body).toMatchObject({
      code: 405,
      message: like(/^deployments\.apps are not served by wasmlet's local mode.*kind or k3s/),
    });
    expect((await ask('PATCH', `${PODS}/x/resize`, {}, 'application/merge-patch+json')).body).toMatchObject({
      code: 405,
    });
  });

  test('an object with a finalizer goes when the finalizer does', async () => {
    await ask('POST', CONFIG_MAPS, configMap('finalized', {}, { finalizers: ['example.com/mine'] }));
    const path = `${CONFIG_MAPS}/finalized`;
    expect((await ask('DELETE', path)).body.metadata?.deletionTimestamp).toBeDefined();
    expect((await ask('GET', path)).status).toBe(200);
    await ask('PATCH', path, { metadata: { finalizers: null } }, 'application/merge-patch+json');
    expect((await ask('GET', path)).status).toBe(404);
  });

  test('a deletion has preconditions', async () => {
    await ask('POST', CONFIG_MAPS, configMap('guarded'));
    const refused = await ask('DELETE', `${CONFIG_MAPS}/guarded`, { preconditions: { uid: 'other' } });
    expect(refused.body).toMatchObject({ code: 409, reason: 'Conflict' });
  });

  test('a collection is deleted by its selector', async () => {
    for (const name of ['c1', 'c2']) await ask('POST', CONFIG_MAPS, configMap(name, {}, { labels: { set: 'c' } }));
    const { body } = await ask('DELETE', `${CONFIG_MAPS}?labelSelector=set%3Dc`);
    expect(body['items']).toHaveLength(2);
    expect((await ask('GET', `${CONFIG_MAPS}?labelSelector=set%3Dc`)).body['items']).toEqual([]);
  });

  test('what belongs to a deleted object goes with it', async () => {
    const owner = await ask('POST', CONFIG_MAPS, configMap('owner'));
    const { uid } = owner.body.metadata ?? {};
    const ownerReferences = [{ apiVersion: 'v1', kind: 'ConfigMap', name: 'owner', uid }];
    await ask('POST', CONFIG_MAPS, configMap('owned', {}, { ownerReferences }));
    const gone = untilDeleted(CONFIG_MAPS, 'owned');
    await ask('DELETE', `${CONFIG_MAPS}/owner`);
    await gone;
  });
});

/** Resolves when a watch shows that an object is gone. */
async function untilDeleted(path: string, name: string): Promise<void> {
  const ended = new AbortController();
  for await (const { type } of api.watch(path, { fieldSelector: `metadata.name=${name}` }, ended.signal)) {
    if (type === 'DELETED') break;
  }
  ended.abort();
}

describe('lists and watches', () => {
  test('a list goes on where it ended, in the state that it began with', async () => {
    const names = ['l1', 'l2', 'l3', 'l4'];
    for (const name of names) await ask('POST', CONFIG_MAPS, configMap(name, {}, { labels: { set: 'l' } }));
    const first = await ask('GET', `${CONFIG_MAPS}?labelSelector=set%3Dl&limit=2`);
    const { continue: next = '', resourceVersion } = first.body.metadata as {
      continue?: string;
      resourceVersion?: string;
    };
    await ask('DELETE', `${CONFIG_MAPS}/l3`);
    const second = await ask('GET', `${CONFIG_MAPS}?labelSelector=set%3Dl&limit=2&continue=${next}`);
    const found = [first, second]
      .flatMap(({ body }) => body['items'] as KubeObject[])
      .map(({ metadata }) => metadata?.name);
    expect(found).toEqual(names);
    expect(second.body.metadata).toMatchObject({ resourceVersion });
  });

  test('a watch tells all changes after its version, and objects that come to be selected or no longer are', async () => {
    const { body } = await ask('GET', CONFIG_MAPS);
    const path = `${CONFIG_MAPS}/watched`;
    await ask('POST', CONFIG_MAPS, configMap('watched'));
    const label = (value: string | null) =>
      ask('PATCH', path, { metadata: { labels: { set: value } } }, 'application/merge-patch+json');
    await label('w');
    await ask('PATCH', path, { data: { a: '1' } }, 'application/merge-patch+json');
    await label(null);
    const query = `watch=true&resourceVersion=${body.metadata?.resourceVersion ?? ''}&labelSelector=set%3Dw&timeoutSeconds=1`;
    const { promise, resolve } = Promise.withResolvers<string>();
    const certificate = kubeconfigUser();
    request(
      `${local.url}${CONFIG_MAPS}?${query}`,
      { ...certificate, agent: false },
      (response) => void text(response).then(resolve),
    ).end();
    const events = (await promise)
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { type: string });
    expect(events.map(({ type }) => type)).toEqual(['ADDED', 'MODIFIED', 'DELETED']);
  });

  test('a version of the future is told apart from one of the past', async () => {
    const future = await ask('GET', `${CONFIG_MAPS}?watch=true&resourceVersion=99999999`);
    expect(future.body).toMatchObject({ code: 504, message: containing('Too large resource version') });
    expect((await ask('GET', `${CONFIG_MAPS}?watch=true&resourceVersion=x`)).status).toBe(400);
  });
});

/** The administrator's certificate, by the kubeconfig. */
function kubeconfigUser() {
  const value = (key: string) => {
    const found = new RegExp(`${key}: (\\S+)`).exec(readFileSync(local.kubeconfig, 'utf8'))?.[1] ?? '';
    return Buffer.from(found, 'base64').toString();
  };
  return {
    cert: value('client-certificate-data'),
    key: value('client-key-data'),
    ca: value('certificate-authority-data'),
  };
}

describe('namespaces', () => {
  test('a new one has its service account and the authority’s certificate', async () => {
    await ask('POST', '/api/v1/namespaces', { metadata: { name: 'furnished' } });
    const inIt = '/api/v1/namespaces/furnished';
    await api.waitFor(`${inIt}/serviceaccounts`, ({ metadata }) => metadata?.name === 'default');
    const { data } = await api.waitFor<KubeObject & { data?: Record<string, string> }>(
      `${inIt}/configmaps`,
      ({ metadata }) => metadata?.name === 'kube-root-ca.crt',
    );
    expect(data?.['ca.crt']).toContain('BEGIN CERTIFICATE');
  });

  test('one that ends takes all that is in it, and lets nothing new in', async () => {
    await ask('POST', '/api/v1/namespaces', { metadata: { name: 'ending' } });
    const inIt = '/api/v1/namespaces/ending/configmaps';
    await ask('POST', inIt, configMap('last', {}, { finalizers: ['example.com/wait'] }));
    const gone = untilDeleted('/api/v1/namespaces', 'ending');
    expect((await ask('DELETE', '/api/v1/namespaces/ending')).body['status']).toMatchObject({ phase: 'Terminating' });
    expect((await ask('POST', inIt, configMap('late'))).body).toMatchObject({
      message: containing('because it is being terminated'),
    });
    await ask('PATCH', `${inIt}/last`, { metadata: { finalizers: null } }, 'application/merge-patch+json');
    await gone;
  });

  test('nothing is made in one that is not there', async () => {
    expect((await ask('POST', '/api/v1/namespaces/nowhere/configmaps', configMap('a'))).body).toMatchObject({
      message: 'namespaces "nowhere" not found',
    });
  });
});

describe('pods', () => {
  const scheduled = ({ status }: Pod) => status?.conditions?.find(({ type }) => type === 'PodScheduled');

  test('the runtime classes are those of the manifests', () => {
    const manifests = parseAllDocuments(readFileSync('manifests/runtimeclasses.yaml', 'utf8')).map(
      (document) => document.toJS() as KubeObject,
    );
    expect(manifests).toEqual(['wasm', 'wasm-shared', 'wasm-interpreter'].map(runtimeClass));
  });

  test('a pod gets its class’s overhead and place, and its account’s pull secrets', async () => {
    await ask(
      'PATCH',
      '/api/v1/namespaces/default/serviceaccounts/default',
      { imagePullSecrets: [{ name: 's' }] },
      'application/merge-patch+json',
    );
    const { body } = await ask('POST', PODS, pod('classy', { runtimeClassName: 'wasm' }));
    expect(body['spec']).toMatchObject({
      overhead: { cpu: '2m', memory: '12Mi' },
      nodeSelector: { 'kubernetes.io/arch': 'wasm', 'kubernetes.io/os': 'wasip1' },
      imagePullSecrets: [{ name: 's' }],
      serviceAccountName: 'default',
    });
    expect((await ask('POST', PODS, pod('classless', { runtimeClassName: 'nope' }))).body).toMatchObject({
      message: 'pods "classless" is forbidden: pod rejected: RuntimeClass "nope" not found',
    });
  });

  test('a pod waits for a node that suits it, and is bound when there is one', async () => {
    await ask('POST', PODS, pod('waits', { nodeSelector: { size: 'large' } }));
    const own = { fieldSelector: 'metadata.name=waits' };
    const refused = await api.waitFor<Pod>(PODS, (each) => scheduled(each)?.status === 'False', own);
    expect(scheduled(refused)?.message).toBe('no nodes available to schedule pods');
    const capacity = { cpu: '2', memory: '1Gi', pods: '10', 'ephemeral-storage': '1Gi' };
    await node.request('POST', '/api/v1/nodes', {
      metadata: { name: 'node' },
      status: { allocatable: capacity, capacity },
    });
    const unfit = await api.waitFor<Pod>(PODS, (each) => /1 node/.test(scheduled(each)?.message ?? ''), own);
    expect(scheduled(unfit)?.message).toBe(
      "0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector. preemption: 0/1 nodes are " +
        'available: 1 Preemption is not helpful for scheduling.',
    );
    await ask(
      'PATCH',
      '/api/v1/nodes/node',
      { metadata: { labels: { size: 'large' } } },
      'application/merge-patch+json',
    );
    await api.waitFor<Pod>(PODS, ({ spec }) => spec?.nodeName === 'node', own);
    await api.waitFor<KubeObject & { message?: string }>(
      '/api/v1/namespaces/default/events',
      ({ message }) => message === 'Successfully assigned default/waits to node',
    );
  });

  test('a pod on a node is deleted by the node, after its time', async () => {
    const path = `${PODS}/graceful`;
    await ask('POST', PODS, pod('graceful', { nodeName: 'node' }));
    const { body } = await ask('DELETE', path, { gracePeriodSeconds: 20 });
    expect(body.metadata).toMatchObject({ deletionGracePeriodSeconds: 20, generation: 2 });
    expect((await ask('DELETE', path, { gracePeriodSeconds: 5 })).body.metadata).toMatchObject({
      deletionGracePeriodSeconds: 5,
    });
    expect((await ask('DELETE', path, { gracePeriodSeconds: 60 })).body.metadata).toMatchObject({
      deletionGracePeriodSeconds: 5,
    });
    const { uid } = body.metadata ?? {};
    await node.request('DELETE', path, { gracePeriodSeconds: 0, preconditions: { uid } });
    expect((await ask('GET', path)).status).toBe(404);
  });

  test('of a pod’s spec hardly anything can change; its status is apart', async () => {
    await ask('POST', PODS, pod('fixed', { nodeName: 'node' }));
    const path = `${PODS}/fixed`;
    const renamed = [{ op: 'replace', path: '/spec/containers/0/name', value: 'd' }];
    expect((await ask('PATCH', path, renamed, 'application/json-patch+json')).body).toMatchObject({
      code: 422,
      message: containing('spec: Forbidden: pod updates may not change fields other than'),
    });
    const image = [{ op: 'replace', path: '/spec/containers/0/image', value: 'example/i:2' }];
    expect((await ask('PATCH', path, image, 'application/json-patch+json')).body.metadata?.generation).toBe(2);
    const status = { status: { phase: 'Running' }, spec: { hostname: 'x' } };
    const { body } = await ask('PATCH', `${path}/status`, status, 'application/merge-patch+json');
    expect(body['status']).toMatchObject({ phase: 'Running' });
    expect(body['spec']).not.toHaveProperty('hostname');
  });

  test('ephemeral containers are added, and stay', async () => {
    await ask('POST', PODS, pod('debugged', { nodeName: 'node' }));
    const path = `${PODS}/debugged/ephemeralcontainers`;
    const add = { spec: { ephemeralContainers: [{ name: 'd', image: 'example/d:1' }] } };
    const { body } = await ask('PATCH', path, add, 'application/strategic-merge-patch+json');
    expect(body['spec']).toMatchObject({ ephemeralContainers: [{ name: 'd', imagePullPolicy: 'IfNotPresent' }] });
    const change = { spec: { ephemeralContainers: [{ name: 'd', image: 'example/d:2' }] } };
    expect((await ask('PATCH', path, change, 'application/strategic-merge-patch+json')).status).toBe(422);
  });

  test('an eviction is a deletion', async () => {
    await ask('POST', PODS, pod('evicted', { nodeName: 'node' }));
    expect((await ask('POST', `${PODS}/evicted/eviction`, { metadata: { name: 'evicted' } })).status).toBe(201);
    expect((await ask('GET', `${PODS}/evicted`)).body.metadata?.deletionTimestamp).toBeDefined();
  });
});
