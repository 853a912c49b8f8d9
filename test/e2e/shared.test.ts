import { expect, test } from 'vitest';
import type { Pod } from '../../agent/kube/types.ts';
import { containerStatus, describeScene, isEnded, type Namespace, type PodOptions, type Scene } from './scene.ts';
import { PATIENCE } from '../support/patience.ts';

/** Pods of the runtime class wasm-shared, as kubectl shows them. */

function suite(scene: () => Scene): void {
  const pod = (namespace: Namespace, { spec = {}, ...options }: PodOptions): Pod =>
    namespace.pod({ ...options, spec: { runtimeClassName: 'wasm-shared', ...spec } });

  test('pods that share a host process run, log, end and are restarted each for itself', async () => {
    await using namespace = await scene().namespace();
    const [hello, exit, spin, ticker] = await Promise.all(
      (['hello-c', 'exit', 'spin', 'ticker'] as const).map((guest) => scene().image(guest)),
    );
    await namespace.apply(pod(namespace, { name: 'spin', image: spin ?? '' }));
    await namespace.apply(pod(namespace, { name: 'hello', image: hello ?? '', args: ['you'] }));
    await namespace.apply(pod(namespace, { name: 'exit', image: exit ?? '', args: ['3'], restartPolicy: 'OnFailure' }));
    await namespace.apply(pod(namespace, { name: 'ticker', image: ticker ?? '', args: ['50', '20'] }));
    const [, ended, restarted, ticked] = await Promise.all([
      namespace.waitForPod('spin', (seen) => seen.status?.phase === 'Running'),
      namespace.waitForPod('hello', isEnded),
      namespace.waitForPod('exit', (seen) => (containerStatus(seen)?.restartCount ?? 0) >= 1),
      namespace.waitForPod('ticker', isEnded),
    ]);
    expect(ended.status?.phase).toBe('Succeeded');
    expect(await namespace.kubectl('logs', 'hello')).toContain('you');
    expect(containerStatus(restarted)?.lastState?.terminated).toMatchObject({ exitCode: 3, reason: 'Error' });
    expect(ticked.status?.phase).toBe('Succeeded');
    expect((await namespace.kubectl('logs', 'ticker')).trim().split('\n')).toHaveLength(20);
    await namespace.kubectl('delete', 'pod', 'spin', '--grace-period=1');
  });

  test('a pod over its memory limit is OOMKilled, and no other', async () => {
    await using namespace = await scene().namespace();
    const image = await scene().image('hog');
    const container = { resources: { limits: { memory: '48Mi' } } };
    await namespace.apply(pod(namespace, { name: 'modest', image, args: ['memory', '8'], container }));
    await namespace.apply(pod(namespace, { name: 'greedy', image, args: ['memory', '200'], container }));
    const greedy = await namespace.waitForPod('greedy', isEnded);
    expect(containerStatus(greedy)?.state?.terminated).toMatchObject({ reason: 'OOMKilled', exitCode: 137 });
    await expect.poll(() => namespace.kubectl('logs', 'modest'), PATIENCE).toBe('taken\n');
    expect((await namespace.getPod('modest')).status?.phase).toBe('Running');
  });
}

describeScene('the runtime class wasm-shared', suite);
