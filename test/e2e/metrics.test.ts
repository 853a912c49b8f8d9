/** What a scraper finds on a node's port while pods of every runtime class compute. */
import { expect, test, vi } from 'vitest';
import type { Summary } from '../../agent/stats/summary.ts';
import { askNode, nodePort } from '../support/node-port.ts';
import { PATIENCE } from '../support/patience.ts';
import { parsePrometheusText, valuesOf } from '../support/prometheus-text.ts';
import { containerStatus, describeScene, type Namespace } from './scene.ts';

const CLASSES = ['wasm', 'wasm-shared', 'wasm-interpreter'];

describeScene('metrics and statistics of a node', (scene) => {
  /** The token of a new service account. */
  async function tokenOf(namespace: Namespace, account: string): Promise<string> {
    await namespace.kubectl('create', 'serviceaccount', account);
    return (await namespace.kubectl('create', 'token', account)).trim();
  }

  /** The token of one that may scrape nodes, until it is disposed. */
  async function scraperIn(namespace: Namespace): Promise<{ token: string } & AsyncDisposable> {
    const role = `${namespace.name}-scrape`;
    const rights = ['--verb=get', '--resource=nodes/metrics,nodes/stats'];
    await scene().kubectl(['create', 'clusterrole', role, ...rights]);
    const subject = `--serviceaccount=${namespace.name}:scraper`;
    await scene().kubectl(['create', 'clusterrolebinding', role, `--clusterrole=${role}`, subject]);
    return {
      token: await tokenOf(namespace, 'scraper'),
      [Symbol.asyncDispose]: async () => {
        await scene().kubectl(['delete', 'clusterrole,clusterrolebinding', role]);
      },
    };
  }

  async function spin(namespace: Namespace): Promise<void> {
    const image = await scene().image('spin');
    for (const name of CLASSES) {
      await namespace.apply(namespace.pod({ name, image, spec: { runtimeClassName: name } }));
    }
    for (const name of CLASSES) {
      await namespace.waitForPod(name, (pod) => containerStatus(pod)?.state?.running !== undefined);
    }
  }

  test('usage is told of pods in each runtime class, to those who may ask', async () => {
    await using namespace = await scene().namespace();
    await using scraper = await scraperIn(namespace);
    const { token } = scraper;
    const port = await nodePort(scene().api, scene().agent.nodeName);
    const scrape = async (path: string) => {
      const { status, contentType, body } = await askNode(port, path, { token });
      expect([status, contentType], body).toEqual([200, 'text/plain; version=0.0.4; charset=utf-8']);
      return parsePrometheusText(body);
    };
    await spin(namespace);
    for (const pod of CLASSES) {
      const labels = { pod, namespace: namespace.name, container: pod };
      const cpu = async () =>
        valuesOf(await scrape('/metrics/resource'), 'container_cpu_usage_seconds_total', labels)[0] ?? Number.NaN;
      const before = await vi.waitUntil(cpu, PATIENCE);
      await expect.poll(cpu, PATIENCE).toBeGreaterThan(before + 0.1);
    }

    const resource = await scrape('/metrics/resource');
    const memory = valuesOf(resource, 'container_memory_working_set_bytes', { namespace: namespace.name });
    expect(memory).toHaveLength(CLASSES.length);
    expect(Math.min(...memory)).toBeGreaterThan(0);
    expect(valuesOf(resource, 'node_cpu_usage_seconds_total')[0]).toBeGreaterThan(1);
    expect(valuesOf(resource, 'resource_scrape_error')).toEqual([0]);

    const fuel = async () =>
      valuesOf(await scrape('/metrics/cadvisor'), 'wasmlet_container_fuel_total', { pod: 'wasm-interpreter' })[0];
    await expect.poll(fuel, PATIENCE).toBeGreaterThan(1e6);

    const agent = await scrape('/metrics');
    expect(valuesOf(agent, 'kubelet_running_pods')[0]).toBeGreaterThanOrEqual(CLASSES.length);
    const started = valuesOf(agent, 'kubelet_started_containers_total', { container_type: 'container' });
    expect(started[0]).toBeGreaterThanOrEqual(CLASSES.length);
    expect(valuesOf(agent, 'rest_client_requests_total', { method: 'PATCH', code: '200' })[0]).toBeGreaterThan(0);
    await namespace.kubectl('delete', 'pods', '--all', '--now', '--wait=false');

    const nobody = await tokenOf(namespace, 'nobody');
    const who = `system:serviceaccount:${namespace.name}:nobody`;
    expect(await askNode(port, '/metrics/resource', { token: nobody })).toMatchObject({
      status: 403,
      body: `Forbidden (user=${who}, verb=get, resource=nodes, subresource(s)=[metrics])\n`,
    });
    expect((await askNode(port, '/metrics/resource')).status).toBe(401);
  });

  test('the summary tells of a pod what it stores, and of the node what is left', async () => {
    await using namespace = await scene().namespace();
    await using scraper = await scraperIn(namespace);
    const { token } = scraper;
    const port = await nodePort(scene().api, scene().agent.nodeName);
    const volumes = [{ name: 'scratch', emptyDir: {} }];
    const image = await scene().image('ticker');
    const pod = namespace.pod({ name: 'web', image, args: ['100', '1000000'], spec: { volumes } });
    await namespace.apply(pod);
    await namespace.waitForPod('web', (seen) => containerStatus(seen)?.state?.running !== undefined);
    const summary = async (query = '') => {
      const { status, contentType, body } = await askNode(port, `/stats/summary${query}`, { token });
      expect([status, contentType], body).toEqual([200, 'application/json']);
      return JSON.parse(body) as Summary;
    };
    // What a busy disk has not told in time comes with a later answer.
    const { node, web } = await vi.waitUntil(async () => {
      const { node, pods } = await summary();
      const web = pods.find(({ podRef }) => podRef.namespace === namespace.name);
      return web?.volume && node.runtime ? { node, web } : undefined;
    }, PATIENCE);
    expect(web).toMatchObject({
      podRef: { name: 'web' },
      containers: [{ name: 'web' }],
      process_stats: { process_count: 1 },
    });
    expect(web.volume?.map(({ name }) => name)).toEqual(expect.arrayContaining(['scratch']));
    expect(web.containers[0]?.logs?.usedBytes).toBeGreaterThan(0);
    expect(web['ephemeral-storage']?.usedBytes).toBeGreaterThan(0);
    expect(node.nodeName).toBe(scene().agent.nodeName);
    expect(node.fs?.availableBytes).toBeGreaterThan(0);
    expect(node.runtime?.imageFs?.usedBytes).toBeGreaterThan(0);
    const short = await summary('?only_cpu_and_memory=true');
    expect(short.node).not.toHaveProperty('fs');
    expect(short.pods[0]).not.toHaveProperty('volume');
  });
});
