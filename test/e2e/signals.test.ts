import { expect, test } from 'vitest';
import { containerStatus, describeScene } from './scene.ts';

describeScene('a pod that is deleted', (scene) => {
  test('whose guest has opened /dev/signal cleans up within its grace period', async () => {
    await using namespace = await scene().namespace();
    const spec = { terminationGracePeriodSeconds: 600 };
    await namespace.apply(namespace.pod({ name: 'signals', image: await scene().image('signals-go'), spec }));
    await namespace.waitForPod('signals', (pod) => containerStatus(pod)?.state?.running !== undefined);
    await using follow = scene().cluster.kubectl.stream(['-n', namespace.name, 'logs', '-f', 'signals']);
    const lines: string[] = [];
    for await (const line of follow.lines) {
      lines.push(line);
      if (line === 'ready') await namespace.kubectl('delete', 'pod', 'signals', '--wait=false');
    }
    expect(lines).toEqual(['ready', 'signal 15: cleaning up']);
    await namespace.kubectl('wait', '--for=delete', 'pod/signals', '--timeout=60s');
  });
});
