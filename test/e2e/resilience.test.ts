import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { KubeObject, Pod } from '../../agent/kube/types.ts';
import { containerStatus, describeScene, isEnded, isReady, type Namespace, type Scene } from './scene.ts';

/** The numbers that a ticker wrote to its log on disk, over every rotated file. */
async function numbersOnDisk(scene: Scene, pod: Pod): Promise<number[]> {
  const { namespace, name, uid } = pod.metadata ?? {};
  const folder = join(scene.agent.podLogsDir, `${namespace}_${name}_${uid}`, name ?? '');
  const files = (await readdir(folder)).toSorted();
  const text = (await Promise.all(files.map((file) => readFile(join(folder, file), 'utf8')))).join('');
  return text
    .split('\n')
    .filter(Boolean)
    .map((line) => Number(line.split(' ')[3]));
}

/** Starts a pod that prints a number every 10 ms and waits until it is Ready. */
async function startTicker(scene: Scene, namespace: Namespace, count: number): Promise<Pod> {
  await namespace.apply(
    namespace.pod({
      name: 'ticker',
      image: await scene.image('ticker'),
      args: ['10', String(count)],
      restartPolicy: 'Always',
    }),
  );
  return namespace.waitForPod('ticker', isReady);
}

/** The lease is renewed only by an agent that works: a new renewTime shows that it is back. */
async function agentIsBack(scene: Scene): Promise<void> {
  const now = new Date().toISOString();
  await scene.waitFor<KubeObject & { spec?: { renewTime?: string } }>(
    '/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases',
    scene.agent.nodeName,
    (lease) => (lease.spec?.renewTime ?? '') > now,
  );
}

/** Every phase that a pod's watch shows until it is disposed. */
function watchPhases(scene: Scene, namespace: Namespace, name: string): Disposable & { phases: Set<string> } {
  const ended = new AbortController();
  const phases = new Set<string>();
  const selectors = { fieldSelector: `metadata.name=${name}` };
  const watch = async () => {
    for await (const { object } of scene.api.watch<Pod>(
      `/api/v1/namespaces/${namespace.name}/pods`,
      selectors,
      ended.signal,
    )) {
      phases.add(object.status?.phase ?? '');
    }
  };
  watch().catch((error: unknown) => {
    if (!ended.signal.aborted) phases.add(String(error));
  });
  return { phases, [Symbol.dispose]: () => ended.abort() };
}

describeScene('what dies and comes back', (scene) => {
  test.for([
    ['the agent', true, false, {}],
    ['the supervisor', false, true, {}],
    ['both', true, true, {}],
    ['an agent whose configuration changes', true, false, { logLevel: 'info', maxPods: 77 }],
  ] as const)(
    'kill -9 of %s: every number is logged once, nothing restarts, the pod never leaves Running',
    async ([, agent, supervisor, change]) => {
      await using namespace = await scene().namespace();
      const started = await startTicker(scene(), namespace, 100_000);
      const containerID = containerStatus(started)?.containerID;
      const supervisorPid = await scene().agent.supervisorPid();
      using watched = watchPhases(scene(), namespace, 'ticker');
      if (agent) await scene().agent.kill('SIGKILL');
      if (supervisor) process.kill(supervisorPid, 'SIGKILL');
      if (agent) await scene().agent.start(change);
      await agentIsBack(scene());
      // Ready again for one who asks now, by a pod that needs all of the path.
      await namespace.apply(namespace.pod({ name: 'after', image: await scene().image('exit'), args: ['0'] }));
      expect((await namespace.waitForPod('after', isEnded)).status?.phase).toBe('Succeeded');
      const pod = await namespace.getPod('ticker');
      expect(pod.status?.phase).toBe('Running');
      expect(watched.phases).toEqual(new Set(['Running']));
      expect(containerStatus(pod)).toMatchObject({ containerID, restartCount: 0, ready: true });
      const numbers = await numbersOnDisk(scene(), pod);
      expect(numbers.length).toBeGreaterThan(50);
      expect(numbers).toEqual(numbers.map((_, index) => index + 1));
      await namespace.kubectl('delete', 'pod', 'ticker', '--timeout=30s');
    },
  );

  test('kill -9 of the host: exit code 137, restarted by its policy', async () => {
    await using namespace = await scene().namespace();
    const started = await startTicker(scene(), namespace, 100_000);
    const pids = await scene().agent.hostPidsOf(started);
    expect(pids).toHaveLength(1);
    process.kill(pids[0]!, 'SIGKILL');
    const restarted = await namespace.waitForPod(
      'ticker',
      (pod) => containerStatus(pod)?.restartCount === 1 && isReady(pod),
    );
    expect(containerStatus(restarted)?.lastState?.terminated).toMatchObject({ exitCode: 137, reason: 'Error' });
  });

  test('a pod that ends while agent and supervisor are dead is told with its own exit code', async () => {
    await using namespace = await scene().namespace();
    await namespace.apply(
      namespace.pod({ name: 'short', image: await scene().image('ticker'), args: ['10', '200', '5'] }),
    );
    const pod = await namespace.waitForPod('short', isReady);
    const supervisor = await scene().agent.supervisorPid();
    const [host] = await scene().agent.hostPidsOf(pod);
    await scene().agent.kill('SIGKILL');
    process.kill(supervisor, 'SIGKILL');
    await scene().agent.waitForEnd(host!);
    await scene().agent.start();
    const ended = await namespace.waitForPod('short', isEnded);
    expect(containerStatus(ended)?.state?.terminated).toMatchObject({ exitCode: 5, reason: 'Error' });
    expect(await numbersOnDisk(scene(), ended)).toHaveLength(200);
  });

  test('a pod that is deleted while the agent is dead is cleaned up when it is back', async () => {
    await using namespace = await scene().namespace();
    const pod = await startTicker(scene(), namespace, 100_000);
    await scene().agent.kill('SIGKILL');
    await namespace.kubectl('delete', 'pod', 'ticker', '--force', '--grace-period=0');
    const [host] = await scene().agent.hostPidsOf(pod);
    await scene().agent.start();
    await scene().agent.waitForEnd(host!);
  });
});
