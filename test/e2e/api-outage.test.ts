import { afterAll, beforeAll, expect, test } from 'vitest';
import type { KubeObject, Pod } from '../../agent/kube/types.ts';
import type { OwnCluster } from '../cluster/cluster.ts';
import { startCluster } from '../cluster/cluster.ts';
import { TestAgent } from '../support/agent.ts';
import { describeOnCluster, environment, testCluster } from '../support/fixture.ts';
import { containerStatus, isEnded, isReady, startScene, type Namespace, type Scene } from './scene.ts';

/** A control plane of its own, whose API server goes and comes back. */
describeOnCluster('without an API server', () => {
  let cluster: OwnCluster;
  let scene: Scene & AsyncDisposable;
  let namespace: Namespace & AsyncDisposable;

  beforeAll(async () => {
    cluster = await startCluster();
    scene = await startScene(testCluster({ ...environment(), cluster: cluster.facts }));
    namespace = await scene.namespace();
  });
  afterAll(async () => {
    await namespace[Symbol.asyncDispose]();
    await scene[Symbol.asyncDispose]();
    await cluster[Symbol.asyncDispose]();
  });

  const ticker = async (name: string, ...args: string[]): Promise<void> => {
    const restartPolicy = args.length === 0 ? 'Always' : 'Never';
    const image = await scene.image('ticker');
    await namespace.apply(
      namespace.pod({ name, image, restartPolicy, args: args.length === 0 ? ['10', '1000000'] : args }),
    );
  };
  const hostOf = async (pod: Pod): Promise<number> => {
    const pids = await scene.agent.hostPidsOf(pod);
    expect(pids).toHaveLength(1);
    return pids[0]!;
  };
  const untilWatched = async (): Promise<void> => {
    const now = new Date().toISOString();
    await scene.waitFor<KubeObject & { spec?: { renewTime?: string } }>(
      '/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases',
      scene.agent.nodeName,
      ({ spec }) => (spec?.renewTime ?? '') > now,
    );
    await scene.waitFor('/api/v1/nodes', scene.agent.nodeName, isReady);
    const name = `after-${Date.now()}`;
    await namespace.apply(namespace.pod({ name, image: await scene.image('exit'), args: ['0'] }));
    expect((await namespace.waitForPod(name, isEnded)).status?.phase).toBe('Succeeded');
  };

  test('pods go on, and what happened meanwhile is told when it is back', async () => {
    await Promise.all([ticker('runs'), ticker('ends', '10', '300', '5'), ticker('deleted'), ticker('forgotten')]);
    const [runs, ends, , forgotten] = await Promise.all(
      ['runs', 'ends', 'deleted', 'forgotten'].map((name) => namespace.waitForPod(name, isReady)),
    );
    const [ending, orphan] = await Promise.all([hostOf(ends!), hostOf(forgotten!)]);
    const comers = ['comer-1', 'comer-2', 'comer-3', 'comer-4'];
    await Promise.all(comers.map((name) => ticker(name)));
    await namespace.kubectl('delete', 'pod', 'deleted', '--wait=false');

    await cluster.apiServer.kill();
    await scene.agent.waitForEnd(ending);
    await cluster.apiServer.start();
    await namespace.kubectl('delete', 'pod', 'forgotten', '--force', '--grace-period=0');

    const ended = await namespace.waitForPod('ends', isEnded);
    expect(containerStatus(ended)?.state?.terminated).toMatchObject({ exitCode: 5, reason: 'Error' });
    await namespace.kubectl('wait', '--for=delete', 'pod/deleted', '--timeout=60s');
    await scene.agent.waitForEnd(orphan);
    for (const name of comers) {
      const pod = await namespace.waitForPod(name, isReady);
      expect(containerStatus(pod)).toMatchObject({ restartCount: 0 });
    }
    await untilWatched();
    const { containerID } = containerStatus(runs!) ?? {};
    expect(containerStatus(await namespace.getPod('runs'))).toMatchObject({
      containerID,
      restartCount: 0,
      ready: true,
    });
    expect(scene.agent.isRunning).toBe(true);
  });

  test('an agent that is started meanwhile waits, and takes over what runs', async () => {
    await ticker('taken-over');
    const before = await namespace.waitForPod('taken-over', isReady);
    const host = await hostOf(before);
    await scene.agent.kill('SIGKILL');
    await cluster.apiServer.kill();
    await scene.agent.start();
    await scene.agent.waitForLog(/the node could not be registered, will try again/);
    await scene.agent.waitForLog(/list and watch failed, will try again.*\/api\/v1\/pods/);
    expect(scene.agent.isRunning).toBe(true);
    expect(await hostOf(before)).toBe(host);
    await cluster.apiServer.start();
    await untilWatched();
    const { containerID } = containerStatus(before) ?? {};
    expect(containerStatus(await namespace.getPod('taken-over'))).toMatchObject({
      containerID,
      restartCount: 0,
      ready: true,
    });
  });

  test('a node that is new waits for its certificate, and ends on SIGTERM while it waits', async () => {
    const nodeName = 'new-in-an-outage';
    const bootstrapKubeconfig = await cluster.bootstrapKubeconfig();
    await cluster.apiServer.kill();
    await using agent = await TestAgent.start({ nodeName, config: { bootstrapKubeconfig } });
    await agent.waitForLog(/the node certificate could not be obtained, will try again/);
    expect(await agent.kill('SIGTERM')).toBe(0);
    await agent.start();
    await cluster.apiServer.start();
    await scene.waitFor('/api/v1/nodes', nodeName, isReady);
  });

  test('SIGTERM ends an agent meanwhile too, in time and in order', async () => {
    await cluster.apiServer.kill();
    expect(await scene.agent.kill('SIGTERM')).toBe(0);
    await cluster.apiServer.start();
    await scene.agent.start();
    await untilWatched();
  });
});
