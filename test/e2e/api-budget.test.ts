import { expect, test } from 'vitest';
import { nodeRequests } from '../support/audit-log.ts';
import { useCluster } from '../support/fixture.ts';
import { containerStatus, describeScene, isEnded, isReady } from './scene.ts';

/** What a node asked of the API server about one namespace, counted as 'VERB resource/subresource'. */
const requestsOf = async (nodeName: string, namespace: string): Promise<Record<string, number>> =>
  Object.fromEntries(await nodeRequests(useCluster().auditLog ?? '', nodeName, namespace));

describeScene("the number of API calls in a pod's life", (scene) => {
  // The budget of docs/RATIONALE.md, "Why is there no GET before a status patch?". The audit log belongs to our cluster.
  test.skipIf(process.env['WASMLET_TEST_KUBECONFIG'])(
    'from apply to its end by itself: 4 status patches, one token, one configMap, 5 events',
    async () => {
      await using namespace = await scene().namespace();
      await namespace.apply(namespace.pod({ name: 'one', image: await scene().image('exit'), args: ['0'] }));
      await namespace.waitForPod('one', isEnded);
      await namespace.waitForEvent('one', ({ reason }) => reason === 'Started');
      const counts = await requestsOf(scene().agent.nodeName, namespace.name);
      expect(Object.keys(counts).toSorted()).toEqual([
        'create events',
        'create serviceaccounts/token',
        'get configmaps',
        'patch pods/status',
      ]);
      expect(counts['patch pods/status']).toBeLessThanOrEqual(4);
      expect(counts).toMatchObject({ 'create serviceaccounts/token': 1, 'get configmaps': 1 });
      expect(counts['create events']).toBeLessThanOrEqual(5);
    },
  );

  test.skipIf(process.env['WASMLET_TEST_KUBECONFIG'])(
    'deletion of a running pod: one more status patch and the DELETE',
    async () => {
      await using namespace = await scene().namespace();
      await namespace.apply(namespace.pod({ name: 'two', image: await scene().image('sleep') }));
      const pod = await namespace.waitForPod('two', isReady);
      expect(containerStatus(pod)?.restartCount).toBe(0);
      const before = await requestsOf(scene().agent.nodeName, namespace.name);
      await namespace.kubectl('delete', 'pod', 'two');
      await namespace.waitForEvent('two', ({ reason }) => reason === 'Killing');
      const after = await requestsOf(scene().agent.nodeName, namespace.name);
      expect(after['delete pods']).toBe(1);
      expect((after['patch pods/status'] ?? 0) - (before['patch pods/status'] ?? 0)).toBeLessThanOrEqual(2);
    },
  );
});
