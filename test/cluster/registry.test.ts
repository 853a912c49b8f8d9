import { mkdtempDisposable } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { run, runOrThrow } from '../support/command.ts';
import { describeOnCluster, useCluster } from '../support/fixture.ts';
import { buildGuest } from '../support/guests.ts';
import { FLAVOURS, pushImage } from '../support/push.ts';
import { startRegistry } from './registry.ts';

interface Manifest {
  readonly mediaType: string;
  readonly config?: { readonly mediaType: string };
  readonly layers?: readonly { readonly mediaType: string; readonly digest: string }[];
  readonly manifests?: readonly { readonly platform: { readonly os: string; readonly architecture: string } }[];
}

describeOnCluster('the test registry', () => {
  let wasm: string;
  beforeAll(async () => {
    wasm = await buildGuest('hello-wat');
  });

  const crane = async (...args: string[]) =>
    (await runOrThrow(useCluster().crane, ['--insecure', ...args])).stdout.trim();

  test.for(FLAVOURS.map((flavour) => [flavour] as const))(
    'takes an image in the %s form, which a client of others finds whole',
    async ([flavour]) => {
      const { registry } = useCluster();
      const image = await pushImage({ registry, repository: `flavours/${flavour}`, flavour, wasm });
      expect(await crane('digest', image.reference)).toBe(image.digest);
      const manifest = JSON.parse(await crane('manifest', image.byDigest)) as Manifest;
      if (flavour === 'index') {
        expect(manifest.manifests?.map(({ platform }) => `${platform.os}/${platform.architecture}`)).toEqual([
          'linux/amd64',
          'wasip1/wasm',
        ]);
      } else {
        expect(manifest.layers?.map(({ digest }) => digest)).toEqual(image.layers);
      }
    },
  );

  test('copies by crane are the same', async () => {
    const { registry } = useCluster();
    const image = await pushImage({ registry, repository: 'copied', flavour: 'plain', wasm, files: { 'a/b': 'c' } });
    await using folder = await mkdtempDisposable(join(tmpdir(), 'wasmlet-crane-'));
    const layout = join(folder.path, 'layout');
    await crane('pull', '--format=oci', image.reference, layout);
    await crane('push', layout, `${registry}/copy:1`);
    expect(await crane('export', `${registry}/copy:1`, '-')).toContain('hello from WAT');
  });

  test('with a password refuses who does not know it', async () => {
    const auth = { username: 'reader', password: 'pass word' };
    await using registry = await startRegistry({ htpasswd: auth });
    const target = { registry: registry.address, repository: 'private', wasm };
    await expect(pushImage(target)).rejects.toThrow(/HTTP 401/);
    await expect(pushImage({ ...target, auth: { ...auth, password: 'wrong' } })).rejects.toThrow(/HTTP 401/);
    const { digest, reference } = await pushImage({ ...target, auth });
    expect(digest).toMatch(/^sha256:[0-9a-f]{64}$/);
    const refused = await run(useCluster().crane, ['--insecure', 'manifest', reference]);
    expect(refused.stderr).toContain('UNAUTHORIZED');
  });

  test('with a token server gives what the token grants and no more', async () => {
    const auth = { username: 'reader', password: 'secret' };
    await using registry = await startRegistry({ token: { ...auth, anonymousPull: true } });
    const target = { registry: registry.address, wasm };
    await expect(pushImage({ ...target, repository: 'public/hello' })).rejects.toThrow(/HTTP 401/);
    const open = await pushImage({ ...target, repository: 'public/hello', auth });
    const closed = await pushImage({ ...target, repository: 'private/hello', auth });

    // By hand: crane follows no realm on a loopback address.
    const { realm, service, requests } = registry.tokenServer!;
    const pull = async (repository: string, digest: string) => {
      const scope = encodeURIComponent(`repository:${repository}:pull`);
      const answer = await fetch(`${realm}?service=${service}&scope=${scope}`);
      const { token } = (await answer.json()) as { token: string };
      const headers = { authorization: `Bearer ${token}`, accept: 'application/vnd.oci.image.manifest.v1+json' };
      const response = await fetch(`${registry.url}/v2/${repository}/manifests/${digest}`, { headers });
      await response.body?.cancel();
      return response.status;
    };
    expect(await pull('public/hello', open.digest)).toBe(200);
    expect(await pull('private/hello', closed.digest)).toBe(401);
    expect(requests.some(({ user }) => user === 'reader')).toBe(true);
    expect(JSON.stringify(requests)).not.toContain('Basic');
  });
});
