import { copyFile, mkdir, mkdtempDisposable, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { ARTIFACT_FORMATS } from '../../images/artifact-formats.ts';
import { startRegistry, type Registry } from '../cluster/registry.ts';
import { runOrThrow } from '../support/command.ts';
import { buildGuest } from '../support/guests.ts';
import { skipWithout } from '../support/missing.ts';
import { findOras } from '../support/oras.ts';
import { buildTools } from '../support/tools.ts';
import { findWkg } from '../support/wkg.ts';

const CLI = join(import.meta.dirname, '../../agent/cli.ts');
const PATIENCE_MS = 240_000;
const CONFIG_TYPE = 'application/vnd.wasm.config.v0+json';

/** Artifacts go both ways between wasmlet and the tools that others have, over a real registry. */
describe('artifacts', { timeout: PATIENCE_MS }, () => {
  let registry: Registry;
  let stack: AsyncDisposableStack;
  let folder: string;
  let crane: string;
  let module: string;
  beforeAll(async () => {
    stack = new AsyncDisposableStack();
    registry = stack.use(await startRegistry());
    folder = stack.use(await mkdtempDisposable(join(tmpdir(), 'wasmlet-artifacts-'))).path;
    ({ crane } = await buildTools(['crane']));
    module = join(folder, 'hello.wasm');
    await copyFile(await buildGuest('hello-wat'), module);
  }, PATIENCE_MS);
  afterAll(() => stack.disposeAsync());

  const env = () => ({ ...process.env, XDG_STATE_HOME: join(folder, 'state') });
  const wasmlet = async (...args: readonly string[]): Promise<string> =>
    (await runOrThrow(process.execPath, [CLI, ...args], { env: env(), timeoutMs: PATIENCE_MS })).stdout;
  const name = (repository: string): string => `${registry.address}/${repository}`;
  const inspected = async (image: string) =>
    JSON.parse(await wasmlet('inspect', image, '--root-dir', join(folder, 'node'))) as {
      source: string;
      id: string;
      module: { wasi: string[] };
      manifest: { layers: { mediaType: string; digest: string }[] };
    };

  test('that wasmlet pushes have for crane the digest that it printed, and the bytes of the module', async () => {
    const pushed = (
      await wasmlet('push', '--annotation', 'org.opencontainers.image.licenses=MIT', module, name('a:1'))
    ).trim();
    expect(pushed).toMatch(/\/a@sha256:[0-9a-f]{64}$/);
    const { stdout: digest } = await runOrThrow(crane, ['digest', name('a:1')]);
    expect(pushed).toBe(`${name('a')}@${digest.trim()}`);
    const manifest = JSON.parse((await runOrThrow(crane, ['manifest', name('a:1')])).stdout) as {
      config: { mediaType: string };
      layers: [{ digest: string }];
      annotations: object;
    };
    expect(manifest).toMatchObject({
      config: { mediaType: CONFIG_TYPE },
      annotations: { 'org.opencontainers.image.licenses': 'MIT' },
    });
    const blob = join(folder, 'blob');
    await runOrThrow('sh', ['-c', `"$0" blob "$1" > "$2"`, crane, `${name('a')}@${manifest.layers[0].digest}`, blob]);
    expect((await readFile(blob)).equals(await readFile(module))).toBe(true);
    // The same again is the same.
    expect(
      (
        await wasmlet(
          'push',
          '-q',
          '--mount-from',
          'a',
          '--annotation',
          'org.opencontainers.image.licenses=MIT',
          module,
          name('b:1'),
        )
      ).trim(),
    ).toBe(`${name('b')}@${digest.trim()}`);
    expect(await inspected(name('a:1'))).toMatchObject({
      source: 'registry',
      id: digest.trim(),
      module: { wasi: ['wasip1'] },
    });
  });

  test.each(ARTIFACT_FORMATS)('of the form %s are whole for crane', async (format) => {
    await wasmlet('push', '-q', '--format', format, module, name(`forms/${format}:1`));
    if (['compat', 'image'].includes(format)) {
      await runOrThrow(crane, ['validate', '--remote', name(`forms/${format}:1`)]);
      return;
    }
    // crane takes layers for archives; of a module it can tell that it is of its digest.
    const { stdout } = await runOrThrow(crane, ['manifest', name(`forms/${format}:1`)]);
    const [layer] = (JSON.parse(stdout) as { layers: [{ digest: string }] }).layers;
    await runOrThrow('sh', ['-c', '"$0" blob "$1" > /dev/null', crane, `${name(`forms/${format}`)}@${layer.digest}`]);
  });

  test('join an index beside other platforms', async () => {
    const layer = join(folder, 'layer.tar');
    await runOrThrow('tar', ['-cf', layer, '-C', folder, 'hello.wasm']);
    await runOrThrow(crane, ['append', '--oci-empty-base', '-f', layer, '-t', name('multi:1')]);
    await runOrThrow(crane, ['mutate', name('multi:1'), '--set-platform', 'linux/amd64', '-t', name('multi:1')]);
    const { stdout: linux } = await runOrThrow(crane, ['digest', name('multi:1')]);
    const pushed = (await wasmlet('push', '-q', '--index', module, name('multi:1'))).trim();
    const again = (await wasmlet('push', '-q', '--index', module, name('multi:1'))).trim();
    expect(again).toBe(pushed);
    const { stdout } = await runOrThrow(crane, ['digest', '--platform', 'wasip1/wasm', name('multi:1')]);
    expect((await inspected(name('multi:1'))).id).toBe(stdout.trim());
    const other = await runOrThrow(crane, ['digest', '--platform', 'linux/amd64', name('multi:1')]);
    expect(other.stdout).toBe(linux);
  });

  test('that crane saves are imported with the digest that they have in the registry', async () => {
    await wasmlet('push', '-q', '--format', 'image', module, name('saved:1'));
    const { stdout: digest } = await runOrThrow(crane, ['digest', name('saved:1')]);
    const layout = join(folder, 'layout');
    await runOrThrow(crane, ['pull', '--format', 'oci', name('saved:1'), layout]);
    const archive = join(folder, 'layout.tar');
    await runOrThrow('tar', ['-cf', archive, '-C', layout, '.']);
    const node = ['--root-dir', join(folder, 'node')];
    expect(await wasmlet('images', 'import', archive, 'demo:1', ...node)).toBe(
      `docker.io/library/demo:1 (${digest.trim()})\n`,
    );
    const docker = join(folder, 'docker.tar');
    await runOrThrow(crane, ['pull', name('saved:1'), docker]);
    expect(await wasmlet('images', 'import', docker, ...node)).toContain(`${name('saved:1')} (sha256:`);
    expect(await wasmlet('images', 'ls', ...node)).toMatch(/docker.io\/library\/demo +1 /);
    expect(await wasmlet('images', 'prune', ...node)).toContain('Removed 2 images');
  });

  test.each(['basic', 'token'])(
    'reach a registry with %s authentication, with what the Docker config has',
    async (kind) => {
      const auth = { username: 'writer', password: 'pass word' };
      await using other = await startRegistry(kind === 'basic' ? { htpasswd: auth } : { token: auth });
      const image = `${other.address}/private/hello:1`;
      await expect(wasmlet('push', '-q', module, image)).rejects.toThrow(
        /401 Unauthorized; log in with rights to push/,
      );
      const docker = join(folder, `docker-${kind}`);
      await mkdir(docker);
      const basic = Buffer.from(`${auth.username}:${auth.password}`).toString('base64');
      await writeFile(join(docker, 'config.json'), JSON.stringify({ auths: { [other.address]: { auth: basic } } }));
      vi.stubEnv('DOCKER_CONFIG', docker);
      expect(await wasmlet('push', '-q', module, image)).toMatch(/@sha256:/);
      expect(await wasmlet('run', image)).toMatch(/hello/i);
      vi.unstubAllEnvs();
    },
  );

  test('go both ways with the oras SDK', async (context) => {
    const oras = await findOras();
    if ('missing' in oras) {
      skipWithout((why) => context.skip(why), oras.missing);
      return;
    }
    const script = `
import os, sys, oras.client
client = oras.client.OrasClient(insecure=True)
registry, folder = sys.argv[1:]
os.chdir(folder)
open('config.json', 'w').write('{"architecture":"wasm","os":"wasip1"}')
client.push(target=registry + '/oras:1', files=['hello.wasm:application/wasm'], manifest_config='config.json:${CONFIG_TYPE}')
print(client.pull(target=registry + '/for-oras:1', outdir=os.path.join(folder, 'pulled'))[0])
`;
    await wasmlet('push', '-q', '--annotation', 'a=b', '--format', 'runwasi', module, name('for-oras:1'));
    const { stdout } = await oras.python(script, registry.address, folder);
    expect((await readFile(stdout.trim())).equals(await readFile(module))).toBe(true);
    expect(await inspected(name('oras:1'))).toMatchObject({ source: 'registry', module: { wasi: ['wasip1'] } });
    expect(await wasmlet('run', name('oras:1'))).toMatch(/hello/i);
  });

  // Built in minutes, once.
  test('go both ways with wkg', { timeout: 1_800_000 }, async (context) => {
    const wkg = await findWkg();
    if ('missing' in wkg) {
      skipWithout((why) => context.skip(why), wkg.missing);
      return;
    }
    const insecure = ['--insecure', registry.address];
    await wasmlet('push', '-q', module, name('for-wkg:1'));
    const pulled = join(folder, 'pulled-by-wkg.wasm');
    await wkg.run('oci', 'pull', ...insecure, name('for-wkg:1'), '-o', pulled);
    expect((await readFile(pulled)).equals(await readFile(module))).toBe(true);
    const { stdout } = await wkg.run('oci', 'push', ...insecure, '--annotation', 'a=b', name('wkg:1'), module);
    const [digest] = /sha256:[0-9a-f]{64}/.exec(stdout) ?? [];
    // It writes the platform wasip2 into the configuration of every module, and the module says what it is.
    expect(await inspected(name('wkg:1'))).toMatchObject({
      source: 'registry',
      id: digest,
      module: { wasi: ['wasip1'] },
    });
    expect(await wasmlet('run', name('wkg:1'))).toMatch(/hello/i);
    // It takes no other form than the one that is pushed unless another is asked for.
    await wasmlet('push', '-q', '--format', 'image', module, name('image-for-wkg:1'));
    const refused = wkg.run('oci', 'pull', ...insecure, name('image-for-wkg:1'), '-o', pulled);
    await expect(refused).rejects.toThrow('Incompatible layer media type');
  });
});
