import { expect, test } from 'vitest';
import { containerStatus, describeScene, isEnded } from './scene.ts';

describeScene('a pod from each toolchain', (scene) => {
  test.for([['hello-go'], ['hello-as'], ['hello-c'], ['hello-wat']] as const)(
    '%s runs, is logged, and Succeeded',
    async ([guest]) => {
      await using namespace = await scene().namespace();
      const image = await scene().image(guest);
      await namespace.apply(namespace.pod({ name: 'hello', image }));
      const pod = await namespace.waitForPod('hello', isEnded);
      expect(pod.status?.phase).toBe('Succeeded');
      expect(containerStatus(pod)?.state?.terminated).toMatchObject({ exitCode: 0, reason: 'Completed' });
      expect(await namespace.kubectl('logs', 'hello')).toMatch(/hello/i);
    },
  );

  test('args, environment and exit code 7 arrive as they are', async () => {
    await using namespace = await scene().namespace();
    await namespace.apply(namespace.pod({ name: 'exit', image: await scene().image('exit'), args: ['7'] }));
    const pod = await namespace.waitForPod('exit', isEnded);
    expect(pod.status?.phase).toBe('Failed');
    expect(containerStatus(pod)?.state?.terminated).toMatchObject({ exitCode: 7, reason: 'Error' });
  });

  test("a trap is exit code 134 with the names of the guest's functions in the message", async () => {
    await using namespace = await scene().namespace();
    await namespace.apply(namespace.pod({ name: 'trap', image: await scene().image('trap') }));
    const pod = await namespace.waitForPod('trap', isEnded);
    const terminated = containerStatus(pod)?.state?.terminated;
    expect(terminated).toMatchObject({ exitCode: 134, reason: 'Error' });
    expect(terminated?.message).toMatch(/unreachable/);
    expect(terminated?.message).toMatch(/inner[\s\S]*middle[\s\S]*outer/);
    expect(await namespace.kubectl('logs', 'trap')).toMatch(/unreachable/);
  });

  test('a configMap and a secret are read, as files and as variables', async () => {
    await using namespace = await scene().namespace();
    await namespace.kubectl('create', 'configmap', 'settings', '--from-literal=colour=green');
    await namespace.kubectl('create', 'secret', 'generic', 'keys', '--from-literal=api=s3cr3t');
    await namespace.apply(
      namespace.pod({
        name: 'cat',
        image: await scene().image('cat'),
        args: ['/etc/settings/colour', '/etc/keys/api', '/var/run/secrets/kubernetes.io/serviceaccount/namespace'],
        container: {
          volumeMounts: [
            { name: 'settings', mountPath: '/etc/settings' },
            { name: 'keys', mountPath: '/etc/keys', readOnly: true },
          ],
        },
        spec: {
          volumes: [
            { name: 'settings', configMap: { name: 'settings' } },
            { name: 'keys', secret: { secretName: 'keys' } },
          ],
        },
      }),
    );
    await namespace.apply(
      namespace.pod({
        name: 'env',
        image: await scene().image('env'),
        container: {
          envFrom: [{ configMapRef: { name: 'settings' } }],
          env: [
            { name: 'KEY', valueFrom: { secretKeyRef: { name: 'keys', key: 'api' } } },
            { name: 'WHERE', valueFrom: { fieldRef: { fieldPath: 'spec.nodeName' } } },
            { name: 'BOTH', value: '$(colour)-$(KEY)' },
          ],
        },
      }),
    );
    await namespace.waitForPod('cat', isEnded);
    expect(await namespace.kubectl('logs', 'cat')).toMatch(
      new RegExp(`green[\\s\\S]*s3cr3t[\\s\\S]*${namespace.name}`),
    );
    await namespace.waitForPod('env', isEnded);
    const lines = (await namespace.kubectl('logs', 'env')).split('\n');
    expect(lines).toEqual(
      expect.arrayContaining(['colour=green', 'KEY=s3cr3t', 'BOTH=green-s3cr3t', `WHERE=${scene().agent.nodeName}`]),
    );
    expect(lines.some((line) => line.startsWith('KUBERNETES_SERVICE_HOST='))).toBe(true);
  });

  test('files in an emptyDir are written and read; a read-only mount refuses', async () => {
    await using namespace = await scene().namespace();
    const image = await scene().image('files');
    const volumes = [{ name: 'work', emptyDir: {} }];
    await namespace.apply(
      namespace.pod({
        name: 'files',
        image,
        args: ['/work'],
        container: { volumeMounts: [{ name: 'work', mountPath: '/work' }] },
        spec: { volumes },
      }),
    );
    await namespace.apply(
      namespace.pod({
        name: 'refused',
        image,
        args: ['/work'],
        container: { volumeMounts: [{ name: 'work', mountPath: '/work', readOnly: true }] },
        spec: { volumes },
      }),
    );
    expect((await namespace.waitForPod('files', isEnded)).status?.phase).toBe('Succeeded');
    expect((await namespace.waitForPod('refused', isEnded)).status?.phase).toBe('Failed');
    expect(await namespace.kubectl('logs', 'refused')).toMatch(/read-only/i);
  });
});
