/** Lists by pages, of local mode and of the real API server: the same pages, the same words where they are refused. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startTestApi } from '../../agent/local/testing.ts';
import { createApi, type Api } from '../support/api.ts';
import { createNamespace, describeOnCluster, useCluster } from '../support/fixture.ts';

const NAMES = ['a', 'a-b', 'a.b', 'a0', 'b', 'c', 'd'];
const token = (content: unknown): string =>
  Buffer.from(typeof content === 'string' ? content : JSON.stringify(content)).toString('base64url');
const KEY = 'meta.k8s.io/v1';

/** Queries of one request each. With resourceVersion=0 the API server pays no heed to a limit, and local mode does. */
const QUERIES = [
  '',
  'limit=0',
  'limit=-1',
  'limit=x',
  'limit=2',
  'limit=7',
  'limit=100',
  'limit=2&labelSelector=odd',
  'limit=2&labelSelector=last',
  'limit=2&labelSelector=none',
  'limit=2&fieldSelector=metadata.name%3Da.b',
  'limit=2&fieldSelector=metadata.name!%3Da.b',
  'fieldSelector=metadata.name%3Dnone',
  'resourceVersion=0',
  'resourceVersion=x',
  'resourceVersion=0&resourceVersionMatch=Exact',
  'resourceVersion=0&resourceVersionMatch=NotOlderThan',
  'resourceVersionMatch=NotOlderThan',
  'resourceVersion=1&resourceVersionMatch=Perhaps',
  'resourceVersionMatch=Perhaps&continue=x&sendInitialEvents=true',
  'resourceVersion=999999999',
  'resourceVersion=999999999&resourceVersionMatch=Exact',
  ...[
    'x',
    'xx',
    'invalid',
    'a+b',
    'a%3D%3D',
    'a%2Fbc',
    'abcde',
    token(' '),
    token('{"rv":1.5}'),
    token('x'),
    token("'"),
    token('\\'),
    token('{"v":"meta.k8s.io/v1"'),
    token('{"v":"meta'),
    token('[]'),
    token('"text"'),
    token('null'),
    token({}),
    token({ v: 1 }),
    token({ v: 'v2', rv: 1, start: 'a' }),
    token({ v: KEY, rv: '1', start: 'a' }),
    token({ v: KEY, rv: 1, start: ['a'] }),
    token({ v: KEY, start: 'a' }),
    token({ v: KEY, rv: 1 }),
    token({ v: KEY, rv: 1, start: '../other/a' }),
    token({ v: KEY, rv: 1, start: 'a//b' }),
    token({ v: KEY, rv: -1, start: 'a-b\0' }),
  ].map((text) => `limit=2&continue=${text}`),
  `limit=2&resourceVersion=5&continue=${token({ v: KEY, rv: -1, start: 'a\0' })}`,
];

interface List {
  readonly metadata: Record<string, unknown>;
  readonly items?: readonly { readonly metadata: { readonly name: string } }[];
}

/** What can be compared of an answer: revisions differ, and tokens of ours say how many objects are left. */
function comparable({ status, body }: { status: number; body: List }, namespace: string): unknown {
  const { metadata, items, ...rest } = body;
  const next = metadata['continue'];
  const decoded =
    typeof next === 'string'
      ? (JSON.parse(Buffer.from(next, 'base64url').toString()) as { v: string; start: string })
      : undefined;
  const shown = {
    status,
    ...rest,
    items: items?.map((item) => item.metadata.name),
    metadata: { ...metadata, ...(decoded ? { continue: [decoded.v, decoded.start] } : {}) },
  };
  const text = JSON.stringify(shown).replaceAll(namespace, 'NAMESPACE');
  return JSON.parse(
    text.replace(/"resourceVersion":"\d+"/g, '"resourceVersion":"N"').replace(/current: \d+/, 'current: N'),
  );
}

describeOnCluster('pages of local mode', () => {
  const stack = new AsyncDisposableStack();
  let namespace: string;
  let ours: Api;
  let theirs: Api;

  beforeAll(async () => {
    const cluster = useCluster();
    const local = stack.use(await startTestApi());
    const created = stack.use(await createNamespace('pages'));
    namespace = created.name;
    [ours, theirs] = await Promise.all([createApi(local.kubeconfig), cluster.api()]);
    await ours.request('POST', '/api/v1/namespaces', { metadata: { name: namespace } });
    await both(async (api) => {
      for (const [index, name] of NAMES.entries()) await create(api, name, index);
    });
  });
  afterAll(async () => stack.disposeAsync());

  const path = (): string => `/api/v1/namespaces/${namespace}/secrets`;
  const both = async <T>(run: (api: Api) => Promise<T>): Promise<[T, T]> => await Promise.all([run(ours), run(theirs)]);
  const create = async (api: Api, name: string, index: number): Promise<void> => {
    const labels = { ...(index % 2 ? { odd: '' } : {}), ...(name === NAMES.at(-1) ? { last: '' } : {}) };
    await api.request('POST', path(), { metadata: { name, labels } });
  };
  const ask = async (api: Api, query: string): Promise<{ status: number; body: List }> =>
    await api.request<List>('GET', `${path()}?${query}`);

  test.each(QUERIES)('a list is answered as the real API server answers it: %s', async (query) => {
    const [here, there] = await both(async (api) => comparable(await ask(api, query), namespace));
    expect(here).toEqual(there);
  });

  test('pages are of the state of the first, whatever is written between them', async () => {
    const listed = async (api: Api): Promise<unknown[]> => {
      const pages: unknown[] = [];
      let next = '';
      do {
        const answer = await ask(api, `limit=2${next === '' ? '' : `&continue=${next}`}`);
        pages.push(comparable(answer, namespace));
        next = (answer.body.metadata['continue'] ?? '') as string;
        await api.request('DELETE', `${path()}/c`);
        await api.request('DELETE', `${path()}/b`);
        await create(api, 'b', 0);
        await create(api, `c${pages.length}`, 0);
      } while (next !== '');
      return pages;
    };
    const [here, there] = await both(listed);
    expect(here).toEqual(there);
  });

  test('a collection is deleted by pages of a limit', async () => {
    const remaining = async (api: Api): Promise<unknown> => {
      await api.request('DELETE', `${path()}?limit=3`);
      return comparable(await ask(api, ''), namespace);
    };
    const [here, there] = await both(remaining);
    expect(here).toEqual(there);
  });
});
