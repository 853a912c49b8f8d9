import { expect, test } from 'vitest';
import { describeScene, isEnded, isReady } from './scene.ts';

/** The supervisor looks every ten seconds whether anybody needs it. */
const UNUSED_MS = 60_000;

describeScene(
  'an agent that ends its pods when it is told to stop',
  (scene) => {
    test('fails them as a kubelet does, and leaves no process, supervisor and waiting host included', async () => {
      await using namespace = await scene().namespace();
      const image = await scene().image('ticker');
      await namespace.apply(namespace.pod({ name: 'ticker', image, args: ['10', '100000'] }));
      await namespace.waitForPod('ticker', isReady);
      expect(await scene().agent.kill('SIGTERM')).toBe(0);
      const pod = await namespace.waitForPod('ticker', isEnded);
      expect(pod.status).toMatchObject({
        phase: 'Failed',
        reason: 'Terminated',
        message: 'Pod was terminated in response to imminent node shutdown.',
      });
      const processes = async () => [
        ...(await scene().agent.hostPids()),
        await scene()
          .agent.supervisorPid()
          .catch(() => 'no supervisor'),
      ];
      await expect.poll(processes, { timeout: UNUSED_MS, interval: 500 }).toEqual(['no supervisor']);
    });
  },
  { podsOnShutdown: 'end', shutdownGracePeriod: '10s' },
);
