/** Local mode's page in a real browser: what a person at the machine sees of a pod. */
import { readFile } from 'node:fs/promises';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { messageOf } from '../../base/errors.ts';
import { createApi, type Api } from '../support/api.ts';
import { startChromium } from '../support/chromium.ts';
import { skipWithout } from '../support/missing.ts';
import { Up } from '../support/up.ts';

const PATIENCE_MS = 180_000;
/** For unpacking the browser, once. */
const TIMEOUT_MS = 20 * 60_000;
const PODS = '/api/v1/namespaces/default/pods';

let up: Up;
let api: Api;
let browser: Browser | undefined;
let missing = '';

beforeAll(async () => {
  browser = await startChromium().catch((error: unknown) => {
    missing = messageOf(error);
    return undefined;
  });
  if (!browser) return;
  up = await Up.start();
  api = await createApi(up.kubeconfig);
  await up.import('ticker', 'example/ticker:1');
}, TIMEOUT_MS);

afterAll(async () => {
  await browser?.close();
  if (browser) await up[Symbol.asyncDispose]();
}, PATIENCE_MS);

async function open(skip: (why: string) => void): Promise<Page> {
  if (!browser) skipWithout(skip, missing);
  const page = await browser!.newPage({ viewport: { width: 1200, height: 900 } });
  page.setDefaultTimeout(PATIENCE_MS);
  return page;
}

const textOf = (page: Page, selector: string) => page.locator(selector).innerText({ timeout: PATIENCE_MS });

/** How many samples a curve has. */
const samplesOf = async (page: Page): Promise<number> =>
  ((await page.locator('#cpu polyline').getAttribute('points')) ?? '').split(' ').filter((point) => point !== '')
    .length;

test(
  'a pod appears, its log follows, the curve moves, its events are there',
  { timeout: TIMEOUT_MS },
  async ({ skip }) => {
    const page = await open(skip);
    const errors: string[] = [];
    page.on('pageerror', (error) => errors.push(error.message));
    page.on('console', (message) => {
      if (message.type() === 'error') errors.push(`${message.text()} ${message.location().url}`);
    });
    const link = await up.link();
    await page.goto(link);
    await page.locator('#node', { hasText: 'is Ready' }).waitFor();
    expect(page.url()).not.toContain('token');

    const created = await api.request('POST', PODS, {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'ticker' },
      spec: {
        runtimeClassName: 'wasm',
        dnsPolicy: 'Default',
        terminationGracePeriodSeconds: 0,
        containers: [{ name: 'c', image: 'example/ticker:1', args: ['100', '100000'] }],
      },
    });
    expect(created.status).toBe(201);
    const row = page.locator('#pods tr', { hasText: 'ticker' });
    await row.filter({ hasText: 'Running' }).waitFor();
    await row.getByRole('button').click();
    const log = page.locator('#log');
    await expect.poll(() => log.innerText(), { timeout: PATIENCE_MS }).toMatch(/^1\n2\n3\n/);
    const lines = (await log.innerText()).length;
    await expect.poll(async () => (await log.innerText()).length, { timeout: PATIENCE_MS }).toBeGreaterThan(lines);
    await expect.poll(() => samplesOf(page), { timeout: PATIENCE_MS }).toBeGreaterThan(1);
    expect(await textOf(page, '#usage-of')).toBe('default/ticker');
    expect(await textOf(page, '#memory-now')).toMatch(/^Memory \d+(\.\d)?[KMG]i$/);
    expect(await textOf(page, '#events')).toMatch(/Normal\s+Started\s+pod\/default\/ticker/);
    // The node tells of its images with its next heartbeat.
    await expect.poll(() => textOf(page, '#images'), { timeout: PATIENCE_MS }).toContain('example/ticker:1');
    const { WASMLET_TEST_SCREENSHOT: screenshot } = process.env;
    if (screenshot !== undefined) await page.screenshot({ path: screenshot });

    expect((await api.request('DELETE', `${PODS}/ticker`)).status).toBe(200);
    await row.waitFor({ state: 'detached' });
    expect(errors).toEqual([]);
    await page.close();
  },
);

test('the link works once, and a page of another origin gets nothing', { timeout: TIMEOUT_MS }, async ({ skip }) => {
  const page = await open(skip);
  const link = await up.link();
  const { origin } = new URL(link);
  await page.goto(link);
  await page.waitForURL(`${origin}/`);
  const other = await (await browser!.newContext()).newPage();
  await other.goto(link);
  expect(await textOf(other, 'body')).toContain('This link was used');
  // The same browser, another place: its cookie does not go along, and what is answered cannot be read.
  await page.goto(`${origin.replace('127.0.0.1', 'localhost')}/`);
  expect(await textOf(page, 'body')).toContain('Open the link');
  const answer = page.evaluate(async (url) => (await fetch(url, { credentials: 'include' })).text(), `${origin}/state`);
  await expect(answer).rejects.toThrow(/Failed to fetch/);
  expect(await readFile(`${up.root}/web-link`, 'utf8')).not.toContain(new URL(link).searchParams.get('token'));
  await other.context().close();
  await page.close();
});
