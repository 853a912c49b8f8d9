import { expect, test } from 'vitest';
import type { KubeObject } from '../../agent/kube/types.ts';
import { describeScene } from './scene.ts';

describeScene('what controllers make of it', (scene) => {
  test('a Deployment of 20 replicas rolls out, changes, and rolls back', async () => {
    await using namespace = await scene().namespace();
    const image = await scene().image('sleep');
    const template = (version: string) => ({
      metadata: { labels: { app: 'web', version } },
      spec: { ...namespace.podSpec({ name: 'web', image }), restartPolicy: 'Always' },
    });
    const deployment = (version: string) => ({
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name: 'web' },
      spec: { replicas: 20, selector: { matchLabels: { app: 'web' } }, template: template(version) },
    });
    await namespace.apply(deployment('1'));
    await namespace.kubectl('rollout', 'status', 'deployment/web', '--timeout=120s');
    await namespace.apply(deployment('2'));
    await namespace.kubectl('rollout', 'status', 'deployment/web', '--timeout=120s');
    await namespace.kubectl('rollout', 'undo', 'deployment/web');
    await namespace.kubectl('rollout', 'status', 'deployment/web', '--timeout=120s');
    const versions = await namespace.kubectl(
      'get',
      'pods',
      '-l',
      'app=web,version=1',
      '--field-selector=status.phase=Running',
      '-o',
      'name',
    );
    expect(versions.trim().split('\n')).toHaveLength(20);
    await namespace.kubectl('delete', 'deployment', 'web', '--cascade=foreground', '--timeout=90s');
  }, 400_000);

  test('a Job with 10 completions completes', async () => {
    await using namespace = await scene().namespace();
    await namespace.apply({
      apiVersion: 'batch/v1',
      kind: 'Job',
      metadata: { name: 'ten' },
      spec: {
        completions: 10,
        parallelism: 4,
        template: { spec: namespace.podSpec({ name: 'one', image: await scene().image('exit'), args: ['0'] }) },
      },
    } as object);
    await namespace.kubectl('wait', '--for=condition=Complete', 'job/ten', '--timeout=120s');
  });

  test('a DaemonSet made for Linux nodes does not land here', async () => {
    await using namespace = await scene().namespace();
    await namespace.apply({
      apiVersion: 'apps/v1',
      kind: 'DaemonSet',
      metadata: { name: 'kube-proxy' },
      spec: {
        selector: { matchLabels: { app: 'proxy' } },
        template: {
          metadata: { labels: { app: 'proxy' } },
          spec: {
            nodeSelector: { 'kubernetes.io/os': 'linux' },
            tolerations: [{ operator: 'Exists' }],
            containers: [{ name: 'proxy', image: 'kube-proxy:1' }],
          },
        },
      },
    } as object);
    const set = await scene().waitFor<
      KubeObject & {
        status?: { observedGeneration?: number; desiredNumberScheduled?: number };
      }
    >(
      `/apis/apps/v1/namespaces/${namespace.name}/daemonsets`,
      'kube-proxy',
      ({ metadata, status }) => status?.observedGeneration === metadata?.generation,
    );
    expect(set.status?.desiredNumberScheduled).toBe(0);
  });
});
