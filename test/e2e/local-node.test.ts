/** `wasmlet up` as users run it: a real node behind the local API server, kubectl, and what becomes of pods with it. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Pod } from '../../agent/kube/types.ts';
import type { Summary } from '../../agent/stats/summary.ts';
import { inheritedEnvironment, PROJECT } from '../support/agent.ts';
import { createApi } from '../support/api.ts';
import { run } from '../support/command.ts';
import { describeOnCluster, useCluster } from '../support/fixture.ts';
import { createKubectl, type Kubectl } from '../support/kubectl.ts';
import { parsePrometheusText, valuesOf } from '../support/prometheus-text.ts';
import { Up } from '../support/up.ts';

const PATIENCE_MS = 180_000;

const pod = (name: string, container: object, spec: object = {}) => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name },
  spec: {
    runtimeClassName: 'wasm',
    dnsPolicy: 'Default',
    terminationGracePeriodSeconds: 1,
    containers: [{ name: 'c', ...container }],
    ...spec,
  },
});

describeOnCluster('wasmlet up', () => {
  let up: Up;
  let cache: string;
  let kubectl: Kubectl;
  beforeAll(async () => {
    up = await Up.start();
    cache = await mkdtemp(join(tmpdir(), 'wasmlet-kubectl-'));
    kubectl = createKubectl(useCluster().kubectlPath, up.kubeconfig, cache);
    await up.import('hello-wat', 'example/hello:1');
    await up.import('ticker', 'example/ticker:1');
  }, PATIENCE_MS);
  afterAll(async () => {
    await up[Symbol.asyncDispose]();
    await rm(cache, { recursive: true, force: true });
  }, PATIENCE_MS);

  const apply = (object: object) => kubectl.ok(['apply', '-f', '-'], { input: JSON.stringify(object) });

  test('a pod is applied, runs to its end, and its log is there', { timeout: PATIENCE_MS }, async () => {
    await apply(pod('hello', { image: 'example/hello:1' }, { restartPolicy: 'Never' }));
    await kubectl.ok(['wait', '--for=jsonpath={.status.phase}=Succeeded', 'pod/hello', '--timeout=120s']);
    expect(await kubectl.ok(['logs', '-f', 'hello'])).toContain('hello');
    expect(await kubectl.ok(['get', 'events', '--field-selector', 'reason=Scheduled'])).toContain(
      'Successfully assigned default/hello',
    );
  });

  test('a log that is not there yet is refused with the reason', { timeout: PATIENCE_MS }, async () => {
    await apply(pod('never', { image: 'example/nothing:1', imagePullPolicy: 'Never' }));
    const reason = '{.status.containerStatuses[0].state.waiting.reason}';
    await kubectl.ok(['wait', `--for=jsonpath=${reason}=ErrImageNeverPull`, 'pod/never', '--timeout=120s']);
    expect((await kubectl(['logs', 'never'])).stderr).toContain(
      'Error from server (BadRequest): container "c" in pod "never" is waiting to start: ErrImageNeverPull',
    );
    await kubectl.ok(['delete', 'pod', 'never', '--timeout=120s']);
  });

  test(
    'a log is followed while its pod runs, and the node’s own API is reached through the server',
    { timeout: PATIENCE_MS },
    async () => {
      await apply(pod('ticks', { image: 'example/ticker:1', args: ['100', '1000000'] }));
      await kubectl.ok(['wait', '--for=condition=Ready', 'pod/ticks', '--timeout=120s']);
      await using log = kubectl.stream(['logs', '-f', 'ticks']);
      let lines = 0;
      for await (const _line of log.lines) if (++lines === 2) break;
      const [node = ''] = (await kubectl.ok(['get', 'nodes', '-o', 'name'])).trim().split('/').slice(1);
      const pods = JSON.parse(await kubectl.ok(['get', '--raw', `/api/v1/nodes/${node}/proxy/pods`])) as {
        items: Pod[];
      };
      expect(pods.items.map(({ metadata }) => metadata?.name)).toContain('ticks');
      const usage = await kubectl.ok(['get', '--raw', `/api/v1/nodes/${node}/proxy/metrics/resource`]);
      const ofTicks = { container: 'c', pod: 'ticks', namespace: 'default' };
      expect(valuesOf(parsePrometheusText(usage), 'container_memory_working_set_bytes', ofTicks)[0]).toBeGreaterThan(0);
      const summary = JSON.parse(
        await kubectl.ok(['get', '--raw', `/api/v1/nodes/${node}/proxy/stats/summary`]),
      ) as Summary;
      expect(summary.pods.map(({ podRef }) => podRef.name)).toContain('ticks');
    },
  );

  test('killed, it finds its pods running when it is started again', { timeout: PATIENCE_MS }, async () => {
    const api = await createApi(up.kubeconfig);
    const PODS = '/api/v1/namespaces/default/pods';
    const own = { fieldSelector: 'metadata.name=ticks', timeoutMs: PATIENCE_MS };
    const containerOf = ({ status }: Pod) => status?.containerStatuses?.[0]?.containerID;
    const before = containerOf(await api.waitFor<Pod>(PODS, (each) => containerOf(each) !== undefined, own));
    await up.end('SIGKILL');
    await up.start();
    const again = await createApi(up.kubeconfig);
    const after = await again.waitFor<Pod>(PODS, ({ status }) => status?.containerStatuses?.[0]?.ready === true, own);
    expect([containerOf(after), after.status?.containerStatuses?.[0]?.restartCount]).toEqual([before, 0]);
  });

  test('a pod is deleted in its time', { timeout: PATIENCE_MS }, async () => {
    expect(await kubectl.ok(['delete', 'pod', 'ticks', '--timeout=120s'])).toContain('deleted');
    expect((await kubectl(['get', 'pod', 'ticks'])).stderr).toContain('pods "ticks" not found');
  });

  test('told to end, it ends its pods, says why, and keeps what was applied', { timeout: PATIENCE_MS }, async () => {
    await apply(pod('last', { image: 'example/ticker:1', args: ['100', '1000000'] }));
    await kubectl.ok(['wait', '--for=condition=Ready', 'pod/last', '--timeout=120s']);
    expect(await up.end('SIGINT')).toBe(0);
    await up.start();
    const { status } = JSON.parse(await kubectl.ok(['get', 'pod', 'last', '-o', 'json'])) as Pod;
    expect(status).toMatchObject({ phase: 'Failed', reason: 'Terminated' });
  });
});

describe('npm start', () => {
  test(
    'compiles the example, runs it as a pod, streams its log and leaves nothing',
    { timeout: PATIENCE_MS },
    async () => {
      const { scripts } = JSON.parse(await readFile(join(PROJECT, 'package.json'), 'utf8')) as {
        scripts: { start: string };
      };
      expect(scripts.start).toBe('node test/support/start-local.ts');
      const { stdout, stderr, exitCode } = await run(
        process.execPath,
        [join(PROJECT, 'test/support/start-local.ts'), '--once'],
        {
          env: inheritedEnvironment(),
          timeoutMs: PATIENCE_MS,
        },
      );
      expect([exitCode, stderr]).toEqual([0, expect.not.stringContaining('failed')]);
      expect(stdout).toContain('Hello, Kubernetes! I am WebAssembly in a pod.');
      expect(stdout).toContain('tick 10 of 10');
      expect(stdout).toContain('the pod has Succeeded');
    },
  );
});
