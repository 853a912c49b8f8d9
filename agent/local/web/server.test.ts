import { request, type IncomingHttpHeaders } from 'node:http';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { silentLogger } from '../../../base/log.ts';
import { startTestApi } from '../testing.ts';
import { startWebPage } from './index.ts';

const stack = new AsyncDisposableStack();
let link: URL;

beforeAll(async () => {
  const api = stack.use(await startTestApi());
  const { root, kubeconfig } = api;
  const stats = () => Promise.resolve([]);
  const page = await startWebPage({ port: 0, root, kubeconfig, nodeName: 'node', stats, logger: silentLogger });
  link = new URL(stack.use(page).link);
});

afterAll(() => stack.disposeAsync());

interface Answer {
  readonly status: number | undefined;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** As no browser would ask, too. */
const ask = (path: string, headers: Record<string, string> = {}, method = 'GET'): Promise<Answer> =>
  new Promise((resolve, reject) => {
    const asked = request(new URL(path, link.origin), { method, headers }, (response) => {
      const { statusCode: status, headers: given } = response;
      text(response).then((body) => resolve({ status, headers: given, body }), reject);
    });
    asked.on('error', reject).end();
  });

test('the link opens the page once; nothing is shown without it', async () => {
  for (const path of ['/', '/app.js', '/state', '/log?namespace=default&pod=a&container=b', '/?token=wrong']) {
    expect((await ask(path)).status).toBe(401);
  }
  const entered = await ask(`${link.pathname}${link.search}`);
  expect(entered.status).toBe(200);
  expect(entered.body).not.toContain(link.searchParams.get('token'));
  const [given = ''] = entered.headers['set-cookie'] ?? [];
  expect(given).toMatch(/; HttpOnly; SameSite=Strict; Path=\/$/);
  const cookie = given.replace(/;.*/, '');
  expect((await ask(`${link.pathname}${link.search}`)).status).toBe(401);

  const page = await ask('/', { cookie });
  expect(page.body).toContain('<title>wasmlet</title>');
  expect(page.headers['content-security-policy']).toMatch(/^default-src 'none'; script-src 'self';/);
  expect((await ask('/app.js', { cookie })).headers['content-type']).toMatch(/^text\/javascript/);
  expect((await ask('/log?namespace=default&pod=none&container=a', { cookie })).body).toContain(
    'pods \\"none\\" not found',
  );
  expect((await ask('/other', { cookie })).status).toBe(404);
  expect((await ask('/', { cookie }, 'POST')).status).toBe(405);
  expect((await ask('/', { cookie, host: 'evil.example' })).status).toBe(421);
  expect((await ask('/', { cookie, origin: 'http://evil.example' })).status).toBe(403);
  expect((await ask('/', { cookie, origin: link.origin })).status).toBe(200);
});
