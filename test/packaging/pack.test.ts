import { mkdtempDisposable, readdir, readFile, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { PROJECT } from '../support/agent.ts';
import { runOrThrow } from '../support/command.ts';
import { buildGuest } from '../support/guests.ts';
import { containerStatus, isEnded, startScene } from '../e2e/scene.ts';
import { describeOnCluster, useCluster } from '../support/fixture.ts';

/** Packs the package and installs the tarball into an empty folder outside the tree, as a user would. */
async function install(folder: string): Promise<string> {
  const { stdout } = await runOrThrow('npm', ['pack', '--json', '--pack-destination', folder], {
    cwd: PROJECT,
    timeoutMs: 300_000,
  });
  const [{ filename }] = JSON.parse(stdout.slice(stdout.indexOf('['))) as [{ filename: string }];
  await runOrThrow('npm', ['install', '--no-audit', '--no-fund', '--prefix', folder, join(folder, filename)], {
    cwd: folder,
    timeoutMs: 300_000,
  });
  return join(folder, 'node_modules/.bin/wasmlet');
}

describeOnCluster('the packed package', () => {
  let wasmlet: string;
  let folder: string;
  beforeAll(async () => {
    const temporary = await mkdtempDisposable(join(tmpdir(), 'wasmlet-pack-'));
    folder = temporary.path;
    wasmlet = await install(folder);
    return () => temporary.remove();
  });

  test('holds what is published and nothing else', async () => {
    const installed = join(folder, 'node_modules/wasmlet');
    expect((await readdir(installed)).toSorted()).toEqual([
      'CHANGELOG.md',
      'LICENSE',
      'NOTICE',
      'README.md',
      'dist',
      'manifests',
      'package.json',
    ]);
    const files = await readdir(join(installed, 'dist'));
    const parts = files.filter((file) => /^cli-.*\.mjs$/.test(file));
    expect(parts.length).toBeGreaterThan(10);
    expect(files.filter((file) => !parts.includes(file)).toSorted()).toEqual([
      'THIRD_PARTY_LICENSES',
      'cli.mjs',
      'cri.proto',
      'host.cjs',
      'local-openapi.json',
      'local-page',
      'local-protobuf.json',
      'pull-worker.mjs',
      'rewrite-worker.mjs',
      'supervisor.mjs',
      'wasmlet.cjs',
    ]);
    for (const file of files) expect((await stat(join(installed, 'dist', file))).size).toBeLessThan(8 * 1024 * 1024);
  });

  test('has all of the command line, with nothing of the source tree', async () => {
    const module = await buildGuest('hello-wat');
    const env = { ...process.env, XDG_STATE_HOME: join(folder, 'state') };
    expect((await runOrThrow(wasmlet, ['run', module], { cwd: folder, env })).stdout).toMatch(/hello/i);
    const node = ['--root-dir', join(folder, 'node')];
    await runOrThrow(wasmlet, ['images', 'import', module, 'hello:1', ...node], { cwd: folder });
    expect((await runOrThrow(wasmlet, ['images', 'ls', ...node], { cwd: folder })).stdout).toMatch(
      /library\/hello +1 /,
    );
    expect((await runOrThrow(wasmlet, ['completion', 'bash'], { cwd: folder })).stdout).toContain('complete -F');
  });

  test('tells its version, which is that of package.json', async () => {
    const { version } = JSON.parse(await readFile(join(PROJECT, 'package.json'), 'utf8')) as { version: string };
    expect((await runOrThrow(wasmlet, ['version'], { cwd: folder })).stdout).toContain(version);
  });

  test('runs a pod, with nothing of the source tree', async () => {
    await using scene = await startScene(useCluster(), {}, [wasmlet]);
    await using namespace = await scene.namespace();
    await namespace.apply(namespace.pod({ name: 'hello', image: await scene.image('hello-c') }));
    const pod = await namespace.waitForPod('hello', isEnded);
    expect(containerStatus(pod)?.state?.terminated?.exitCode).toBe(0);
    expect(await namespace.kubectl('logs', 'hello')).toMatch(/hello/i);
  });
});
