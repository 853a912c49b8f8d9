import { describe, expect, test } from 'vitest';
import { containerStatus, describeScene, isEnded, type Scene } from './scene.ts';
import { PATIENCE } from '../support/patience.ts';

function suite(scene: () => Scene): void {
  test('a container over its memory limit is OOMKilled, and restarted by its policy', async () => {
    await using namespace = await scene().namespace();
    const limited = { resources: { limits: { memory: '48Mi' } } };
    const image = await scene().image('hog');
    const args = ['memory', '200'];
    await namespace.apply(namespace.pod({ name: 'hog', image, args, restartPolicy: 'Always', container: limited }));
    const pod = await namespace.waitForPod(
      'hog',
      (seen) => containerStatus(seen)?.lastState?.terminated !== undefined && containerStatus(seen)?.restartCount === 1,
    );
    expect(containerStatus(pod)?.lastState?.terminated).toMatchObject({ reason: 'OOMKilled', exitCode: 137 });
  });

  test('a container below its memory limit runs', async () => {
    await using namespace = await scene().namespace();
    const limited = { resources: { limits: { memory: '96Mi' } } };
    const image = await scene().image('hog');
    await namespace.apply(namespace.pod({ name: 'hog', image, args: ['memory', '48'], container: limited }));
    await namespace.waitForPod('hog', (pod) => pod.status?.phase === 'Running');
    await expect.poll(() => namespace.kubectl('logs', 'hog'), PATIENCE).toBe('taken\n');
  });
}

describe.each([
  { means: 'by control groups, where they can be made', config: {} },
  { means: 'without control groups', config: { cgroupRoot: '' } },
])('limits of memory, $means', ({ config }) => {
  describeScene('on a node', suite, config);
});

describeScene('limits of storage', (scene) => {
  test(
    'a pod is evicted, in the words of the kubelet, whatever it is that it fills',
    { timeout: 120_000 },
    async () => {
      await using namespace = await scene().namespace();
      const image = await scene().image('hog');
      const scratch = { volumes: [{ name: 'scratch', emptyDir: { sizeLimit: '10Mi' } }] };
      const mount = { volumeMounts: [{ name: 'scratch', mountPath: '/scratch' }] };
      const stored = { resources: { limits: { 'ephemeral-storage': '10Mi' } } };
      await namespace.apply(
        namespace.pod({ name: 'volume', image, args: ['disk', '/scratch/f', '20'], container: mount, spec: scratch }),
      );
      await namespace.apply(namespace.pod({ name: 'root', image, args: ['disk', '/f', '20'], container: stored }));
      const fits = namespace.pod({ name: 'fits', image, args: ['disk', '/f', '5'], container: stored });
      await namespace.apply(fits);
      const [volume, root] = await Promise.all(['volume', 'root'].map((name) => namespace.waitForPod(name, isEnded)));
      expect(volume?.status).toMatchObject({
        phase: 'Failed',
        reason: 'Evicted',
        message: 'Usage of EmptyDir volume "scratch" exceeds the limit "10Mi". ',
      });
      expect(root?.status).toMatchObject({
        phase: 'Failed',
        reason: 'Evicted',
        message: 'Pod ephemeral local storage usage exceeds the total limit of containers 10Mi. ',
      });
      const event = await namespace.waitForEvent('volume', ({ reason }) => reason === 'Evicted');
      expect(event).toMatchObject({ type: 'Warning', message: volume?.status?.message });
      expect((await namespace.getPod('fits')).status?.phase).toBe('Running');
    },
  );
});
