import { expect, test } from 'vitest';
import { containerStatus, describeScene, isEnded } from './scene.ts';

const isRoot = process.getuid?.() === 0;

describeScene('who a guest is', (scene) => {
  test('is what its pod says, with the volumes that belong to it', async () => {
    await using namespace = await scene().namespace();
    await namespace.kubectl('create', 'configmap', 'settings', '--from-literal=key=value');
    const mounts = [
      { name: 'data', mountPath: '/data' },
      { name: 'settings', mountPath: '/settings' },
    ];
    const token = '/var/run/secrets/kubernetes.io/serviceaccount/token';
    await namespace.apply(
      namespace.pod({
        name: 'web',
        image: await scene().image('posix'),
        args: ['ids', 'stat=/data', 'create=/data/new', 'stat=/data/new', 'stat=/settings/key', 'write=/settings/key']
          .concat([`stat=${token}`, 'umask=077', 'create=/data/private', 'stat=/data/private', 'create=/new'])
          .concat(['chmod=600:/data/new', 'chmod=4755:/data/new', 'fs=/settings', 'pipe=hello']),
        container: { volumeMounts: mounts },
        spec: {
          hostname: 'web-0',
          securityContext: { runAsUser: 1000, runAsGroup: 3000, fsGroup: 2000, supplementalGroups: [4000] },
          volumes: [
            { name: 'data', emptyDir: {} },
            { name: 'settings', configMap: { name: 'settings', defaultMode: 0o400 } },
          ],
        },
      }),
    );
    const ended = await namespace.waitForPod('web', isEnded);
    expect(containerStatus(ended)?.state?.terminated).toMatchObject({ exitCode: 0 });
    const lines = (await namespace.kubectl('logs', 'web')).trimEnd().split('\n');
    const asRoot = [
      'uid=1000 euid=1000 gid=3000 egid=3000 groups=3000,2000,4000 host=web-0',
      '/data 42777 0 2000',
      '/data/new: ok',
      '/data/new 100644 1000 2000',
      '/settings/key 100440 0 2000',
      '/settings/key: Read-only file system',
      `${token} 100640 1000 2000`,
      '/data/private: ok',
      '/data/private 100600 1000 2000',
      '/new: Permission denied',
      '/data/new 100600 1000 2000',
      '/data/new: Operation not permitted',
      '/settings other ro',
      'pipe: hello, then 0',
    ];
    if (isRoot) expect(lines).toEqual(asRoot);
    else expect(lines[0]).toBe(asRoot[0]);
  });

  test('must not be root where its pod says so', async () => {
    await using namespace = await scene().namespace();
    const image = await scene().image('posix');
    const pod = namespace.pod({ name: 'app', image, args: ['ids'], spec: { securityContext: { runAsNonRoot: true } } });
    await namespace.apply(pod);
    const message = /^container has runAsNonRoot and image will run as root \(pod: "app_.*\(.*\)", container: app\)$/;
    const waiting = await namespace.waitForPod('app', (seen) =>
      message.test(containerStatus(seen)?.state?.waiting?.message ?? ''),
    );
    expect(containerStatus(waiting)?.state?.waiting?.reason).toBe('CreateContainerConfigError');
    const event = await namespace.waitForEvent('app', ({ reason }) => reason === 'Failed');
    expect(event.message).toMatch(/^Error: container has runAsNonRoot and image will run as root/);
  });

  test('that takes SIGTERM itself exits by its own code within its grace period', async () => {
    await using namespace = await scene().namespace();
    await namespace.apply(namespace.pod({ name: 'app', image: await scene().image('posix'), args: ['term=7'] }));
    await namespace.waitForPod('app', (pod) => containerStatus(pod)?.state?.running !== undefined || isEnded(pod));
    await using follow = scene().cluster.kubectl.stream(['-n', namespace.name, 'logs', '-f', 'app']);
    const lines: string[] = [];
    let deletion: Promise<unknown> | undefined;
    const seen = namespace.watchPod('app', isEnded);
    for await (const line of follow.lines) {
      lines.push(line);
      if (line === 'ready') deletion = namespace.kubectl('delete', 'pod', 'app', '--wait=false');
    }
    await deletion;
    expect(lines).toEqual(['ready', 'cleaned up']);
    expect(containerStatus((await seen).at(-1)!)?.state?.terminated).toMatchObject({ exitCode: 7, reason: 'Error' });
  });
});
