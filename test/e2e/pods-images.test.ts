import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { KubeObject } from '../../agent/kube/types.ts';
import { startRegistry } from '../cluster/registry.ts';
import { run } from '../support/command.ts';
import { buildGuest } from '../support/guests.ts';
import { pushImage } from '../support/push.ts';
import { containerStatus, describeScene, isEnded } from './scene.ts';

describeScene('images', (scene) => {
  test.for([
    ['cncf'],
    ['wasm-to-oci'],
    ['runwasi'],
    ['spin'],
    ['solo'],
    ['compat'],
    ['plain'],
    ['plain-zstd'],
    ['index'],
  ] as const)('an image in the %s form runs', async ([flavour]) => {
    await using namespace = await scene().namespace();
    await namespace.apply(namespace.pod({ name: 'hello', image: await scene().image('hello-c', flavour) }));
    const pod = await namespace.waitForPod('hello', isEnded);
    expect(pod.status?.phase).toBe('Succeeded');
    expect(containerStatus(pod)?.imageID).toMatch(/@sha256:[0-9a-f]{64}$/);
  });

  test('an image that was imported into the node beside a running agent needs no registry, and is not removed while it is used', async () => {
    const { rootDir } = scene().agent;
    const cli = join(import.meta.dirname, '../../agent/cli.ts');
    const images = async (...args: readonly string[]) =>
      await run(process.execPath, [cli, 'images', ...args, '--root-dir', rootDir], { timeoutMs: 240_000 });
    const name = 'registry.invalid/imported/sleep:1';
    expect((await images('import', await buildGuest('sleep'), name)).stdout).toMatch(
      /^registry.invalid\/imported\/sleep:1 /,
    );
    await using namespace = await scene().namespace();
    await namespace.apply(namespace.pod({ name: 'local', image: name, container: { imagePullPolicy: 'Never' } }));
    await namespace.waitForPod('local', (pod) => containerStatus(pod)?.state?.running !== undefined);
    expect((await images('rm', name)).stderr).toMatch(/is used by container .*: end that first, or say --force/);
    await namespace.kubectl('delete', 'pod', 'local', '--now');
    await expect.poll(async () => (await images('rm', name)).stdout, { timeout: 240_000 }).toBe(`Deleted: ${name}\n`);
  });

  test('a Linux image waits with a reason that says what to build, and backs off', async () => {
    await using namespace = await scene().namespace();
    await namespace.apply(namespace.pod({ name: 'linux', image: await scene().image('hello-c', 'linux') }));
    const seen = await namespace.watchPod(
      'linux',
      (pod) => containerStatus(pod)?.state?.waiting?.reason === 'ImagePullBackOff',
    );
    const refused = seen
      .map((pod) => containerStatus(pod)?.state?.waiting)
      .find((waiting) => waiting?.reason === 'ErrImagePull');
    expect(refused?.message).toMatch(/linux\/amd64.*wasip1\/wasm/);
    expect(seen.map((pod) => pod.status?.phase)).not.toContain('Failed');
  });

  test('a private registry serves a pod with its pull secret and refuses one without', async () => {
    await using registry = await startRegistry({ htpasswd: { username: 'reader', password: 'pass word' } });
    await using namespace = await scene().namespace();
    const auth = { username: 'reader', password: 'pass word' };
    const { reference } = await pushImage({
      registry: registry.address,
      repository: 'private/hello',
      tag: '1',
      flavour: 'cncf',
      wasm: await buildGuest('hello-c'),
      auth,
    });
    await namespace.kubectl(
      'create',
      'secret',
      'docker-registry',
      'pull',
      `--docker-server=${registry.address}`,
      '--docker-username=reader',
      '--docker-password=pass word',
    );

    await namespace.apply(namespace.pod({ name: 'without', image: reference }));
    const refused = await namespace.waitForPod(
      'without',
      (pod) => containerStatus(pod)?.state?.waiting?.reason === 'ErrImagePull',
    );
    expect(containerStatus(refused)?.state?.waiting?.message).toMatch(/401|unauthorized/i);

    await namespace.apply(
      namespace.pod({ name: 'with', image: reference, spec: { imagePullSecrets: [{ name: 'pull' }] } }),
    );
    expect((await namespace.waitForPod('with', isEnded)).status?.phase).toBe('Succeeded');
  });

  test('an image name that does not parse is InvalidImageName', async () => {
    await using namespace = await scene().namespace();
    await namespace.apply(namespace.pod({ name: 'bad', image: 'Not A Name' }));
    await namespace.waitForPod('bad', (pod) => containerStatus(pod)?.state?.waiting?.reason === 'InvalidImageName');
  });

  test('pull policy Never with an absent image is ErrImageNeverPull', async () => {
    await using namespace = await scene().namespace();
    await namespace.apply(
      namespace.pod({
        name: 'never',
        image: `${scene().cluster.registry}/never/pulled:1`,
        container: { imagePullPolicy: 'Never' },
      }),
    );
    await namespace.waitForPod('never', (pod) => containerStatus(pod)?.state?.waiting?.reason === 'ErrImageNeverPull');
  });

  test('the node lists the images that it has, with their sizes', async () => {
    const reference = await scene().image('hello-c');
    await using namespace = await scene().namespace();
    await namespace.apply(namespace.pod({ name: 'hello', image: reference }));
    await namespace.waitForPod('hello', isEnded);
    const node = await scene().waitFor<
      KubeObject & { status?: { images?: { names?: string[]; sizeBytes?: number }[] } }
    >(
      '/api/v1/nodes',
      scene().agent.nodeName,
      ({ status }) => status?.images?.some(({ names }) => names?.includes(reference)) ?? false,
    );
    expect(node.status?.images?.find(({ names }) => names?.includes(reference))?.sizeBytes).toBeGreaterThan(1000);
  });
});
