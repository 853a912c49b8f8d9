import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Pod } from '../../agent/kube/types.ts';
import type { Api } from '../support/api.ts';
import type { TestNamespace } from '../support/fixture.ts';
import { createNamespace, describeOnCluster, useCluster } from '../support/fixture.ts';
import { buildGuest } from '../support/guests.ts';
import { pushImage } from '../support/push.ts';
import type { WasmletKubelet } from './kubelet-over-wasmlet.ts';
import { startKubeletOverWasmlet } from './kubelet-over-wasmlet.ts';

const WAIT_MS = 90_000;

/** Numbers that a ticker has logged to this file. */
async function numbersIn(path: string): Promise<number[]> {
  const lines = (await readFile(path, 'utf8')).split('\n').slice(0, -1);
  return lines.map((line) => Number(line.split(' ')[3]));
}

describeOnCluster('what a kubelet asks of CRI only when told to', () => {
  let kubelet: WasmletKubelet;
  let api: Api;
  let namespace: TestNamespace;

  beforeAll(async () => {
    const cluster = useCluster();
    api = await cluster.api();
    namespace = await createNamespace('cri-features');
    kubelet = await startKubeletOverWasmlet({
      nodeName: `cri-features-${process.pid}`,
      cluster,
      config: {
        featureGates: { EventedPLEG: true, CRIListStreaming: true },
        containerLogMaxSize: '8Ki',
        containerLogMonitorInterval: '3s',
      },
    });
  });
  afterAll(async () => {
    await namespace[Symbol.asyncDispose]();
    await kubelet[Symbol.asyncDispose]();
  });

  test('events, lists as streams, probes by command and the rotation of logs by the kubelet all work', async () => {
    const target = { registry: useCluster().registry, repository: 'cri-features/ticker', tag: '1' };
    const { reference: image } = await pushImage({ ...target, wasm: await buildGuest('ticker') });
    const { status, body } = await api.request('POST', `${namespace.path}/pods`, {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'busy' },
      spec: {
        nodeName: kubelet.nodeName,
        terminationGracePeriodSeconds: 1,
        containers: [
          {
            name: 'main',
            image,
            args: ['5', '1000000'],
            readinessProbe: { exec: { command: ['ticker.wasm', '0', '1'] }, periodSeconds: 1, timeoutSeconds: 30 },
          },
        ],
      },
    });
    expect(status, JSON.stringify(body)).toBe(201);
    const isReady = (pod: Pod) =>
      pod.status?.conditions?.some((condition) => condition.type === 'Ready' && condition.status === 'True') ?? false;
    const pod = await api.waitFor<Pod>(`${namespace.path}/pods`, isReady, {
      fieldSelector: 'metadata.name=busy',
      timeoutMs: WAIT_MS,
    });

    // No line is lost where the kubelet has moved the log away: the new one goes on where the last one ended.
    const folder = join(kubelet.podLogsDir, `${namespace.name}_busy_${pod.metadata?.uid ?? ''}`, 'main');
    const border = async (): Promise<number | undefined> => {
      const rotated = (await readdir(folder)).filter((name) => /^0\.log\.[0-9-]+$/.test(name)).toSorted();
      if (rotated.length === 0) return undefined;
      const before = await numbersIn(join(folder, rotated.at(-1) ?? '')).catch(() => []);
      const after = await numbersIn(join(folder, '0.log'));
      return after[0] === undefined || before.length === 0 ? undefined : after[0] - (before.at(-1) ?? NaN);
    };
    await expect.poll(border, { timeout: WAIT_MS, interval: 200 }).toBe(1);

    await api.request('DELETE', `${namespace.path}/pods/busy`);
    await expect
      .poll(async () => (await api.request('GET', `${namespace.path}/pods/busy`)).status, { timeout: WAIT_MS })
      .toBe(404);
  });
});
