import { chown, copyFile, mkdtempDisposable, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { bundle } from '../../build/bundle.ts';
import { containerStatus, isEnded, startScene } from '../e2e/scene.ts';
import { PROJECT } from '../support/agent.ts';
import { runOrThrow } from '../support/command.ts';
import { describeOnCluster, useCluster } from '../support/fixture.ts';
import { createBuildah, debianBase, nodeFiles, whyNoDebian, type Buildah } from './image-tools.ts';

/** The first time, tools and a Debian are fetched. */
const TIMEOUT_MS = 45 * 60_000;
const USER = 65532;
const MAX_OWN_BYTES = 200 * 1024 * 1024;

/**
 * What a container runtime does for a pod without rights: mounts and processes of its own, the image's files read-only,
 * no capability, no way to get any. $1 image, $2 a folder to be seen in it, $3… program; its last argument is a file in the
 * folder that is the agent's.
 */
const CONTAINER = `set -e
root=$1 seen=$2; shift 2
for own; do :; done
own=$(dirname "$own")
chown -R ${USER}:${USER} "$own"
mount --make-rprivate /
mount --bind "$root" "$root"
mount --rbind /dev "$root/dev"
mount -t tmpfs tmpfs "$root/tmp"
for folder in "$seen" "$own"; do
  mkdir -p "$root$folder"
  mount --bind "$folder" "$root$folder"
done
mount -t proc proc "$root/proc"
mount -o remount,bind,ro "$root"
exec chroot "$root" setpriv --reuid=65532 --regid=65532 --clear-groups --bounding-set=-all --no-new-privs "$@"`;

const why = process.getuid?.() === 0 ? await whyNoDebian() : 'needs root';

describeOnCluster(why === undefined ? 'the image' : `the image (skipped: ${why})`, () => {
  if (why !== undefined) {
    test.skip('is built', () => undefined);
    return;
  }
  const stack = new AsyncDisposableStack();
  let buildah: Buildah;
  let root: string;
  let bundles: string[];

  beforeAll(async () => {
    const folder = await mkdtempDisposable(join(tmpdir(), 'wasmlet-image-'));
    stack.defer(() => folder.remove());
    const context = join(folder.path, 'context');
    await bundle(join(context, 'dist'));
    bundles = await readdir(join(context, 'dist'));
    buildah = await createBuildah(folder.path);
    const files = { node: await nodeFiles(join(folder.path, 'node')), base: await debianBase() };
    for (const [name, from] of Object.entries(files)) {
      const container = (await buildah(['from', 'scratch'])).stdout.trim();
      await buildah(['add', '--quiet', container, from, '/']);
      await buildah(['commit', '--quiet', '--rm', container, `localhost/${name}`]);
    }
    const images = ['--build-arg', 'NODE_IMAGE=localhost/node', '--build-arg', 'BASE_IMAGE=localhost/base'];
    const file = ['-f', join(PROJECT, 'Dockerfile'), '--build-arg', 'VERSION=1.2.3'];
    await buildah(['build', '--pull=never', ...images, ...file, '-t', 'localhost/wasmlet', context]);
    const container = (await buildah(['from', '--pull=never', 'localhost/wasmlet'])).stdout.trim();
    root = (await buildah(['mount', container])).stdout.trim();
    stack.defer(async () => {
      const points = (await readFile('/proc/self/mounts', 'utf8')).split('\n').map((line) => line.split(' ')[1] ?? '');
      const own = points.filter((point) => point.startsWith(`${folder.path}/`));
      // The innermost first; what a process that is just ending still has goes with it.
      for (const point of own.toReversed()) await runOrThrow('umount', ['--lazy', point]);
    });
  }, TIMEOUT_MS);

  afterAll(() => stack.disposeAsync(), TIMEOUT_MS);

  test('has an ordinary user, no shell between, and nothing that the agent does not need', async () => {
    const { stdout } = await buildah(['inspect', '--type', 'image', 'localhost/wasmlet']);
    const { OCIv1 } = JSON.parse(stdout) as { OCIv1: { config: Record<string, unknown> } };
    expect(OCIv1.config).toMatchObject({
      User: `${USER}:${USER}`,
      Entrypoint: ['/usr/local/bin/node', '/opt/wasmlet/cli.mjs'],
      Cmd: ['agent'],
      Labels: { 'org.opencontainers.image.version': '1.2.3' },
    });
    expect((await readdir(join(root, 'opt/wasmlet'))).toSorted()).toEqual(bundles.toSorted());
    const own = await Promise.all(
      ['usr/local/bin/node', 'opt/wasmlet/cli.mjs', 'usr/lib/libstdc++.so.6'].map((path) => stat(join(root, path))),
    );
    expect(own.reduce((bytes, { size }) => bytes + size, 0)).toBeLessThan(MAX_OWN_BYTES);
    for (const name of ['npm', 'npx', 'yarn']) {
      await expect(stat(join(root, 'usr/local/bin', name))).rejects.toThrow('ENOENT');
    }
  });

  test(
    'joins a cluster without any right on the machine, runs a pod, and ends in order',
    async () => {
      await using folder = await mkdtempDisposable(join(tmpdir(), 'wasmlet-contained-'));
      const script = join(folder.path, 'container.sh');
      await writeFile(script, CONTAINER);
      const bootstrap = join(folder.path, 'bootstrap.kubeconfig');
      await copyFile(await useCluster().bootstrapKubeconfig(), bootstrap);
      for (const path of [folder.path, bootstrap]) await chown(path, USER, USER);
      const unshare = ['unshare', '--mount', '--pid', '--fork', '--kill-child', 'sh', script, root, folder.path];
      const command = [...unshare, '/usr/local/bin/node', '/opt/wasmlet/cli.mjs'];
      const config = { kubeconfig: '', bootstrapKubeconfig: bootstrap, cgroupRoot: '' };
      await using scene = await startScene(useCluster(), config, command);
      await using namespace = await scene.namespace();
      await namespace.apply(namespace.pod({ name: 'hello', image: await scene.image('hello-c') }));
      const pod = await namespace.waitForPod('hello', isEnded, 240_000);
      expect(containerStatus(pod)?.state?.terminated?.exitCode).toBe(0);
      expect(await namespace.kubectl('logs', 'hello')).toMatch(/hello/i);

      const children = await readFile(`/proc/${scene.agent.pid}/task/${scene.agent.pid}/children`, 'utf8');
      const first = Number(children.trim().split(' ')[0]);
      const status = await readFile(`/proc/${first}/status`, 'utf8');
      expect(status).toMatch(new RegExp(`^Uid:\\s+${USER}\\s`, 'm'));
      expect(status).toMatch(/^CapBnd:\s+0+$/m);
      expect(status).toMatch(/^NSpid:\s+\d+\s+1$/m);
      await runOrThrow('kill', ['-TERM', String(first)]);
      await scene.agent.waitForEnd(first);
      expect(await readFile(scene.agent.logFile, 'utf8')).toContain('ending; a second signal ends at once');
    },
    TIMEOUT_MS,
  );
});
